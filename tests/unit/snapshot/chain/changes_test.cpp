// SPDX-License-Identifier: Apache-2.0
// Lists of changes by every method, against a model.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <ostream>

#include "storage_object/base/errc.hpp"
#include "storage_object/posix/posix_store.hpp"
#include "tests/support/loop_mount.hpp"
#include "tests/support/sim_store.hpp"
#include "tests/unit/snapshot/chain/listed_disk.hpp"

namespace caisson::tests {
namespace {

using snapshot::Changed;
using snapshot::Method;
using ::testing::IsEmpty;

constexpr std::uint64_t kBlock = ListedDisk::kBlock;
constexpr std::uint64_t kUnit = std::uint64_t{64} << 10;

std::uint64_t seed_of_run() {
  if (const char* given = std::getenv("CAISSON_SEED")) return std::strtoull(given, nullptr, 10);
  return 1;
}

/// One kind of store, simulated or mounted.
struct Kind {
  std::string name;
  std::string type{};     ///< of a file system; empty: simulated
  std::string options{};  ///< of the mount
  SimOptions sim{};
  bool preallocated = false;
  /// Maps tell of each block exactly whether it was touched.
  bool exact = false;

  friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
};

SimOptions simulated(bool clone, bool maps = true, unsigned untrusted = 0) {
  SimOptions options;
  options.traits.clone = clone;
  options.maps = maps;
  options.untrusted_percent = untrusted;
  return options;
}

std::vector<Kind> kinds() {
  return {
      {.name = "sim_clone", .sim = simulated(true), .exact = true},
      {.name = "sim_clone_thick", .sim = simulated(true), .preallocated = true, .exact = true},
      {.name = "sim_clone_untrusted", .sim = simulated(true, true, 20)},
      {.name = "sim_clone_no_maps", .sim = simulated(true, false)},
      {.name = "sim_copy", .sim = simulated(false)},
      {.name = "sim_copy_no_maps", .sim = simulated(false, false)},
      {.name = "xfs", .type = "xfs", .exact = true},
      {.name = "xfs_thick", .type = "xfs", .preallocated = true, .exact = true},
      {.name = "btrfs", .type = "btrfs"},
      {.name = "btrfs_zstd", .type = "btrfs", .options = "compress-force=zstd"},
      {.name = "btrfs_nodatacow", .type = "btrfs", .options = "nodatacow"},
      {.name = "btrfs_thick", .type = "btrfs", .preallocated = true},
      {.name = "ext4", .type = "ext4"},
      {.name = "tmpfs", .type = "tmpfs"},
  };
}

class ChangesTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam().type.empty()) {
      store_ = std::make_unique<SimStore>(GetParam().sim);
      return;
    }
    mount_.emplace(GetParam().type, GetParam().options);
    if (!mount_->mounted()) GTEST_SKIP() << LoopMount::kWhySkipped << GetParam().type;
    store_ = posix::PosixStore::at(mount_->where()).value();
  }
  void make(std::uint64_t capacity) {
    disk_ = std::make_unique<ListedDisk>(*store_, capacity, GetParam().preallocated);
  }
  void TearDown() override {
    disk_.reset();
    store_.reset();
  }
  bool simulated() const { return GetParam().type.empty(); }
  /// Of every pair of snapshots that are there, and of now.
  void expect_all_lists() {
    for (std::size_t from = 0; from < disk_->snapshots(); ++from) {
      if (!disk_->present(from)) continue;
      disk_->expect_lists(from, std::nullopt);
      for (auto to = from; to < disk_->snapshots(); ++to)
        if (disk_->present(to)) disk_->expect_lists(from, to);
    }
  }

  std::optional<LoopMount> mount_;
  std::unique_ptr<file_store::Store> store_;
  std::unique_ptr<ListedDisk> disk_;
};

INSTANTIATE_TEST_SUITE_P(, ChangesTest, ::testing::ValuesIn(kinds()),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(ChangesTest, NothingWrittenIsNothingListed) {
  make(kUnit * 16);
  disk_->fill(0, kUnit * 4, 'a');
  auto first = disk_->cut();
  auto second = disk_->cut();
  EXPECT_THAT(disk_->list(first, second), IsEmpty());
  EXPECT_THAT(disk_->list(first, std::nullopt), IsEmpty());
  disk_->finish();
  expect_all_lists();
  if (GetParam().exact) {
    EXPECT_THAT(disk_->list(first, second), IsEmpty());
  }
}

TEST_P(ChangesTest, EveryWayOfChangingIsListed) {
  make(kUnit * 16);
  disk_->fill(0, kUnit * 12, 'a');
  disk_->flush();
  auto first = disk_->cut();
  disk_->fill(kBlock, 512, 'b');
  disk_->unmap(kUnit * 2, kUnit);
  disk_->write_zeroes(kUnit * 4 + kBlock, kBlock * 3);
  disk_->fill(kUnit * 14 + 512, 3 * kBlock, 'n');
  disk_->fill(kUnit * 6, kBlock, 'a');  // as it was
  auto second = disk_->cut();
  disk_->fill(kBlock * 2, kBlock, 'c');
  for (int pass = 0; pass < 3; ++pass) {
    SCOPED_TRACE(pass);
    expect_all_lists();
    if (GetParam().exact) {
      EXPECT_EQ(disk_->list(first, second), disk_->touched(first, second));
    }
    if (pass == 0) disk_->finish();
    if (pass == 1) disk_->restart(true);
  }
}

TEST_P(ChangesTest, WhatCameWithAGrowthIsListedWhereItHoldsSomething) {
  make(kUnit * 4 + 1536);
  disk_->fill(kUnit * 4, 1536, 'a');
  auto small = disk_->cut();
  disk_->grow(kUnit * 40 + 512);
  disk_->fill(kUnit * 4 + 1536, 512, 'b');
  disk_->fill(kUnit * 20, kBlock, 'c');
  auto large = disk_->cut();
  disk_->fill(kUnit * 40, 512, 'd');
  for (int pass = 0; pass < 2; ++pass) {
    SCOPED_TRACE(pass);
    expect_all_lists();
    auto listed = disk_->list(small, large, {.method = Method::automatic});
    EXPECT_LT(listed.size(), 3 * kUnit / kBlock);
    if (pass == 0) disk_->finish();
  }
}

TEST_P(ChangesTest, RandomHistoriesAgreeWithTheModel) {
  auto steps = simulated() ? 500 : 120;
  SimRandom random(seed_of_run());
  SCOPED_TRACE("seed " + std::to_string(seed_of_run()));
  make(kUnit * 24 + 1536);
  auto sectors = [&] { return disk_->capacity() / 512; };
  for (int step = 0; step < steps && !HasFailure(); ++step) {
    auto offset = random.below(sectors()) * 512;
    if (random.chance(50)) offset = offset / kBlock * kBlock;
    auto length = std::min((1 + random.below(random.chance(80) ? 16 : 400)) * 512,
                           disk_->capacity() - offset);
    if (random.chance(50) && length > kBlock) length = length / kBlock * kBlock;
    auto choice = random.below(100);
    if (choice < 50) {
      disk_->fill(offset, length, static_cast<char>('a' + random.below(3)));
    } else if (choice < 60) {
      disk_->unmap(offset, length);
    } else if (choice < 66) {
      disk_->write_zeroes(offset, length);
    } else if (choice < 70) {
      disk_->flush();
    } else if (choice < 78) {
      if (disk_->snapshots() < 20) disk_->cut();
    } else if (choice < 82 && disk_->snapshots() != 0) {
      auto victim = random.below(disk_->snapshots());
      if (disk_->present(victim)) disk_->remove(victim);
    } else if (choice < 92) {
      for (auto left = random.below(12); left != 0 && disk_->chain().step();) --left;
    } else if (choice < 93) {
      disk_->finish();
    } else if (choice < 95) {
      disk_->restart(random.chance(50));
    } else if (choice < 96 && disk_->capacity() < kUnit * 30) {
      disk_->grow(disk_->capacity() + random.below(30) * 512);
    } else if (disk_->snapshots() != 0) {
      auto from = random.below(disk_->snapshots());
      auto to = from + random.below(disk_->snapshots() - from + 1);
      if (disk_->present(from) && (to == disk_->snapshots() || disk_->present(to)))
        disk_->expect_lists(from, to == disk_->snapshots() ? std::nullopt : std::optional(to));
    }
  }
  expect_all_lists();
}

TEST_P(ChangesTest, WhatCannotBeListedIsRefused) {
  make(kUnit * 4);
  disk_->fill(0, kUnit, 'a');
  auto first = disk_->cut();
  auto second = disk_->cut();
  Changed room[1];
  auto& chain = disk_->chain();
  auto code = [](const auto& outcome) { return outcome.error().code; };
  auto first_id = disk_->uuid(first), second_id = disk_->uuid(second);
  EXPECT_EQ(code(chain.changes(second_id, first_id, 0, room)), Errc::invalid_argument);
  EXPECT_EQ(code(chain.changes(Uuid::random(), {}, 0, room)), Errc::not_found);
  EXPECT_EQ(code(chain.changes(first_id, Uuid::random(), 0, room)), Errc::not_found);
  EXPECT_EQ(code(chain.changes(first_id, second_id, 512, room)), Errc::invalid_argument);
  EXPECT_EQ(code(chain.changes(first_id, second_id, 0, {})), Errc::invalid_argument);
  EXPECT_TRUE(chain.changes(first_id, second_id, kUnit * 4, room)->done);
  chain.find(first_id)->spoil("the test says so");
  EXPECT_EQ(code(chain.changes(first_id, second_id, 0, room)), Errc::corrupt);
}

}  // namespace
}  // namespace caisson::tests
