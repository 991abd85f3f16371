// SPDX-License-Identifier: Apache-2.0
// Changes held back for a cut: who waits for it, and what no cut comes between.
#include <gtest/gtest.h>

#include <deque>
#include <future>
#include <map>
#include <thread>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/lun_object.hpp"
#include "tests/support/gate_device.hpp"
#include "tests/unit/storage_object/object/machine.hpp"
#include "tests/unit/storage_object/object/sent.hpp"

namespace caisson::tests {
namespace {

using block::IoOp;
using object::UpkeepRequest;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::chrono::seconds kNever{20};

class HoldTest : public ::testing::Test {
 protected:
  HoldTest() {
    for (const auto* lun : {"a", "b"}) {
      objects_[lun] = machine_.make(lun, 4 * kMiB);
      EXPECT_EQ(write(*objects_[lun], 0, filled(4 * kMiB, 1)), Error());
    }
  }
  ~HoldTest() override {
    for (const auto& [lun, gate] : gates_) gate->release();
    if (hold_.valid()) hold_.wait();
  }

  /// Begins to hold these LUNs; `body` as for hold_changes().
  void begin_hold(const std::vector<std::string>& luns, std::function<void()> body) {
    std::vector<Uuid> uuids;
    uuids.reserve(luns.size());
    for (const auto& lun : luns) uuids.push_back(objects_[lun]->identity()->uuid);
    hold_ = std::async(std::launch::async, [this, uuids, body = std::move(body)] {
      return machine_.registry().hold_changes(uuids, kNever, body);
    });
  }
  bool holding() const {
    return hold_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
  }
  /// Returns once the hold waits for what hangs in this LUN: a write beside that, which
  /// its file would not keep, is kept waiting too.
  void wait_for_hold_of(const std::string& lun) {
    do {
      probes_.emplace_back(IoOp::write, 3 * kMiB, filled(4096, 1));
      objects_[lun]->submit(probes_.back().request);
    } while (probes_.back().completions != 0);
  }
  void wait_for_hanging(const std::string& lun) {
    while (gates_[lun]->hanging() == 0) std::this_thread::yield();
  }
  /// The first byte of each MiB.
  std::vector<int> look(const std::string& lun) {
    std::vector<int> firsts;
    for (std::uint64_t at = 0; at < 4 * kMiB; at += kMiB) {
      std::vector<std::byte> sector(512);
      EXPECT_EQ(read(*objects_[lun], at, sector), Error());
      firsts.push_back(std::to_integer<int>(sector[0]));
    }
    return firsts;
  }

  SimStore disk_{SimOptions{}};
  std::map<std::string, GateDevice*> gates_;
  Machine machine_{disk_, nullptr, [this](object::RegistryOptions& options) {
                     options.decorate = [this](std::unique_ptr<block::BlockDevice> below,
                                               const catalog::LunRecord& lun) {
                       auto gate = std::make_unique<GateDevice>(std::move(below));
                       gates_[lun.name] = gate.get();
                       return gate;
                     };
                   }};
  std::map<std::string, std::shared_ptr<object::StorageObject>> objects_;
  std::deque<Sent> probes_;
  std::future<Outcome<>> hold_;
};

class HungHoldTest : public HoldTest, public ::testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Which, HungHoldTest, ::testing::Values("a", "b"),
                         [](const auto& info) { return std::string("hangs_") + info.param; });

TEST_P(HungHoldTest, WritesToOneDoNotWaitForTheFileOfAnother) {
  const std::string hangs = GetParam(), works = hangs == "a" ? "b" : "a";
  Sent hung(IoOp::write, 0, filled(4096, 2));
  gates_[hangs]->hang(IoOp::write);
  objects_[hangs]->submit(hung.request);
  gates_[hangs]->pass();
  int cuts = 0;
  begin_hold({"a", "b"}, [&] { ++cuts; });
  wait_for_hold_of(hangs);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(write(*objects_[works], 0, filled(4096, 3)), Error());
  EXPECT_TRUE(holding()) << "it has not given up";
  EXPECT_EQ(cuts, 0);
  gates_[hangs]->release();
  auto held = hold_.get();
  EXPECT_TRUE(held) << held.error().message;
  EXPECT_EQ(cuts, 1);
  EXPECT_TRUE(hung.ended_with({}));
  EXPECT_EQ(write(*objects_[hangs], 0, filled(4096, 3)), Error());
}

TEST_F(HoldTest, WhoHangsLongerThanTheLimitIsNamed) {
  Sent hung(IoOp::write, 0, filled(4096, 2));
  gates_["b"]->hang(IoOp::write);
  objects_["b"]->submit(hung.request);
  std::vector<Uuid> both{objects_["a"]->identity()->uuid, objects_["b"]->identity()->uuid};
  auto held = machine_.registry().hold_changes(both, std::chrono::milliseconds(200),
                                               [] { ADD_FAILURE() << "it was cut"; });
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, Errc::timed_out);
  EXPECT_NE(held.error().message.find("'b'"), std::string::npos) << held.error().message;
  gates_["b"]->release();
}

TEST_F(HoldTest, NoCutComesBetweenTheRangesOfAnUnmap) {
  const std::vector<block::Range> ranges{{2 * kMiB, kMiB}, {0, kMiB}, {kMiB, kMiB}};
  Sent unmap(IoOp::unmap, 0, {});
  unmap.request.length = 3 * kMiB;
  unmap.request.ranges = ranges;
  gates_["a"]->hang([](const block::IoRequest& request) {
    return request.op == IoOp::unmap && request.offset == 0;
  });
  objects_["a"]->submit(unmap.request);
  ASSERT_EQ(gates_["a"]->hanging(), 1U);
  EXPECT_EQ(look("a"), (std::vector{1, 1, 0, 1})) << "the first one is done";
  gates_["a"]->pass();
  std::vector<int> cut;
  begin_hold({"a"}, [&] { cut = look("a"); });
  wait_for_hold_of("a");
  gates_["a"]->release();
  ASSERT_TRUE(hold_.get());
  EXPECT_EQ(cut, (std::vector{0, 0, 0, 1}));
  EXPECT_TRUE(unmap.ended_with({}));
}

TEST_F(HoldTest, AFailureEndsAnUnmapOfSeveralRanges) {
  const std::vector<block::Range> ranges{{0, kMiB}, {kMiB, kMiB}};
  Sent unmap(IoOp::unmap, 0, {});
  unmap.request.length = 2 * kMiB;
  unmap.request.ranges = ranges;
  disk_.inject({.op = SimOp::punch, .error = ENOSPC});
  objects_["a"]->submit(unmap.request);
  EXPECT_TRUE(unmap.ended_with(block::BlockErrc::no_space));
  EXPECT_EQ(look("a"), (std::vector{1, 1, 1, 1}));
}

TEST_F(HoldTest, ADiskThatIsHalfFormattedIsNotCut) {
  gates_["a"]->hang([](const block::IoRequest& request) {
    return request.context.priority == block::Priority::background && request.offset == kMiB;
  });
  std::promise<Error> formatted;
  objects_["a"]->start_upkeep(
      {}, UpkeepRequest{}, [](Error error) { EXPECT_FALSE(error); },
      [&](Error error) { formatted.set_value(error); });
  ASSERT_EQ(gates_["a"]->hanging(), 1U);
  ASSERT_EQ(look("a"), (std::vector{0, 1, 1, 1}));
  gates_["a"]->pass();
  begin_hold({"a"}, [] { ADD_FAILURE() << "it was cut"; });
  wait_for_hold_of("a");
  gates_["a"]->release();
  auto held = hold_.get();
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, Errc::in_use);
  EXPECT_EQ(formatted.get_future().get(), Error());
  int cuts = 0;
  begin_hold({"a"}, [&] { ++cuts; });
  EXPECT_TRUE(hold_.get());
  EXPECT_EQ(cuts, 1);
}

}  // namespace
}  // namespace caisson::tests
