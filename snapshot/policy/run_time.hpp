// SPDX-License-Identifier: Apache-2.0
// Locks of snapshots end after so much time in which the process ran. No wall clock is
// asked, so none that is set forward ends a lock early.
#pragma once

#include <chrono>
#include <string>

#include "storage_object/base/clock.hpp"

namespace caisson::snapshot {

/// Seconds in which the process ran, over all its lives. The caller saves value()
/// from time to time and at a stop; a crash loses what unsaved() says, so locks end later by
/// that, never earlier. One thread at a time.
class RunTimeCounter {
 public:
  /// Goes on from what was saved last; from zero where that is nothing or negative.
  RunTimeCounter(std::chrono::seconds saved, Clock::Monotonic now);

  /// Counts up to `now`, and returns the value. A `now` before the last one counts nothing.
  std::chrono::seconds advance(Clock::Monotonic now);
  std::chrono::seconds value() const noexcept { return value_; }
  /// What a crash now would lose.
  std::chrono::seconds unsaved() const noexcept { return value_ - saved_; }
  /// `value` is durable.
  void saved(std::chrono::seconds value) noexcept;

 private:
  std::chrono::seconds value_;
  std::chrono::seconds saved_;
  Clock::Monotonic counted_;  ///< up to here; less than a second behind the last advance()
};

/// Holds for as long as the counter is below `until`.
struct SnapshotLock {
  std::chrono::seconds until{0};

  /// For so long from now on; the longest possible lock where that is out of range.
  static SnapshotLock lasting(std::chrono::seconds counter, std::chrono::seconds duration);

  bool holds(std::chrono::seconds counter) const noexcept { return counter < until; }
  /// Zero once it has ended.
  std::chrono::seconds remaining(std::chrono::seconds counter) const noexcept;
  /// "6d 23h of run time left", "ended".
  std::string describe(std::chrono::seconds counter) const;
  bool operator==(const SnapshotLock&) const = default;
};

}  // namespace caisson::snapshot
