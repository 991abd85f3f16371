// SPDX-License-Identifier: Apache-2.0
// Cuts that race with what several hosts do to two disks: in each snapshot every
// command is there or not, never half, and in the order in which the hosts were answered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "storage_object/base/byte_order.hpp"
#include "tests/integration/snapshots/disks.hpp"
#include "tests/integration/snapshots/store_kinds.hpp"
#include "tests/support/gateway_process.hpp"

namespace caisson::tests {
namespace {

using Number = std::uint64_t;

/// A part of a disk whose sectors all bear the number of the command that wrote them.
struct Region {
  std::uint64_t lba;
  std::uint32_t blocks;
};

// Of LUN "a": 4 MiB.
constexpr Region kWritten{3, 701}, kSwapped{1029, 17}, kSame{1101, 3001}, kHoles{4203, 900};
constexpr std::uint64_t kSize = 4 << 20;
// Each pair of writers has a sector of "a" and one of "b".
constexpr std::uint64_t kOrdered = 6000;
constexpr std::size_t kPairs = 3;

Bytes stamped(const Region& region, Number number) {
  Bytes bytes(std::size_t{region.blocks} * kBlock);
  for (std::size_t at = 0; at < bytes.size(); at += 8)
    store(std::span(bytes).subspan(at), be64(number));
  return bytes;
}

/// The number of all its sectors, if they agree.
std::optional<Number> number_of(const Bytes& image, const Region& region) {
  auto sectors = std::span(image).subspan(region.lba * kBlock, region.blocks * kBlock);
  auto first = Number{load<be64>(sectors)};
  for (std::size_t at = 0; at < sectors.size(); at += 8)
    if (load<be64>(sectors.subspan(at)) != first) return std::nullopt;
  return first;
}

std::vector<std::uint8_t> cdb16(int code, int flags, const Region& region) {
  std::vector<std::uint8_t> cdb(16);
  cdb[0] = static_cast<std::uint8_t>(code);
  cdb[1] = static_cast<std::uint8_t>(flags);
  store(std::as_writable_bytes(std::span(cdb)).subspan(2), be64(region.lba));
  store(std::as_writable_bytes(std::span(cdb)).subspan(10), be32(region.blocks));
  return cdb;
}

/// The first, second and fourth quarter of a region, the last one first.
std::array<Region, 3> holes_of(const Region& region) {
  auto quarter = region.blocks / 4;
  return {Region{region.lba + 3 * quarter, quarter}, Region{region.lba, quarter},
          Region{region.lba + quarter, quarter}};
}

Bytes unmap_list(const std::array<Region, 3>& holes) {
  Bytes list(8 + 16 * holes.size());
  store(std::span(list), be16(static_cast<std::uint16_t>(list.size() - 2)));
  store(std::span(list).subspan(2), be16(static_cast<std::uint16_t>(list.size() - 8)));
  for (std::size_t i = 0; i < holes.size(); ++i) {
    store(std::span(list).subspan(8 + 16 * i), be64(holes[i].lba));
    store(std::span(list).subspan(16 + 16 * i), be32(holes[i].blocks));
  }
  return list;
}

/// What writers have sent and been answered.
struct Progress {
  std::atomic<Number> sent{0}, answered{0};
};

/// Both before a cut began; `sent` after it was reported.
struct Bounds {
  Number at_least = 0, at_most = 0;
};

class RacingCutsTest : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    if (auto why = store_.unfit(); !why.empty()) GTEST_SKIP() << why;
    gateway_ = std::make_unique<GatewayProcess>(store_.where());
    for (const auto* lun : {"a", "b"}) {
      gateway_->create_lun(lun, kSize);
      targets_[lun] = gateway_->show(lun).target_name();
    }
  }
  void TearDown() override { stop(); }
  void stop() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    stop_ = false;
  }
  std::unique_ptr<ForeignInitiator> log_in(const std::string& lun, std::size_t number) {
    auto disk = std::make_unique<ForeignInitiator>(
        gateway_->portal(), targets_[lun], "iqn.2026-11.test:host" + std::to_string(number));
    disk->clear_attentions();
    return disk;
  }
  /// `round` for as long as the gateway serves and nobody says stop.
  void begin(const std::string& lun, std::function<bool(ForeignInitiator&, Number)> round,
             Progress* progress = nullptr) {
    auto number = threads_.size();
    threads_.emplace_back([this, lun, number, progress, round = std::move(round)] {
      try {
        auto disk = log_in(lun, number);
        for (Number n = 1; !stop_; ++n) {
          if (progress != nullptr) progress->sent = n;
          if (!round(*disk, n)) break;
          if (progress != nullptr) progress->answered = n;
        }
      } catch (const std::runtime_error&) {  // it was killed
      }
    });
  }
  void begin_all();
  std::vector<std::string> cut_under_load(int cuts);
  void check(const std::string& name);

  StoreOfKind store_{GetParam()};
  std::unique_ptr<GatewayProcess> gateway_;
  std::map<std::string, std::string> targets_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
  Progress written_, same_;
  std::array<Progress, kPairs> pairs_;
  std::map<std::string, Bounds> bounds_;
};

INSTANTIATE_TEST_SUITE_P(Stores, RacingCutsTest,
                         testing::Values(StoreKind::copies, StoreKind::shares), name_of);

void RacingCutsTest::begin_all() {
  begin(
      "a",
      [](auto& disk, Number n) { return disk.write(kWritten.lba, stamped(kWritten, n)).good(); },
      &written_);
  begin(
      "a",
      [](auto& disk, Number n) {
        return disk.command(cdb16(0x93, 0, kSame), stamped({0, 1}, n)).good();
      },
      &same_);
  begin("a", [](auto& disk, Number n) {
    if (n % 2 == 1) return disk.write(kHoles.lba, stamped(kHoles, n)).good();
    auto list = unmap_list(holes_of(kHoles));
    return disk
        .command({0x42, 0, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(list.size()), 0}, list)
        .good();
  });
  for (int i = 0; i < 2; ++i)
    begin("a", [](auto& disk, Number) {
      auto there = disk.read(kSwapped.lba, kSwapped.blocks * kBlock).data;
      if (there.empty()) return false;
      auto next = stamped(kSwapped, Number{load<be64>(there)} + 1);
      there.insert(there.end(), next.begin(), next.end());
      auto swapped = disk.command(cdb16(0x89, 0, kSwapped), there);
      return swapped.good() || swapped.key == 0xe;
    });
  for (std::size_t i = 0; i < kPairs; ++i) {
    std::shared_ptr<ForeignInitiator> other = log_in("b", 100 + i);
    begin(
        "a",
        [i, other](auto& disk, Number n) {
          return disk.write(kOrdered + i, stamped({0, 1}, n)).good() &&
                 other->write(kOrdered + i, stamped({0, 1}, n)).good();
        },
        &pairs_[i]);
  }
}

void RacingCutsTest::check(const std::string& name) {
  SCOPED_TRACE(name);
  auto a = file_content(gateway_->exported("a", name));
  auto b = file_content(gateway_->exported("b", name));
  auto within = [&](std::optional<Number> number, const std::string& what) {
    ASSERT_TRUE(number) << "half of a " << what;
    EXPECT_GE(*number, bounds_[name + what].at_least) << what << " that was answered is missing";
    EXPECT_LE(*number, bounds_[name + what].at_most) << what << " that came later is there";
  };
  within(number_of(a, kWritten), "WRITE");
  within(number_of(a, kSame), "WRITE SAME");
  EXPECT_TRUE(number_of(a, kSwapped)) << "half of a COMPARE AND WRITE";
  auto holes = holes_of(kHoles);
  auto first = number_of(a, holes[0]);
  ASSERT_TRUE(first);
  for (const auto& hole : holes) EXPECT_EQ(number_of(a, hole), first) << "half of an UNMAP";
  for (std::size_t i = 0; i < kPairs; ++i) {
    auto in_a = number_of(a, {kOrdered + i, 1}), in_b = number_of(b, {kOrdered + i, 1});
    within(in_a, "pair" + std::to_string(i));
    ASSERT_TRUE(in_b);
    EXPECT_GE(*in_a, *in_b) << "b has what followed on what a lacks";
    EXPECT_LE(*in_a, *in_b + 1) << "b lacks what was answered before a was written again";
  }
}

/// Cuts while all of them are at work, then kill -9 under load; names of the snapshots.
std::vector<std::string> RacingCutsTest::cut_under_load(int cuts) {
  std::map<std::string, Progress*> watched{{"WRITE", &written_}, {"WRITE SAME", &same_}};
  for (std::size_t i = 0; i < kPairs; ++i) watched["pair" + std::to_string(i)] = &pairs_[i];
  for (const auto& [what, progress] : watched) progress->sent = progress->answered = 0;
  begin_all();
  for (const auto& [what, progress] : watched)
    while (progress->answered == 0) std::this_thread::yield();
  std::vector<std::string> names;
  for (int i = 0; i < cuts; ++i) {
    auto name = names.emplace_back("cut" + std::to_string(i));
    for (const auto& [what, progress] : watched) bounds_[name + what].at_least = progress->answered;
    gateway_->cut({"a", "b"}, name);
    for (const auto& [what, progress] : watched) bounds_[name + what].at_most = progress->sent;
  }
  gateway_->kill();
  stop();
  return names;
}

TEST_P(RacingCutsTest, EveryCommandIsThereOrNotAndInOrder) {
  const int rounds = std::getenv("CAISSON_LONG") != nullptr ? 12 : 1;
  for (int round = 0; round < rounds; ++round) {
    auto names = cut_under_load(25);
    gateway_->start();
    for (const auto& name : names) check(name);
    for (const auto& name : names)
      for (const auto* lun : {"a", "b"}) gateway_->remove(lun, name);
  }
}

}  // namespace
}  // namespace caisson::tests
