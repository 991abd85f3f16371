// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/schedule_clock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/policy/local_clock.hpp"

namespace caisson::snapshot {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

const sys_seconds kNoon = sys_days(2026y / 7 / 1) + 12h;  // a Wednesday

/// A schedule with the two clocks of its machine.
class Machine {
 public:
  explicit Machine(const std::string& text, sys_seconds now = kNoon)
      : wall_(now), clock_(Schedule::parse(text).value(), now) {}

  std::optional<ScheduledRun> ask() {
    auto run = clock_.due(wall_, monotonic_);
    if (run) runs_.push_back(*run);
    return run;
  }
  /// So much time passes, with a question at every step.
  void pass(seconds time, seconds step = 1min) {
    for (seconds done(0); done < time; done += step) {
      wall_ += step;
      monotonic_ += step;
      ask();
    }
  }
  void set_wall(seconds by) { wall_ += by; }
  /// The process ends and begins after `down`; the machine's counter may begin anew.
  void restart(seconds down) {
    const auto state = clock_.state();
    clock_ = ScheduleClock(clock_.schedule(), wall_);
    ASSERT_TRUE(clock_.restore(state).has_value());
    ASSERT_EQ(clock_.state(), state);
    wall_ += down;
    monotonic_ = Clock::Monotonic(3s);
  }
  sys_seconds wall() const { return std::chrono::floor<seconds>(wall_); }
  ScheduleClock& clock() { return clock_; }
  std::vector<sys_seconds> take() {
    std::vector<sys_seconds> times;
    for (const auto& run : runs_) times.push_back(run.nominal);
    runs_.clear();
    return times;
  }

 private:
  Clock::Wall wall_;
  Clock::Monotonic monotonic_{5000s};
  ScheduleClock clock_;
  std::vector<ScheduledRun> runs_;
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ScheduleClocks, AnIntervalBeginsWithItsScheduleAndKeepsItsRhythm) {
  Machine machine("every 1h");
  EXPECT_EQ(machine.ask(), std::nullopt);
  EXPECT_EQ(machine.clock().next(), kNoon + 1h);
  machine.pass(3h, 7min);  // asked late each time
  EXPECT_THAT(machine.take(), ElementsAre(kNoon + 1h, kNoon + 2h, kNoon + 3h));
}

TEST(ScheduleClocks, AnIntervalDoesNotCareForTheWallClock) {
  Machine machine("every 1h");
  machine.ask();
  machine.pass(30min);
  machine.set_wall(days(1000));
  EXPECT_EQ(machine.ask(), std::nullopt);
  machine.pass(29min);
  EXPECT_THAT(machine.take(), IsEmpty());
  machine.set_wall(-days(3000));
  machine.pass(1min);
  EXPECT_THAT(machine.take(), ElementsAre(machine.wall()));
  machine.pass(1h);
  EXPECT_EQ(machine.take().size(), 1U);
}

TEST(ScheduleClocks, AMissedIntervalIsMadeUpForOnceAfterARestart) {
  Machine machine("every 1h");
  machine.ask();
  machine.pass(90min);
  machine.take();
  machine.restart(5h);  // 5 h 30 min after the run
  EXPECT_EQ(machine.ask(), (ScheduledRun{kNoon + 6h, true}));
  EXPECT_EQ(machine.ask(), std::nullopt);
  machine.pass(29min);
  machine.take();
  machine.pass(1min);
  EXPECT_THAT(machine.take(), ElementsAre(kNoon + 7h));
}

TEST(ScheduleClocks, AShortRestartLosesNoPartOfAnInterval) {
  Machine machine("every 1h");
  machine.ask();
  machine.pass(20min);
  machine.restart(30min);
  machine.pass(9min);
  EXPECT_THAT(machine.take(), IsEmpty());
  machine.pass(1min);
  EXPECT_THAT(machine.take(), ElementsAre(kNoon + 1h));
  EXPECT_EQ(machine.ask(), std::nullopt);
}

TEST(ScheduleClocks, AWallClockThatWentBackWhileDownCostsAtMostAnInterval) {
  Machine machine("every 1h");
  machine.ask();
  machine.restart(-days(365));
  machine.ask();
  machine.pass(1h);
  EXPECT_EQ(machine.take().size(), 1U);
}

TEST(ScheduleClocks, AWallClockSetBeforeTheRestartIsNoMissedRun) {
  for (auto step : {days(365), -days(365)}) {
    Machine machine("every 1h");
    machine.ask();
    machine.pass(20min);
    machine.set_wall(step);
    machine.pass(10min);
    machine.restart(10min);
    machine.pass(19min);
    EXPECT_THAT(machine.take(), IsEmpty()) << step.count();
    machine.pass(1min);
    EXPECT_EQ(machine.take().size(), 1U) << step.count();
  }
}

TEST(ScheduleClocks, SlewingIsNoReasonToSaveTheState) {
  Machine machine("every 1h");
  machine.ask();
  const auto state = machine.clock().state();
  for (int i = 0; i < 50; ++i) {
    machine.pass(1min);
    machine.set_wall(i % 2 ? 1s : -1s);
    ASSERT_EQ(machine.clock().state(), state);
  }
}

TEST(ScheduleClocks, ADayRunsOnceEachDay) {
  Machine machine("daily at 02:30");
  machine.ask();
  EXPECT_EQ(machine.clock().next(), kNoon + 14h + 30min);
  machine.pass(days(3), 13min);
  const auto first = kNoon + 14h + 30min;
  EXPECT_THAT(machine.take(), ElementsAre(first, first + days(1), first + days(2)));
}

TEST(ScheduleClocks, MissedDaysAreMadeUpForOnce) {
  Machine machine("daily at 02:30");
  machine.ask();
  machine.restart(days(10));
  EXPECT_EQ(machine.ask(), (ScheduledRun{kNoon + days(9) + 14h + 30min, true}));
  EXPECT_EQ(machine.ask(), std::nullopt);
  machine.restart(days(1));
  EXPECT_EQ(machine.ask(), (ScheduledRun{kNoon + days(10) + 14h + 30min, false}));
}

TEST(ScheduleClocks, AWallClockSetForwardMakesOneRunAndBackAgainNone) {
  Machine machine("daily at 02:30");
  machine.ask();
  machine.set_wall(days(50));
  EXPECT_TRUE(machine.ask());
  EXPECT_EQ(machine.ask(), std::nullopt);
  machine.set_wall(-days(50));
  machine.take();
  machine.pass(days(2));
  const auto first = kNoon + 14h + 30min;
  EXPECT_THAT(machine.take(), ElementsAre(first, first + days(1)));
}

TEST(ScheduleClocks, ASmallStepBackRepeatsNothing) {
  Machine machine("daily at 12:00", kNoon - 1h);
  machine.ask();
  machine.pass(1h);
  EXPECT_THAT(machine.take(), ElementsAre(kNoon));
  for (auto step : {-1s, -600s, -7200s}) {
    machine.set_wall(step);
    machine.pass(-step + 1h);
    EXPECT_THAT(machine.take(), IsEmpty()) << step.count();
    machine.set_wall(-1h);
  }
  machine.pass(days(1));
  EXPECT_THAT(machine.take(), ElementsAre(kNoon + days(1)));
}

TEST(ScheduleClocks, AStepBackBeforeTheFirstRunDelaysNothing) {
  Machine machine("daily at 12:00", kNoon - 10min);
  machine.ask();
  machine.set_wall(-5s);
  machine.ask();
  machine.pass(11min);
  EXPECT_THAT(machine.take(), ElementsAre(kNoon));
}

TEST(ScheduleClocks, AClockThatWentBackWhileDownStallsNoLongerThanAnInterval) {
  Machine machine("weekly on wed at 12:00", kNoon - 1min);
  machine.ask();
  machine.pass(1min);
  ASSERT_EQ(machine.take().size(), 1U);
  machine.restart(-days(7 * 100) + days(1));
  machine.ask();  // 6 days ahead
  for (int i = 0; i < 7; ++i) {
    machine.pass(days(1) - 1h);  // restarts often, and still runs
    machine.restart(1h);
  }
  machine.ask();
  EXPECT_EQ(machine.take().size(), 1U);
}

TEST(ScheduleClocks, AStateThatIsNoneChangesNothing) {
  Machine machine("every 1h");
  const auto state = machine.clock().state();
  EXPECT_EQ(state, "2026-07-01T12:00:00Z");
  for (const auto* bad : {"", "2026-07-01", "2026-07-01T12:00:00", "2026-07-01T12:00:00Z ",
                          "2026-02-30T12:00:00Z", "2026-07-01T24:00:00Z", "2026-07-01T12:60:00Z",
                          "2026-07-01T12:00:60Z", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z",
                          "2026-13-01T12:00:00Z", "2026-07-01 12:00:00Z", "+026-07-01T12:00:00Z"}) {
    auto restored = machine.clock().restore(bad);
    ASSERT_FALSE(restored.has_value()) << bad;
    EXPECT_EQ(restored.error().code, Errc::corrupt) << bad;
    EXPECT_EQ(machine.clock().state(), state) << bad;
  }
  EXPECT_TRUE(machine.clock().restore("2028-02-29T23:59:59Z").has_value());
  EXPECT_EQ(machine.clock().state(), "2028-02-29T23:59:59Z");
}

TEST(ScheduleClocks, ARestoredStateForgetsWhatRanBefore) {
  Machine machine("every 1h");
  machine.ask();
  ASSERT_TRUE(machine.clock().restore("2026-07-01T10:30:00Z").has_value());
  EXPECT_EQ(machine.ask(), (ScheduledRun{kNoon - 30min, false}));
}

TEST(ScheduleClocks, BothEndsOfTheWallClockAreTimes) {
  for (const auto* text : {"every 1m", "every 521w", "daily at 00:00 in Europe/Berlin"}) {
    ScheduleClock clock(Schedule::parse(text).value(), Clock::Wall::min());
    Clock::Monotonic now(0s);
    for (auto wall : {Clock::Wall::min(), Clock::Wall::max(), Clock::Wall(), Clock::Wall::max()}) {
      clock.due(wall, now += 1s);
      EXPECT_TRUE(clock.restore(clock.state()).has_value()) << clock.state();
    }
    EXPECT_EQ(clock.due(Clock::Wall::max(), now += 1s), std::nullopt) << text;
  }
}

/// With clocks that agree: whatever the steps and restarts, after each question nothing is left
/// undone, and nothing is done twice.
void run_through(const std::string& text, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto begin = sys_days(2026y / 1 / 1) + days(random() % 800) + seconds(random() % 86400);
  Machine machine(text, begin);
  const auto& schedule = machine.clock().schedule();
  auto last = begin;
  machine.ask();
  for (int i = 0; i < 400; ++i) {
    if (random() % 10 == 0) {
      machine.restart(seconds(random() % (86400 * 5)));
    } else {
      const seconds step(1 + random() % (random() % 3 ? 7200 : 86400 * 2));
      machine.pass(step, step);
    }
    machine.ask();
    for (auto run : machine.take()) {
      ASSERT_GT(run, last);
      ASSERT_LE(run, machine.wall());
      if (schedule.kind() == Schedule::Kind::every) {
        ASSERT_EQ((run - begin) % schedule.interval(), 0s);
      } else {
        ASSERT_EQ(schedule.last_until(run), run);
      }
      last = run;
    }
    ASSERT_GT(schedule.next_after(last), machine.wall());
    ASSERT_EQ(schedule.next_after(last), machine.clock().next());
  }
}

TEST(ScheduleClocks, LeaveNothingUndoneAndDoNothingTwice) {
  for (const std::string zone : kZones)
    for (const auto& text : {std::string("every 5m"), std::string("every 3h"),
                             "daily at 02:15 in " + zone, "weekly on sun,wed at 00:30 in " + zone})
      for (std::uint32_t seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE(text + ", seed " + std::to_string(seed));
        ASSERT_NO_FATAL_FAILURE(run_through(text, seed));
      }
}

/// A wall clock that is set now and then: a step makes at most one run, delays by at most an
/// interval, and but for a step forward and what follows it no two runs are close.
void run_with_steps(const std::string& text, seconds interval, std::uint32_t seed) {
  std::mt19937 random(seed);
  Machine machine(text);
  machine.ask();
  const auto grain = interval / 48;
  seconds apart(0);
  bool stepped = false;
  int may_be_close = 1;  // so many runs: the first one, that of a step forward and the next
  for (int i = 0; i < 48 * 60; ++i) {
    if (i % 200 == 100) {
      const seconds step(random() % (86400 * (random() % 2 ? 2 : 60)));
      const bool forward = random() % 2 != 0;
      machine.set_wall(forward ? step : -step);
      stepped = true;
      if (forward) may_be_close = 2;
    } else {
      machine.pass(grain, grain);
      apart += grain;
    }
    machine.ask();
    const auto runs = machine.take();
    ASSERT_LE(runs.size(), 1U);
    ASSERT_LE(apart, (stepped ? 2 : 1) * interval + grain) << "stalls at step " << i;
    if (runs.empty()) continue;
    if (may_be_close > 0) {
      --may_be_close;
    } else {
      ASSERT_GE(2 * apart, interval - 4 * grain) << "repeats at step " << i;
    }
    apart = seconds(0);
    stepped = false;
    ASSERT_FALSE(machine.ask());
  }
}

TEST(ScheduleClocks, StepsOfTheWallClockNeitherRepeatNorStall) {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ASSERT_NO_FATAL_FAILURE(run_with_steps("daily at 12:00", days(1), seed));
    ASSERT_NO_FATAL_FAILURE(run_with_steps("weekly on wed at 03:00", days(7), seed));
    ASSERT_NO_FATAL_FAILURE(run_with_steps("every 4h", 4h, seed));
  }
}

}  // namespace
}  // namespace caisson::snapshot
