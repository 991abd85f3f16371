// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <future>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/manager/schedule_test.hpp"

namespace caisson::tests {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ScheduleRunsTest : public ScheduleTest {};

/// One LUN of which nothing is learnt before it is let go.
class HangingLuns final : public snapshot::LunHost {
 public:
  HangingLuns(snapshot::LunHost& luns, const Uuid& hangs) : luns_(luns), hangs_(hangs) {}
  void let_go() { gate_.set_value(); }

  std::optional<snapshot::LunFacts> find(std::string_view name) override {
    return luns_.find(name);
  }
  std::optional<snapshot::LunFacts> find(const Uuid& uuid) override {
    if (uuid == hangs_) opened_.wait();
    return luns_.find(uuid);
  }
  std::vector<snapshot::LunFacts> list() override { return luns_.list(); }
  file_store::Store* store(std::string_view name) override { return luns_.store(name); }
  Outcome<> hold(std::span<const Uuid> luns, std::chrono::milliseconds limit,
                 const std::function<void()>& body) override {
    return luns_.hold(luns, limit, body);
  }
  Outcome<> flush(const Uuid& lun) override { return luns_.flush(lun); }
  Outcome<> check_quiet(const Uuid& lun, std::chrono::seconds quiet) override {
    return luns_.check_quiet(lun, quiet);
  }
  Outcome<> keep_out(const Uuid& lun) override { return luns_.keep_out(lun); }
  Outcome<> begin_restore(const Uuid& lun, const Uuid& snapshot) override {
    return luns_.begin_restore(lun, snapshot);
  }
  Outcome<> end_restore(const Uuid& lun, bool changed) override {
    return luns_.end_restore(lun, changed);
  }
  void note_restore(const Uuid& lun, std::uint64_t done, std::uint64_t of) override {
    luns_.note_restore(lun, done, of);
  }
  std::shared_ptr<block::BlockDevice> disk(const Uuid& lun) override { return luns_.disk(lun); }
  std::vector<std::string> made_of(const Uuid& snapshot) override {
    return luns_.made_of(snapshot);
  }
  Outcome<> end_clone(const Uuid& lun) override { return luns_.end_clone(lun); }

 private:
  snapshot::LunHost& luns_;
  const Uuid hangs_;
  std::promise<void> gate_;
  const std::shared_future<void> opened_ = gate_.get_future().share();
};

TEST_F(ScheduleRunsTest, OneThatHangsHoldsUpNoOther) {
  machine->make("b");
  schedule("hourly-a", "every 1h", "all", {"a"});
  schedule("hourly-b", "every 1h", "all", {"b"});
  HangingLuns luns(machine->luns(), machine->luns().find("b")->uuid);
  runner = std::make_unique<snapshot::ScheduleRunner>(
      snapshot::ScheduleOptions{.snapshots = &machine->snapshots(),
                                .catalog = &machine->catalog(),
                                .luns = &luns,
                                .pacer = &machine->pacer(),
                                .clock = &clock});
  pass(std::chrono::hours(2), std::chrono::hours(1));
  EXPECT_EQ(count("a"), 2U);
  EXPECT_EQ(count("b"), 0U);
  luns.let_go();
  runner->stop();
  EXPECT_EQ(count("b"), 1U) << "what it missed is made once";
}

TEST_F(ScheduleRunsTest, CutsAtItsTimeAndSaysSo) {
  schedule("hourly", "every 1h");
  pass(59min);
  EXPECT_EQ(count(), 0U);
  pass(1min);
  EXPECT_THAT(machine->names("a"), ElementsAre("auto-20260701-010000"));
  auto view = machine->snapshots().list("a")->front();
  EXPECT_EQ(view.record.made_by, "schedule:hourly");
  EXPECT_THAT(view.record.details, HasSubstr(R"("missed":false)"));
  auto shown = runner->show("hourly");
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->last_at, shown->next_at - 3600);
  EXPECT_THAT(shown->last_result, HasSubstr("auto-20260701-010000"));
  pass(3h);
  EXPECT_EQ(count(), 4U);
}

TEST_F(ScheduleRunsTest, CutsAGroupAtOneInstant) {
  machine->make("b");
  schedule("hourly", "every 1h", "all", {"a", "b"});
  pass(1h);
  auto a = machine->snapshots().list("a")->front();
  auto b = machine->snapshots().list("b")->front();
  ASSERT_TRUE(a.record.group);
  EXPECT_EQ(a.record.group, b.record.group);
  EXPECT_EQ(a.record.name, b.record.name);
}

TEST_F(ScheduleRunsTest, TwoAtOneInstantHaveTwoNames) {
  schedule("one", "every 1h");
  schedule("two", "every 30m");
  pass(1h);
  EXPECT_THAT(machine->names("a"), ElementsAre("auto-20260701-003000", "auto-20260701-010000",
                                               "auto-20260701-010000-2"));
}

TEST_F(ScheduleRunsTest, MakesOneRunForAllThatWereMissed) {
  schedule("hourly", "every 1h");
  schedule("nightly", "daily at 02:30");
  pass(1h);
  ASSERT_EQ(count(), 1U);
  restart_after(50h);  // three nights
  runner->tick();
  EXPECT_EQ(count(), 3U);
  auto views = *machine->snapshots().list("a");
  EXPECT_THAT(views[1].record.details, HasSubstr(R"("missed":true)"));
  EXPECT_THAT(views[2].record.details, HasSubstr(R"("missed":true)"));
  runner->tick();
  EXPECT_EQ(count(), 3U);
}

TEST_F(ScheduleRunsTest, ARestartMakesNoRunTwice) {
  schedule("hourly", "every 1h");
  pass(1h);
  for (int i = 0; i < 5; ++i) {
    restart_after(5s);
    runner->tick();
  }
  EXPECT_EQ(count(), 1U);
}

TEST_F(ScheduleRunsTest, ACrashBeforeTheStateIsSavedMakesNoRunTwice) {
  schedule("hourly", "every 1h");
  auto before = machine->catalog().schedules()->front();
  pass(1h);
  ASSERT_EQ(count(), 1U);
  ASSERT_TRUE(machine->catalog().change(
      [&](catalog::Transaction& transaction) { return transaction.put_schedule(before); }));
  kill_all();
  runner->tick();
  EXPECT_EQ(count(), 1U);
  EXPECT_NE(machine->catalog().schedules()->front().state, before.state);
  pass(1h);
  EXPECT_EQ(count(), 2U);
}

TEST_F(ScheduleRunsTest, ACrashKeepsWhatWasMade) {
  schedule("hourly", "every 1h");
  pass(1h);
  kill_all();
  runner->tick();
  EXPECT_EQ(count(), 1U);
  pass(1h);
  EXPECT_EQ(count(), 2U);
}

TEST_F(ScheduleRunsTest, OneADayOverTheChangeOfClocks) {
  clock.set(sys_days(year(2026) / 10 / 24));
  schedule("nightly", "daily at 02:30 in Europe/Berlin");
  pass(days(3), 10min);
  // the night of the 25th has 02:30 twice
  EXPECT_THAT(machine->names("a"),
              ElementsAre("auto-20261024-003000", "auto-20261025-003000", "auto-20261026-013000"));
}

TEST_F(ScheduleRunsTest, OneADayWhereTheClockJumpsOverIt) {
  clock.set(sys_days(year(2027) / 3 / 27));
  schedule("nightly", "daily at 02:30 in Europe/Berlin");
  pass(days(3), 10min);
  EXPECT_THAT(machine->names("a"),
              ElementsAre("auto-20270327-013000", "auto-20270328-010000", "auto-20270329-003000"));
}

TEST_F(ScheduleRunsTest, AClockThatJumpsMakesNoBurst) {
  schedule("hourly", "every 1h");
  schedule("nightly", "daily at 02:30");
  pass(3h);
  ASSERT_EQ(count(), 4U);
  clock.set(clock.wall() + days(100));
  runner->tick();
  EXPECT_EQ(count(), 5U);  // the nights that seem to have passed, once
  pass(1h);
  EXPECT_EQ(count(), 6U);  // the monotonic hour goes on
  clock.set(clock.wall() - days(200));
  pass(1h);
  EXPECT_EQ(count(), 7U);
}

TEST_F(ScheduleRunsTest, ALunThatIsOfflineIsLeftOut) {
  machine->make("b");
  schedule("hourly", "every 1h", "all", {"a", "b"});
  ASSERT_TRUE(machine->registry().set_offline("b"));
  pass(1h);
  EXPECT_EQ(count("a"), 1U);
  EXPECT_THAT(machine->events("schedule.failed"),
              ElementsAre("hourly: LUN 'b' is not online and was left out"));
  ASSERT_TRUE(machine->registry().set_online("b", false));
  pass(1h);
  EXPECT_EQ(count("a"), 2U);
  EXPECT_EQ(count("b"), 1U);
}

TEST_F(ScheduleRunsTest, AFailureStopsNoLaterRun) {
  schedule("hourly", "every 1h");
  ASSERT_TRUE(machine->registry().set_offline("a"));
  pass(2h);
  EXPECT_EQ(machine->events("schedule.failed").size(), 2U);
  EXPECT_THAT(runner->show("hourly")->last_result, HasSubstr("failed: none of its LUNs is online"));
  ASSERT_TRUE(machine->registry().set_online("a", false));
  disk->inject({.op = SimOp::create, .times = 100, .error = ENOSPC});
  pass(1h);
  disk->clear_faults();
  EXPECT_EQ(machine->events("schedule.failed").size(), 3U);
  EXPECT_EQ(count(), 0U);
  pass(1h);
  EXPECT_EQ(count(), 1U);
}

/// Where blocks are shared no room can be set aside: only who says so gets snapshots.
TEST_F(ScheduleRunsTest, AThickLunIsCutUnreservedOnlyWhenToldTo) {
  runner.reset();
  replace_by_reflink();
  ASSERT_TRUE(machine->registry().create(
      {.name = "thick", .capacity = std::uint64_t{1} << 20, .thick = true}));
  begin();
  schedule("hourly", "every 1h", "all", {"thick"});
  pass(1h);
  EXPECT_EQ(count("thick"), 0U);
  EXPECT_THAT(runner->show("hourly")->last_result, HasSubstr("cannot be reserved"));
  auto told = [](catalog::ScheduleRecord& record) -> Outcome<> {
    record.allow_unreserved = true;
    return {};
  };
  auto changed = runner->change("hourly", told, false);
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_TRUE(changed->changed);
  pass(1h);
  EXPECT_EQ(count("thick"), 1U);
}

TEST_F(ScheduleRunsTest, OneThatCannotBeUnderstoodHoldsUpNoOther) {
  auto spoilt = record("broken", "daily at 02:30 in Nowhere/Land");
  ASSERT_TRUE(machine->catalog().change(
      [&](catalog::Transaction& transaction) { return transaction.put_schedule(spoilt); }));
  schedule("hourly", "every 1h");
  pass(2h);
  EXPECT_EQ(count(), 2U);
  EXPECT_THAT(machine->events("schedule.failed"), ElementsAre(HasSubstr("broken: ")));
}

TEST_F(ScheduleRunsTest, OneThatIsDisabledRestsAndThenBeginsAnew) {
  schedule("hourly", "every 1h");
  auto enable = [&](bool on) {
    return runner->change(
        "hourly",
        [&](catalog::ScheduleRecord& edited) -> Outcome<> {
          edited.enabled = on;
          return {};
        },
        false);
  };
  ASSERT_TRUE(enable(false));
  EXPECT_EQ(runner->show("hourly")->next_at, 0);
  pass(5h);
  EXPECT_EQ(count(), 0U);
  ASSERT_TRUE(enable(true));
  runner->tick();
  EXPECT_EQ(count(), 0U);
  pass(1h);
  EXPECT_EQ(count(), 1U);
}

TEST_F(ScheduleRunsTest, RetentionTakesOnlyItsOwn) {
  machine->cut({"a"}, "mine");
  schedule("hourly", "every 1h", "3x1h");
  schedule("other", "every 1h");
  pass(2h);
  auto oldest = machine->snapshots().list("a")->at(1);
  ASSERT_EQ(oldest.record.made_by, "schedule:hourly");
  ASSERT_TRUE(machine->snapshots().lock("a", oldest.record.name, 5h));
  pass(4h);
  std::map<std::string, int> made;
  for (const auto& view : *machine->snapshots().list("a")) ++made[view.record.made_by];
  EXPECT_EQ(made["admin"], 1);
  EXPECT_EQ(made["schedule:other"], 6);
  EXPECT_EQ(made["schedule:hourly"], 4);  // three, and the one that is locked
  EXPECT_TRUE(machine->snapshots().show("a", oldest.record.name));
  EXPECT_EQ(machine->events("snapshot.pruned").size(), 2U);
  pass(2h);
  EXPECT_FALSE(machine->snapshots().show("a", oldest.record.name));  // the lock has ended
  EXPECT_THAT(machine->events("snapshot.pruned"),
              testing::Contains(HasSubstr("'" + oldest.record.name + "' was removed")));
}

TEST_F(ScheduleRunsTest, RetentionLeavesWhatACloneStandsOn) {
  schedule("hourly", "every 1h", "1x1h");
  pass(1h);
  auto first = machine->snapshots().list("a")->front().record;
  auto clone = *machine->catalog().luns();
  clone[0].uuid = Uuid::random();
  clone[0].name = "clone";
  clone[0].file = "clone.img";
  clone[0].target_name += "-clone";
  clone[0].naa[0] = '9';
  clone[0].serial += "-clone";
  clone[0].kind = catalog::LunKind::clone;
  clone[0].origin = first.uuid;
  auto put = machine->catalog().change(
      [&](catalog::Transaction& transaction) { return transaction.put_lun(clone[0]); });
  ASSERT_TRUE(put) << put.error().message;
  pass(2h);
  ASSERT_EQ(count(), 2U);
  EXPECT_EQ(machine->names("a").front(), first.name);
  EXPECT_THAT(machine->events("schedule.failed"), IsEmpty());
}

TEST_F(ScheduleRunsTest, GoesRoundByItself) {
  schedule("hourly", "every 1h");
  runner->start();
  EXPECT_TRUE(machine->until([&] {
    clock.pass(1min);
    return count() >= 2;
  }));
  runner->stop();
  auto made = count();
  clock.pass(5h);
  machine->pacer().run();
  EXPECT_EQ(count(), made);
}

TEST_F(ScheduleRunsTest, WaitsForTheNextButAMinuteAtMost) {
  EXPECT_EQ(runner->tick(), 60s);
  schedule("hourly", "every 1h");
  EXPECT_EQ(runner->tick(), 60s);
  pass(59min + 30s, 30s);
  EXPECT_EQ(runner->tick(), 30s);
}

}  // namespace
}  // namespace caisson::tests
