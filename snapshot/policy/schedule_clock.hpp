// SPDX-License-Identifier: Apache-2.0
// When a schedule's next run is, over restarts, downtime and wall clocks that jump.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "snapshot/policy/schedule.hpp"
#include "storage_object/base/clock.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::snapshot {

/// A run that is due now.
struct ScheduledRun {
  std::chrono::sys_seconds nominal;  ///< when it should have been, on the wall clock
  bool missed = false;               ///< earlier ones were missed too; this one stands for them all

  bool operator==(const ScheduledRun&) const = default;
};

/// A state machine without threads and timers; one thread at a time. The rules:
/// - A run that was missed, while the process was down or because the wall clock was set
///   forward, is made once, however many occurrences have passed.
/// - `every` goes by the monotonic clock; the wall clock only says how long the
///   process was down.
/// - daily and weekly go by the wall clock. Where that was set back before the last run,
///   occurrences count again, but none within half an interval of real time after the last run.
class ScheduleClock {
 public:
  /// A schedule that begins at `begins`: its first run is the next one after that.
  ScheduleClock(Schedule schedule, Clock::Wall begins);

  /// Goes on after a restart from what state() said. Errc::corrupt: nothing changed.
  Outcome<> restore(std::string_view state);
  /// To be saved whenever it differs from what was saved last: together with the run
  /// that due() asked for, and also where there was none.
  std::string state() const;

  /// The run to make now, if any; it counts as made. Ask at next(), and at least
  /// every minute, because clocks jump.
  std::optional<ScheduledRun> due(Clock::Wall now, Clock::Monotonic monotonic);
  /// When the next run will be on the wall clock, as things stood at the last due();
  /// in the past if it is due.
  std::chrono::sys_seconds next() const;

  const Schedule& schedule() const noexcept { return schedule_; }

 private:
  std::optional<ScheduledRun> due_every(std::chrono::sys_seconds now, Clock::Monotonic monotonic);
  std::optional<ScheduledRun> due_calendar(std::chrono::sys_seconds now,
                                           Clock::Monotonic monotonic);
  void begin_every(std::chrono::sys_seconds now, Clock::Monotonic monotonic);
  void set_back(std::chrono::sys_seconds now, Clock::Monotonic monotonic);

  Schedule schedule_;
  std::chrono::sys_seconds last_;        ///< nominal time of the last run, on today's wall clock
  std::optional<Clock::Monotonic> ran_;  ///< the last run, or the first question since the start;
                                         ///< of `every` it may lie before the machine's start
};

}  // namespace caisson::snapshot
