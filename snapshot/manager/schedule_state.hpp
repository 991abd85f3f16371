// SPDX-License-Identifier: Apache-2.0
// What ScheduleRecord::state says: inside this folder only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "snapshot/policy/schedule_clock.hpp"
#include "storage_object/base/clock.hpp"
#include "storage_object/base/result.hpp"
#include "storage_object/catalog/records.hpp"

namespace caisson::snapshot {

/// "<ScheduleClock::state()> <seconds of the last run> <its result>".
struct ScheduleState {
  std::string clock;
  std::int64_t last_at = 0;  ///< 0: not yet
  std::string last_result;

  std::string to_string() const;
  static ScheduleState parse(std::string_view text);
};

/// What goes on from the record's state; a state that cannot be read begins at `now`.
/// Errc::invalid_argument, not_found: its texts are not understood (any more).
Outcome<ScheduleClock> clock_of(const catalog::ScheduleRecord& record, Clock::Wall now);

std::string made_by(const catalog::ScheduleRecord& record);

}  // namespace caisson::snapshot
