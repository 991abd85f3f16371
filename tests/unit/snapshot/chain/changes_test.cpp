// SPDX-License-Identifier: Apache-2.0
// Lists of changes by every method, against a model.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <ostream>
#include <thread>

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
  /// Another store of the kind, and no disk.
  void renew() {
    TearDown();
    mount_.reset();
    SetUp();
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
    if (pass == 1) disk_->restart();
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

/// One thing that happens to the disk, or a look at a list.
void step(ListedDisk& disk, SimRandom& random) {
  auto offset = random.below(disk.capacity() / 512) * 512;
  if (random.chance(50)) offset = offset / kBlock * kBlock;
  auto length =
      std::min((1 + random.below(random.chance(80) ? 16 : 400)) * 512, disk.capacity() - offset);
  if (random.chance(50) && length > kBlock) length = length / kBlock * kBlock;
  auto snapshots = disk.snapshots();
  auto choice = random.below(100);
  if (choice < 50) {
    disk.fill(offset, length, static_cast<char>('a' + random.below(3)));
  } else if (choice < 60) {
    disk.unmap(offset, length);
  } else if (choice < 66) {
    disk.write_zeroes(offset, length);
  } else if (choice < 70) {
    disk.flush();
  } else if (choice < 78) {
    if (snapshots < 20) disk.cut();
  } else if (choice < 82) {
    auto victim = random.below(snapshots + 1);
    if (victim < snapshots && disk.present(victim)) disk.remove(victim);
  } else if (choice < 92) {
    for (auto left = random.below(12); left != 0 && disk.chain().step();) --left;
  } else if (choice < 93) {
    disk.finish();
  } else if (choice < 95) {
    disk.restart();
  } else if (choice < 96) {
    if (disk.capacity() < kUnit * 30) disk.grow(disk.capacity() + random.below(30) * 512);
  } else if (snapshots != 0) {
    auto from = random.below(snapshots), to = from + random.below(snapshots - from + 1);
    if (disk.present(from) && to == snapshots) disk.expect_lists(from, std::nullopt);
    if (disk.present(from) && to < snapshots && disk.present(to)) disk.expect_lists(from, to);
  }
}

TEST_P(ChangesTest, RandomHistoriesAgreeWithTheModel) {
  bool is_long = std::getenv("CAISSON_LONG") != nullptr;
#ifdef __SANITIZE_THREAD__  // what it looks for needs no many histories, and takes 30 times as long
  const unsigned simulated_ones = 1;
#else
  const unsigned simulated_ones = 6;
#endif
  auto histories = (simulated() ? simulated_ones : 1U) * (is_long ? 10 : 1);
  for (auto seed = seed_of_run(); seed < seed_of_run() + histories && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimRandom random(seed);
    if (disk_) renew();
    make(kUnit * 24 + 1536);
    for (int steps = simulated() ? 500 : 150; steps != 0 && !HasFailure(); --steps)
      step(*disk_, random);
    expect_all_lists();
  }
}

/// Works on a disk as a host does, and on its background, until it ends.
class Busy {
 public:
  using Work = std::function<void(SimRandom&)>;
  Busy(ListedDisk& disk, Work work)
      : host_([this, work] {
          for (SimRandom random(seed_of_run()); !stop_;) work(random);
        }),
        background_([this, &disk] {
          while (!stop_) disk.chain().step();
        }) {}
  ~Busy() {
    stop_ = true;
    host_.join();
    background_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread host_, background_;
};

TEST_P(ChangesTest, WhatWasWrittenBeforeAListIsInItWhateverIsWrittenMeanwhile) {
  constexpr std::uint64_t kBlocks = 24 * kUnit / kBlock;
  make(kBlocks * kBlock);
  disk_->fill(0, kBlocks * kBlock, 'a');
  auto first = disk_->cut();
  std::vector<std::atomic<bool>> written(kBlocks);
  const std::vector<std::byte> data(kBlock, std::byte{'b'});
  auto until_now = [&] {
    Blocks blocks;
    for (std::uint64_t i = 0; i < kBlocks; ++i)
      if (written[i]) blocks.insert(i);
    return blocks;
  };
  {
    Busy busy(*disk_, [&](SimRandom& random) {
      auto block = random.below(kBlocks);
      disk_->write_unseen(block * kBlock, data);
      written[block] = true;
    });
    for (int round = 0; until_now().size() < kBlocks * 9 / 10 && !HasFailure(); ++round) {
      auto before = until_now();
      auto method = round % 3 == 0 ? Method::extent_maps : Method::automatic;
      auto listed = disk_->list(first, std::nullopt, {.method = method, .refined = round % 2 == 1});
      EXPECT_TRUE(std::ranges::includes(listed, before)) << round;
    }
  }
  EXPECT_EQ(disk_->list(first, std::nullopt, {.method = Method::contents}), until_now());
}

TEST_P(ChangesTest, ListsOfSnapshotsStayWhatTheyAreWhateverIsWrittenMeanwhile) {
  make(kUnit * 24);
  for (int round = 0; round < (simulated() ? 30 : 3) && !HasFailure(); ++round) {
    for (std::uint64_t unit = round % 2; unit < 24; unit += 2) disk_->unmap(unit * kUnit, kUnit);
    auto first = disk_->cut();
    disk_->fill(0, kUnit * 24, static_cast<char>('a' + round % 20));
    auto second = disk_->cut();
    auto truth = disk_->differ(first, second);
    Busy busy(*disk_, [&](SimRandom& random) {
      auto offset = random.below(24) * kUnit;
      random.chance(70) ? disk_->unmap_unseen(offset, kUnit)
                        : disk_->write_unseen(offset, std::vector<std::byte>(kUnit));
    });
    for (int look = 0; look < 6; ++look) {
      auto method = look % 2 == 0 ? Method::extent_maps : Method::automatic;
      EXPECT_TRUE(std::ranges::includes(disk_->list(first, second, {.method = method}), truth));
    }
    EXPECT_EQ(disk_->list(first, second, {.refined = true}), truth);
  }
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
