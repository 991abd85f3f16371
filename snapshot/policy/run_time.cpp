// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/run_time.hpp"

#include <algorithm>

#include "snapshot/policy/period.hpp"

namespace caisson::snapshot {

using std::chrono::seconds;

RunTimeCounter::RunTimeCounter(seconds saved, Clock::Monotonic now)
    : value_(std::max(saved, seconds(0))), saved_(value_), counted_(now) {}

seconds RunTimeCounter::advance(Clock::Monotonic now) {
  if (now <= counted_) return value_;
  const auto whole = std::min(std::chrono::floor<seconds>(now - counted_), seconds::max() - value_);
  counted_ += whole;
  value_ += whole;
  return value_;
}

void RunTimeCounter::saved(seconds value) noexcept { saved_ = std::clamp(value, saved_, value_); }

SnapshotLock SnapshotLock::lasting(seconds counter, seconds duration) {
  return {counter + std::min(std::max(duration, seconds(0)), seconds::max() - counter)};
}

seconds SnapshotLock::remaining(seconds counter) const noexcept {
  return holds(counter) ? until - counter : seconds(0);
}

std::string SnapshotLock::describe(seconds counter) const {
  return holds(counter) ? format_duration(remaining(counter)) + " of run time left" : "ended";
}

}  // namespace caisson::snapshot
