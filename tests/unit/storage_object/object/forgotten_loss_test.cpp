// SPDX-License-Identifier: Apache-2.0
// The kernel tells a loss once. What a start hears of one outlives that start,
// however it ends; and an accepted loss does not come back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/failure_marks.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using block::BlockErrc;
using catalog::LunState;
using object::FailureMarks;
using object::FailureRecord;
using object::MarkPlace;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kAlways = 1 << 30;

/// Three disks: the catalog's, the store's, and one for marks.
struct Disks {
  std::shared_ptr<SimStore> catalog = std::make_shared<SimStore>();
  std::shared_ptr<SimStore> store = std::make_shared<SimStore>();
  std::shared_ptr<SimStore> marks = std::make_shared<SimStore>();
  std::function<void()> on_store_opened = [] {};

  std::unique_ptr<Machine> start(bool quick) {
    return std::make_unique<Machine>(*catalog, marks.get(), [&](object::RegistryOptions& options) {
      options.failure_marks[0].quick = quick;
      options.record_retry = std::chrono::hours(1);
      options.open_store = [this](const auto&) -> Outcome<std::unique_ptr<file_store::Store>> {
        on_store_opened();
        return std::make_unique<BorrowedStore>(*store);
      };
    });
  }
  Disks killed() const { return {catalog->killed(), store->killed(), marks->killed()}; }
};

/// What a process leaves that was killed with data in the page cache only.
Disks killed_with_dirty_data() {
  Disks disks;
  auto machine = disks.start(true);
  EXPECT_EQ(write(*machine->make("db", kMiB), 0, filled(65536, 3)), Error());
  return disks.killed();
}

TEST(ForgottenLossTest, AStartKilledBeforeItTriesTheSyncAgainLeavesAMark) {
  auto disks = killed_with_dirty_data();
  disks.store->inject({.op = SimOp::sync_all, .error = EIO, .file = "db.img"});
  disks.store->inject({.op = SimOp::sync_all, .skip = 1, .hang = true, .file = "db.img"});
  std::unique_ptr<Machine> machine;
  auto starting = std::async(std::launch::async, [&] { machine = disks.start(true); });
  const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (disks.store->hanging() == 0 && std::chrono::steady_clock::now() < limit)
    std::this_thread::yield();
  EXPECT_EQ(disks.store->hanging(), 1u);
  {
    auto next = disks.killed();
    auto again = next.start(true);
    EXPECT_EQ(flush(*again->object("db")), BlockErrc::failed);
  }
  disks.store->clear_faults();
  disks.store->release();
  starting.wait();
}

TEST(ForgottenLossTest, AStartThatCannotTellTheCatalogMarksItAndDoesNotEndCleanly) {
  auto disks = killed_with_dirty_data();
  disks.store->inject({.op = SimOp::sync_all, .error = EIO, .file = "db.img"});
  disks.on_store_opened = [&] {
    for (auto op : {SimOp::sync, SimOp::sync_all})
      disks.catalog->inject({.op = op, .times = kAlways, .error = EIO});
  };
  auto machine = disks.start(false);
  ASSERT_TRUE(machine->object("db"));
  EXPECT_EQ(flush(*machine->object("db")), BlockErrc::failed);
  EXPECT_EQ(disks.marks->list()->size(), 1u);
  disks.store->inject({.op = SimOp::write, .times = kAlways, .error = EIO, .file = "db.img"});
  auto stopped = machine->registry().stop();
  ASSERT_FALSE(stopped);
  EXPECT_THAT(stopped.error().message, HasSubstr("failed state of db"));
  disks.catalog->clear_faults();
  disks.store->clear_faults();
}

TEST(ForgottenLossTest, ACreationWhoseTakingUpHearsOfALossIsServedAsFailed) {
  Disks disks;
  auto machine = disks.start(false);
  machine->make("db", kMiB);
  auto row = machine->catalog().luns()->at(0);
  row.state = LunState::creating;
  ASSERT_TRUE(machine->catalog().change([&](auto& change) { return change.put_lun(row); }));
  auto left = disks.killed();
  left.store->inject({.op = SimOp::sync_all, .times = 2, .error = EIO, .file = "db.img"});
  left.start(false);
  auto next = left.killed();
  auto again = next.start(false);
  ASSERT_TRUE(again->object("db"));
  EXPECT_EQ(flush(*again->object("db")), BlockErrc::failed);
}

std::unique_ptr<file_store::Store> lent(SimStore& store) {
  return std::make_unique<BorrowedStore>(store);
}

TEST(ForgottenLossTest, ARecordThatWasWrittenButNotSyncedIsClearedToo) {
  SimStore directory;
  const auto uuid = Uuid::random();
  FailureRecord record(lent(directory));
  directory.inject({.op = SimOp::sync, .error = EIO});
  ASSERT_FALSE(record.set(uuid));
  EXPECT_TRUE(record.has(uuid));
  ASSERT_TRUE(record.clear(uuid));
  EXPECT_FALSE(FailureRecord(lent(*directory.killed())).has(uuid));
  EXPECT_FALSE(FailureRecord(lent(*directory.power_cut(1))).has(uuid));
}

TEST(ForgottenLossTest, ARecordIsNotTakenForDurableBeforeItIs) {
  SimStore directory;
  const auto uuid = Uuid::random();
  FailureRecord record(lent(directory));
  directory.inject({.op = SimOp::sync, .error = EIO});
  ASSERT_FALSE(record.set(uuid));
  ASSERT_TRUE(record.set(uuid));
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    EXPECT_TRUE(FailureRecord(lent(*directory.power_cut(seed))).has(uuid)) << seed;
  directory.inject({.op = SimOp::sync, .error = EIO});
  ASSERT_FALSE(record.clear(uuid));
  ASSERT_TRUE(record.set(uuid));
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    EXPECT_TRUE(FailureRecord(lent(*directory.power_cut(seed))).has(uuid)) << seed;
}

TEST(ForgottenLossTest, ARecordThatCouldNotBeReadIsReadWhenItIsAsked) {
  SimStore directory;
  const auto uuid = Uuid::random();
  ASSERT_TRUE(FailureRecord(lent(directory)).set(uuid));
  directory.inject({.op = SimOp::read, .times = 2, .error = EIO});
  FailureRecord record(lent(directory));
  EXPECT_FALSE(record.clear(uuid));
  EXPECT_TRUE(record.has(uuid));
  ASSERT_TRUE(record.clear(uuid));
  EXPECT_FALSE(FailureRecord(lent(directory)).has(uuid));
}

class MarksTest : public ::testing::Test {
 protected:
  MarkPlace place() {
    return {"marks", [this](bool) -> Outcome<std::unique_ptr<file_store::Store>> {
              if (refusal_) return *refusal_;
              return lent(directory_);
            }};
  }
  SimStore directory_;
  std::optional<Failure> refusal_;
  const Uuid uuid_ = Uuid::random();
};

TEST_F(MarksTest, WhatMayBeInAPlaceThatCannotBeOpenedIsNotCalledCleared) {
  ASSERT_TRUE(FailureMarks({place()}, {}).set(uuid_));
  refusal_ = failure(Errc::io_error, "no answer");
  FailureMarks marks({place()}, {});
  EXPECT_FALSE(marks.clear(uuid_));
  refusal_.reset();
  EXPECT_TRUE(marks.clear(uuid_));
  EXPECT_TRUE(directory_.list()->empty());
}

TEST_F(MarksTest, APlaceThatIsNotThereHoldsNone) {
  refusal_ = failure(Errc::not_found, "not there");
  EXPECT_TRUE(FailureMarks({place()}, {}).clear(uuid_));
}

TEST_F(MarksTest, APlaceThatCouldNotBeListedIsListedWhenItIsAsked) {
  ASSERT_TRUE(FailureMarks({place()}, {}).set(uuid_));
  directory_.inject({.op = SimOp::list, .error = EIO});
  FailureMarks marks({place()}, {});
  ASSERT_EQ(directory_.hits(), 1u);
  EXPECT_TRUE(marks.has(uuid_));
}

TEST_F(MarksTest, ARemovalIsMadeDurableAlthoughTheMarkWasNever) {
  FailureMarks marks({place()}, {});
  directory_.inject({.op = SimOp::sync_names, .times = 2, .error = EIO});
  ASSERT_FALSE(marks.set(uuid_));
  ASSERT_FALSE(marks.clear(uuid_));
  ASSERT_TRUE(marks.clear(uuid_));
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    EXPECT_TRUE(directory_.power_cut(seed)->list()->empty()) << seed;
}

}  // namespace
}  // namespace caisson::tests
