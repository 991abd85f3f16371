// SPDX-License-Identifier: Apache-2.0
// A group cut of which one member's file hangs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <map>
#include <thread>

#include "storage_object/base/errc.hpp"
#include "tests/integration/snapshots/disks.hpp"
#include "tests/support/gate_device.hpp"
#include "tests/support/running_gateway.hpp"

namespace caisson::tests {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::uint64_t kSize = 4 << 20;

class HungMemberTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto* lun : {"hangs", "works"}) {
      gateway_.create_lun(lun, kSize);
      disks_[lun] =
          std::make_unique<ForeignInitiator>(gateway_.portal(), gateway_.show(lun).target_name());
      disks_[lun]->clear_attentions();
      write_at(*disks_[lun], 0, content(kSize, 1));
    }
  }
  void TearDown() override { gates_["hangs"]->release(); }
  /// Files of snapshots that were not made go soon.
  bool nothing_left_of(const std::string& lun) {
    auto folder = std::filesystem::path(gateway_.container(lun)).parent_path() / ".snapshots" / lun;
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    std::error_code none;
    auto empty = [&] {
      return std::filesystem::directory_iterator(folder, none) ==
             std::filesystem::directory_iterator();
    };
    while (!empty() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    return empty();
  }

  std::map<std::string, GateDevice*> gates_;
  RunningGateway gateway_{
      {}, [this](std::unique_ptr<block::BlockDevice> below, const catalog::LunRecord& lun) {
        auto gate = std::make_unique<GateDevice>(std::move(below));
        gates_[lun.name] = gate.get();
        return gate;
      }};
  std::map<std::string, std::unique_ptr<ForeignInitiator>> disks_;
};

TEST_F(HungMemberTest, TheCutGivesUpNamesItAndLeavesNothing) {
  auto& gate = *gates_["hangs"];
  gate.hang(block::IoOp::write);
  auto hung = std::async(std::launch::async,
                         [this] { return disks_["hangs"]->write(0, content(4096, 2)).good(); });
  while (gate.hanging() == 0) std::this_thread::yield();

  auto cut = std::async(std::launch::async, [this] {
    return GatewayAdmin(gateway_.control_socket()).try_cut({"works", "hangs"}, "g");
  });
  std::size_t written = 0;
  while (cut.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
    written += disks_["works"]->write(written % 8 * 8, content(4096, 3)).good();
  auto made = cut.get();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::timed_out);
  EXPECT_THAT(made.error().message, HasSubstr("'hangs'"));
  EXPECT_THAT(made.error().message, Not(HasSubstr("'works'")));
  EXPECT_THAT(made.error().message, HasSubstr("5000 ms"));
  EXPECT_EQ(gate.hanging(), 1U) << "nobody waited for the file";
  for (const auto* lun : {"hangs", "works"}) {
    EXPECT_THAT(gateway_.snapshots(lun), IsEmpty()) << lun;
    EXPECT_TRUE(nothing_left_of(lun)) << lun;
  }
  EXPECT_TRUE(disks_["works"]->write(0, content(4096, 4)).good());
  gateway_.cut({"works"}, "alone");

  gate.release();
  EXPECT_TRUE(hung.get()) << "it was not lost either";
  gateway_.cut({"works", "hangs"}, "g");
  EXPECT_TRUE(disks_["hangs"]->write(0, content(4096, 5)).good());
  auto image = file_content(gateway_.exported("hangs", "g"));
  EXPECT_EQ(Bytes(image.begin(), image.begin() + 4096), content(4096, 2));
}

}  // namespace
}  // namespace caisson::tests
