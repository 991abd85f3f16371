// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/manager/schedule_test.hpp"

namespace caisson::tests {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class SchedulesTest : public ScheduleTest {
 protected:
  Error refusal(const catalog::ScheduleRecord& wanted) {
    auto made = runner->create(wanted, false);
    return made ? Error() : made.error().code;
  }
};

TEST_F(SchedulesTest, IsCreatedInNormalFormOnce) {
  auto wanted = record("nightly", "daily  at 02:30 in Europe/Berlin", "7x1d|4x1w");
  auto planned = runner->create(wanted, true);
  ASSERT_TRUE(planned) << planned.error().message;
  EXPECT_TRUE(planned->changed);
  EXPECT_TRUE(runner->list()->empty());

  auto made = runner->create(wanted, false);
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->changed);
  EXPECT_EQ(made->schedule.record.spec, "daily at 02:30 in Europe/Berlin");
  EXPECT_EQ(made->schedule.record.zone, "Europe/Berlin");
  EXPECT_EQ(made->schedule.record.retention, "7x1d | 4x1w");
  EXPECT_EQ(made->schedule.last_at, 0);
  pass(1h);
  auto again = runner->create(wanted, false);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->changed);
  EXPECT_EQ(refusal(record("nightly", "every 1h")), Errc::already_exists);
  EXPECT_EQ(runner->list()->size(), 1U);
}

TEST_F(SchedulesTest, RefusesWhatItCannotKeep) {
  EXPECT_EQ(refusal(record("Bad", "every 1h")), Errc::invalid_argument);
  EXPECT_EQ(refusal(record("s", "now and then")), Errc::invalid_argument);
  EXPECT_EQ(refusal(record("s", "daily at 02:30 in Nowhere/Land")), Errc::not_found);
  EXPECT_EQ(refusal(record("s", "every 1h", "many")), Errc::invalid_argument);
  EXPECT_EQ(refusal(record("s", "every 1h", "all", {})), Errc::invalid_argument);
  EXPECT_EQ(refusal(record("s", "every 1h", "all", {"a", "a"})), Errc::invalid_argument);
  auto unknown = record("s", "every 1h");
  unknown.luns.push_back(Uuid::random());
  EXPECT_EQ(refusal(unknown), Errc::not_found);
  auto two_zones = record("s", "daily at 02:30 in Europe/Berlin");
  two_zones.zone = "Asia/Kolkata";
  EXPECT_EQ(refusal(two_zones), Errc::invalid_argument);
  EXPECT_TRUE(runner->list()->empty());
}

TEST_F(SchedulesTest, RefusesToQuiesceAndSaysWhy) {
  auto wanted = record("s", "every 1h");
  wanted.quiesce = "db1";
  auto made = runner->create(wanted, true);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::unsupported);
  EXPECT_THAT(made.error().message, HasSubstr("agent"));
}

TEST_F(SchedulesTest, AZoneBesideTheTimeIsItsOwn) {
  auto wanted = record("s", "daily at 02:30");
  wanted.zone = "Asia/Kolkata";
  auto made = runner->create(wanted, false);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->schedule.record.spec, "daily at 02:30 in Asia/Kolkata");
  wanted = record("t", "every 1h", "7x1d");
  wanted.zone = "Asia/Kolkata";
  made = runner->create(wanted, false);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->schedule.record.spec, "every 1h");
  EXPECT_EQ(made->schedule.record.zone, "Asia/Kolkata");
}

TEST_F(SchedulesTest, AChangeOfTheTimeBeginsAnew) {
  schedule("s", "daily at 02:30 in Europe/Berlin", "7x1d");
  pass(1h);
  auto set = [&](const std::string& spec, bool dry_run) {
    return runner->change(
        "s",
        [&](catalog::ScheduleRecord& edited) -> Outcome<> {
          edited.spec = spec;
          return {};
        },
        dry_run);
  };
  EXPECT_EQ(set("never", false).error().code, Errc::invalid_argument);
  ASSERT_TRUE(set("daily at 04:00", true)->changed);
  EXPECT_EQ(runner->show("s")->record.spec, "daily at 02:30 in Europe/Berlin");
  auto changed = set("daily at 04:00", false);
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->schedule.record.zone, "UTC");
  EXPECT_EQ(changed->schedule.record.retention, "7x1d");
  EXPECT_FALSE(set("daily at 04:00", false)->changed);
  pass(3h);
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(runner
                ->change(
                    "none", [](auto&) { return Outcome<>(); }, false)
                .error()
                .code,
            Errc::not_found);
}

TEST_F(SchedulesTest, ARemovalLeavesItsSnapshots) {
  schedule("s", "every 1h", "1x1h");
  pass(1h);
  ASSERT_TRUE(runner->remove("s", true));
  EXPECT_EQ(runner->list()->size(), 1U);
  ASSERT_TRUE(runner->remove("s", false));
  EXPECT_EQ(runner->remove("s", false).error().code, Errc::not_found);
  EXPECT_EQ(runner->show("s").error().code, Errc::not_found);
  pass(5h);
  EXPECT_EQ(count(), 1U);
}

TEST_F(SchedulesTest, OutlivesARestart) {
  schedule("s", "every 1h", "2x1h");
  pass(1h);
  auto before = *runner->show("s");
  restart_after(10min);
  auto after = runner->show("s");
  ASSERT_TRUE(after);
  EXPECT_EQ(after->record, before.record);
  EXPECT_EQ(after->last_result, before.last_result);
}

}  // namespace
}  // namespace caisson::tests
