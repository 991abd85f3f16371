// SPDX-License-Identifier: Apache-2.0
// A failed state is not forgotten by a restart, nor by taking the LUN offline,
// whatever could be written when it came; and a change of the catalog that may
// have happened leaves nothing served that the next start would contradict.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <thread>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/failure_record.hpp"
#include "storage_object/object/lun_object.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using block::BlockErrc;
using catalog::LunState;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kAlways = 1 << 30;

object::MarkPlace place_in(SimStore& store) {
  return {"simulated", [&store](bool) -> Outcome<std::unique_ptr<file_store::Store>> {
            return std::make_unique<BorrowedStore>(store);
          }};
}

class FailureMemoryTest : public ::testing::Test {
 protected:
  FailureMemoryTest() { restart(); }
  ~FailureMemoryTest() override { disk_.clear_faults(); }

  void restart() {
    machine_.reset();
    disk_.clear_faults();
    machine_ = std::make_unique<Machine>(disk_, nullptr, adjust_);
    ASSERT_FALSE(machine_->failure()) << machine_->failure()->message;
  }
  void fail_everything(int error) {
    for (auto op : {SimOp::sync, SimOp::sync_all})
      disk_.inject({.op = op, .times = kAlways, .error = error});
  }
  /// A failed flush while neither catalog nor trailer can be written.
  void fail_unrecorded(const std::string& name = "db") {
    auto object = machine_->make(name, kMiB);
    EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
    fail_everything(EIO);
    EXPECT_EQ(flush(*object), BlockErrc::failed);
  }
  LunState state() { return machine_->registry().find("db")->state; }
  LunState row_state() { return machine_->catalog().luns()->at(0).state; }

  SimStore disk_, memory_, state_directory_;
  std::function<void(object::RegistryOptions&)> adjust_ = [](auto& options) {
    options.record_retry = std::chrono::milliseconds(1);
  };
  std::unique_ptr<Machine> machine_;
};

TEST_F(FailureMemoryTest, OfflineAndOnlineDoNotForgetWhatIsWrittenNowhere) {
  adjust_ = [](auto& options) { options.record_retry = std::chrono::hours(1); };
  restart();
  fail_unrecorded();
  disk_.clear_faults();
  ASSERT_TRUE(machine_->registry().set_offline("db"));
  EXPECT_THAT(machine_->catalog().luns()->at(0).reason, HasSubstr("failed"));
  EXPECT_FALSE(machine_->registry().set_online("db", false));
  ASSERT_TRUE(machine_->registry().set_online("db", true));
  EXPECT_EQ(flush(*machine_->object("db")), Error());
  restart();
  EXPECT_EQ(flush(*machine_->object("db")), Error());
}

TEST_F(FailureMemoryTest, TakenOfflineInVainItIsServedAsFailedAgain) {
  fail_unrecorded();
  EXPECT_FALSE(machine_->registry().set_offline("db"));
  EXPECT_EQ(state(), LunState::failed);
  EXPECT_FALSE(machine_->registry().set_online("db", false));
}

TEST_F(FailureMemoryTest, OneThatCannotBeOpenedKeepsItOverOfflineToo) {
  auto object = machine_->make("db", kMiB);
  EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
  disk_.inject({.op = SimOp::sync, .error = EIO});
  EXPECT_EQ(flush(*object), BlockErrc::failed);
  object.reset();
  machine_.reset();
  ASSERT_TRUE(disk_.rename("db.img", "away.img"));
  restart();
  ASSERT_FALSE(machine_->object("db"));
  ASSERT_TRUE(machine_->registry().set_offline("db"));
  ASSERT_TRUE(disk_.rename("away.img", "db.img"));
  restart();
  EXPECT_FALSE(machine_->registry().set_online("db", false));
}

TEST_F(FailureMemoryTest, ATrailerThatHasItIsEnoughForACleanEnd) {
  auto object = machine_->make("db", kMiB);
  EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
  disk_.inject({.op = SimOp::sync, .times = kAlways, .error = EIO});  // not the trailer's
  EXPECT_EQ(flush(*object), BlockErrc::failed);
  auto stopped = machine_->registry().stop();
  ASSERT_FALSE(stopped);  // the catalog cannot be told
  EXPECT_THAT(stopped.error().message, Not(HasSubstr("failed state")));
}

TEST_F(FailureMemoryTest, ItIsRecordedInTheBackgroundOnceThatIsPossible) {
  fail_unrecorded();
  EXPECT_EQ(row_state(), LunState::online);
  disk_.clear_faults();
  const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (row_state() != LunState::failed && std::chrono::steady_clock::now() < limit)
    std::this_thread::yield();
  ASSERT_EQ(row_state(), LunState::failed) << "nobody tries again";
  restart();  // as after SIGKILL: nothing was stopped
  EXPECT_EQ(flush(*machine_->object("db")), BlockErrc::failed);
}

TEST_F(FailureMemoryTest, APlaceInMemoryKeepsItOverARestart) {
  adjust_ = [this](auto& options) { options.failure_marks = {place_in(disk_), place_in(memory_)}; };
  restart();
  fail_unrecorded();
  restart();
  EXPECT_EQ(flush(*machine_->object("db")), BlockErrc::failed);
  ASSERT_TRUE(machine_->registry().set_online("db", true));
  restart();
  EXPECT_EQ(flush(*machine_->object("db")), Error());
  EXPECT_TRUE(memory_.list()->empty());
}

TEST_F(FailureMemoryTest, WhatWasAllocatedBeforehandKeepsItWhenTheDiskIsFull) {
  adjust_ = [this](auto& options) {
    options.failure_record = place_in(state_directory_);
    options.failure_marks = {place_in(state_directory_)};
  };
  restart();
  auto object = machine_->make("db", kMiB);
  state_directory_.inject({.op = SimOp::create, .times = kAlways, .error = ENOSPC});
  state_directory_.inject({.op = SimOp::publish, .times = kAlways, .error = ENOSPC});
  EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
  fail_everything(EIO);
  EXPECT_EQ(flush(*object), BlockErrc::failed);
  object.reset();
  machine_.reset();
  state_directory_.clear_faults();
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto disk = disk_.power_cut(seed), record = state_directory_.power_cut(seed);
    Machine again(*disk, nullptr,
                  [&](auto& options) { options.failure_record = place_in(*record); });
    ASSERT_FALSE(again.failure());
    EXPECT_EQ(flush(*again.object("db")), BlockErrc::failed) << seed;
    EXPECT_EQ(again.catalog().luns()->at(0).state, LunState::failed);
  }
}

TEST_F(FailureMemoryTest, TheRecordHoldsManyAndForgetsWhatIsCleared) {
  std::vector<Uuid> uuids;
  {
    object::FailureRecord record(std::make_unique<BorrowedStore>(state_directory_));
    for (int i = 0; i < 100; ++i) {
      uuids.push_back(Uuid::random());
      ASSERT_TRUE(record.set(uuids.back()));
    }
    ASSERT_TRUE(record.clear(uuids[7]));
    EXPECT_FALSE(record.has(uuids[7]));
  }
  auto left = state_directory_.power_cut(3);
  object::FailureRecord record(std::make_unique<BorrowedStore>(*left));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(record.has(uuids[static_cast<std::size_t>(i)]), i != 7);
}

TEST_F(FailureMemoryTest, AnUnrecordedFailureMakesTheStopFail) {
  fail_unrecorded();
  auto stopped = machine_->registry().stop();
  ASSERT_FALSE(stopped);
  EXPECT_THAT(stopped.error().message, HasSubstr("db"));
  disk_.clear_faults();
  EXPECT_EQ(machine_->catalog().setting("clean_shutdown").value(), "0");
}

TEST_F(FailureMemoryTest, AcceptanceThatCannotBeWrittenLeavesItFailed) {
  auto object = machine_->make("db", kMiB);
  EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
  disk_.inject({.op = SimOp::sync, .error = EIO});
  EXPECT_EQ(flush(*object), BlockErrc::failed);
  fail_everything(EIO);
  auto accepted = machine_->registry().set_online("db", true);
  ASSERT_FALSE(accepted);
  EXPECT_THAT(accepted.error().message, HasSubstr("stays failed"));
  EXPECT_EQ(flush(*object), BlockErrc::failed);
  restart();
  EXPECT_EQ(flush(*machine_->object("db")), BlockErrc::failed);
}

// The recording that was posted before must not bring the row back.
TEST_F(FailureMemoryTest, AFailureBesideADeletionLeavesNothing) {
  for (int round = 0; round < 30; ++round) {
    auto object = machine_->make("db", kMiB);
    auto lun = std::dynamic_pointer_cast<object::LunObject>(object);
    std::thread failing([lun] { lun->fail(); });
    ASSERT_TRUE(machine_->registry().remove("db"));
    failing.join();
    lun->fail();  // whoever holds it still can
    object.reset();
    lun.reset();
    restart();
    EXPECT_TRUE(machine_->catalog().luns()->empty()) << round;
    EXPECT_FALSE(machine_->registry().find("db"));
  }
}

TEST_F(FailureMemoryTest, AFailureBesideAnAcceptanceIsKeptOrAccepted) {
  auto object = machine_->make("db", kMiB);
  auto lun = std::dynamic_pointer_cast<object::LunObject>(object);
  for (int round = 0; round < 100; ++round) {
    lun->fail();
    std::thread failing([&] { lun->fail(); });
    (void)machine_->registry().set_online("db", true);
    failing.join();
    auto drained = machine_->registry().set_online("db", false);  // waits for the recorder
    const bool failed = object->state() == LunState::failed;
    EXPECT_EQ(drained.has_value(), !failed);
    EXPECT_EQ(row_state(), failed ? LunState::failed : LunState::online) << round;
  }
  const auto expected = object->state() == LunState::failed ? Error(BlockErrc::failed) : Error();
  object.reset();
  lun.reset();
  restart();
  EXPECT_EQ(flush(*machine_->object("db")), expected);
}

// Every failing sync in turn, one or as many as there come. What a start after
// SIGKILL finds must not contradict what was served.
class DoubtfulChangeTest : public FailureMemoryTest {
 protected:
  static std::set<std::string> names_in(SimStore& disk) {
    std::set<std::string> names;
    const auto entries = disk.list();
    if (!entries) return names;
    for (const auto& entry : *entries) names.insert(entry.name);
    return names;
  }
  /// What SIGKILL leaves: all that was written.
  static std::unique_ptr<SimStore> page_cache(const SimStore& disk, std::set<std::string> names) {
    names.insert({"db.img", "new.img"});
    SimStore copy;
    for (const auto& name : names) {
      const auto bytes = disk.content(name);
      if (bytes.empty()) continue;
      auto file = copy.create_unnamed().value();
      EXPECT_TRUE(file_store::write_at(*file, 0, bytes));
      EXPECT_TRUE(copy.publish(*file, name));
    }
    return copy.settled();
  }
  /// Does `change` with failing syncs; a LUN still served must be there after
  /// SIGKILL, as large as it was, with what was written to it.
  template <class Change>
  void check(Change change) {
    for (std::uint64_t skip = 0; skip < 6; ++skip)
      for (std::uint64_t times : {std::uint64_t{1}, std::uint64_t{2}, kAlways}) {
        SCOPED_TRACE(std::to_string(skip) + " " + std::to_string(times));
        SimStore disk;
        Machine machine(disk, nullptr, adjust_);
        auto object = machine.make("db", 64 * 1024);
        disk.inject({.op = SimOp::sync, .skip = skip, .times = times, .error = EIO});
        change(machine.registry());
        object.reset();
        auto found = machine.registry().find("db");
        if (!found) found = machine.registry().find("new");
        const bool served = found && found->object && found->state == LunState::online;
        const auto name = found ? found->record.name : "";
        const auto capacity = found ? found->record.capacity : 0;
        if (served) {
          EXPECT_EQ(write(*found->object, capacity - 512, filled(512, 7)), Error());
        }
        auto left = page_cache(disk, names_in(disk));
        disk.clear_faults();
        Machine again(*left);
        ASSERT_FALSE(again.failure()) << again.failure()->message;
        if (!served) continue;
        auto next = again.registry().find(name);
        ASSERT_TRUE(next);
        ASSERT_TRUE(next->object) << next->reason;
        EXPECT_EQ(next->record.capacity, capacity);
        auto data = filled(512, 0);
        EXPECT_EQ(read(*next->object, capacity - 512, data), Error());
        EXPECT_EQ(data, filled(512, 7));
      }
  }

  /// Does `change` while the disk dies at each of its operations in turn. What
  /// goes on to be served must be what every start may find.
  template <class Change>
  void check_dying(Change change) {
    for (std::uint64_t after = 0; after < 40; ++after) {
      SCOPED_TRACE(after);
      SimStore disk;
      Machine machine(disk, nullptr, adjust_);
      machine.make("db", 64 * 1024);
      const auto names = names_in(disk);
      disk.cut_at(disk.operations() + after);
      change(machine.registry());
      auto found = machine.registry().find("db");
      if (!found) found = machine.registry().find("new");
      if (!found || !found->object || found->state != LunState::online) continue;
      for (std::uint64_t seed = 0; seed <= 8; ++seed) {
        auto left = seed == 0 ? page_cache(disk, names) : disk.power_cut(seed);
        Machine again(*left);
        ASSERT_FALSE(again.failure()) << again.failure()->message;
        auto next = again.registry().find(found->record.name);
        ASSERT_TRUE(next) << seed;
        ASSERT_TRUE(next->object) << seed << ": " << next->reason;
        EXPECT_EQ(next->record.capacity, found->record.capacity) << seed;
      }
    }
  }
};

TEST_F(DoubtfulChangeTest, DeletionOnADyingDisk) {
  check_dying([](auto& registry) { (void)registry.remove("db"); });
}
TEST_F(DoubtfulChangeTest, ShrinkOnADyingDisk) {
  check_dying([](auto& registry) { (void)registry.resize("db", 4096, true); });
}

TEST_F(DoubtfulChangeTest, Deletion) {
  check([](auto& registry) { (void)registry.remove("db"); });
}
TEST_F(DoubtfulChangeTest, Shrink) {
  check([](auto& registry) { (void)registry.resize("db", 4096, true); });
}
TEST_F(DoubtfulChangeTest, Rename) {
  check([](auto& registry) { (void)registry.rename("db", "new"); });
}

TEST_F(DoubtfulChangeTest, ADeletionInDoubtIsTakenBackByBringingItOnline) {
  machine_->make("db", kMiB);
  disk_.inject({.op = SimOp::sync, .times = 3, .error = EIO});
  ASSERT_FALSE(machine_->registry().remove("db"));
  auto withdrawn = *machine_->registry().find("db");
  EXPECT_FALSE(withdrawn.object);
  EXPECT_THAT(withdrawn.reason, HasSubstr("deleting it failed"));
  disk_.clear_faults();
  (void)machine_->registry().set_online("db", true);
  ASSERT_TRUE(machine_->object("db"));
  restart();
  EXPECT_TRUE(machine_->object("db"));
}

}  // namespace
}  // namespace caisson::tests
