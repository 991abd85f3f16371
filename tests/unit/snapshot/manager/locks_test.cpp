// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/manager/snapshot_machine.hpp"

namespace caisson::tests {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LocksTest : public SnapshotTest {
 protected:
  void SetUp() override {
    machine->make("a");
    machine->cut({"a"}, "s");
  }
  Error removal() {
    auto removed = machine->snapshots().remove("a", "s", false);
    return removed ? Error() : removed.error().code;
  }
  std::chrono::seconds left() { return machine->snapshots().show("a", "s")->locked_for; }
};

TEST_F(LocksTest, NobodyDeletesItBeforeItsEnd) {
  auto locked = machine->snapshots().lock("a", "s", 24h);
  ASSERT_TRUE(locked) << locked.error().message;
  EXPECT_EQ(locked->locked_for, 24h);
  clock.pass(23h);
  auto removed = machine->snapshots().remove("a", "s", false);
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, Errc::in_use);
  EXPECT_THAT(removed.error().message, HasSubstr("1h of run time left"));
  EXPECT_EQ(machine->snapshots().remove("a", "s", true).error().code, Errc::in_use);
  EXPECT_EQ(machine->snapshots().unlock("a", "s").error().code, Errc::in_use);
  clock.pass(1h);
  EXPECT_EQ(left(), 0s);
  EXPECT_FALSE(removal());
  EXPECT_THAT(machine->names("a"), IsEmpty());
}

TEST_F(LocksTest, AWallClockSetForwardEndsNone) {
  ASSERT_TRUE(machine->snapshots().lock("a", "s", 24h));
  clock.set(clock.wall() + std::chrono::years(5));
  EXPECT_EQ(left(), 24h);
  EXPECT_EQ(removal(), Errc::in_use);
}

TEST_F(LocksTest, IsExtendedButNotShortened) {
  ASSERT_TRUE(machine->snapshots().lock("a", "s", 2h));
  auto shorter = machine->snapshots().lock("a", "s", 1h);
  ASSERT_FALSE(shorter);
  EXPECT_EQ(shorter.error().code, Errc::in_use);
  EXPECT_EQ(left(), 2h);
  ASSERT_TRUE(machine->snapshots().lock("a", "s", 2h));  // the same again
  ASSERT_TRUE(machine->snapshots().lock("a", "s", 3h, true));
  EXPECT_EQ(left(), 2h);
  ASSERT_TRUE(machine->snapshots().lock("a", "s", 3h));
  EXPECT_EQ(left(), 3h);
}

TEST_F(LocksTest, RefusesLengthsThatAreNone) {
  EXPECT_EQ(machine->snapshots().lock("a", "s", 0s).error().code, Errc::invalid_argument);
  EXPECT_EQ(machine->snapshots().lock("a", "s", -5s).error().code, Errc::invalid_argument);
  EXPECT_EQ(machine->snapshots().lock("a", "s", 24h * 365 * 11).error().code,
            Errc::invalid_argument);
  EXPECT_EQ(machine->snapshots().lock("a", "none", 1h).error().code, Errc::not_found);
  EXPECT_FALSE(removal());
}

TEST_F(LocksTest, UnlockForgetsOneThatHasEnded) {
  ASSERT_TRUE(machine->snapshots().lock("a", "s", 1h));
  clock.pass(1h);
  auto open = machine->snapshots().unlock("a", "s");
  ASSERT_TRUE(open) << open.error().message;
  EXPECT_EQ(open->record.locked_until, 0U);
  ASSERT_TRUE(machine->snapshots().unlock("a", "s"));
}

TEST_F(LocksTest, OnlyTimeInWhichTheProcessRanCounts) {
  clock.pass(30min);
  ASSERT_TRUE(machine->snapshots().lock("a", "s", 2h));
  clock.pass(1h);
  restart(24h * 30);
  EXPECT_EQ(left(), 1h);
  EXPECT_EQ(removal(), Errc::in_use);
  clock.pass(1h);
  EXPECT_EQ(left(), 0s);
}

TEST_F(LocksTest, ACrashLosesAMinuteAtMost) {
  ASSERT_TRUE(machine->snapshots().lock("a", "s", 2h));
  clock.pass(30min);
  auto saved = [&] { return *machine->catalog().setting(snapshot::kRunTimeSetting); };
  auto before = saved();
  ASSERT_TRUE(machine->until([&] { return saved() != before; }));
  EXPECT_EQ(saved(), "1800");
  clock.pass(59s);
  kill();
  EXPECT_EQ(left(), 90min);
  EXPECT_EQ(machine->snapshots().run_time(), 30min);
}

TEST_F(LocksTest, ACrashRightAfterTheLockDoesNotLengthenIt) {
  clock.pass(10h);
  ASSERT_TRUE(machine->snapshots().lock("a", "s", 2h));
  kill();
  EXPECT_EQ(left(), 2h);
}

TEST_F(LocksTest, ACounterThatCannotBeReadEndsNoLock) {
  clock.pass(10h);
  ASSERT_TRUE(machine->snapshots().lock("a", "s", 2h));
  auto spoil = [](catalog::Transaction& transaction) {
    return transaction.put_setting(snapshot::kRunTimeSetting, "9e99");
  };
  ASSERT_TRUE(machine->catalog().change(spoil));
  kill();
  EXPECT_EQ(left(), 12h);
}

TEST_F(LocksTest, ALockThatIsNotDurableIsNone) {
  disk->inject({.op = SimOp::sync, .times = 1000, .error = EIO, .file = "catalog.db-wal"});
  EXPECT_FALSE(machine->snapshots().lock("a", "s", 2h));
  disk->clear_faults();
  EXPECT_EQ(left(), 0s);
}

TEST_F(LocksTest, WhatBecomesWholeStaysLocked) {
  replace_by_reflink();
  machine->make("b");
  machine->cut({"b"}, "s");
  ASSERT_TRUE(machine->snapshots().lock("b", "s", 2h));
  ASSERT_TRUE(machine->until([&] { return machine->snapshots().show("b", "s")->record.complete; }));
  restart();
  auto view = machine->snapshots().show("b", "s");
  EXPECT_TRUE(view->record.complete);
  EXPECT_EQ(view->locked_for, 2h);
  EXPECT_THAT(machine->events("snapshot.locked"),
              ElementsAre("b: snapshot 's' is locked for 2h of run time"));
}

}  // namespace
}  // namespace caisson::tests
