// SPDX-License-Identifier: Apache-2.0
#include "snapshot/manager/schedule_state.hpp"

#include <fmt/format.h>

#include <charconv>

#include "storage_object/base/log.hpp"

namespace caisson::snapshot {

std::string ScheduleState::to_string() const {
  return fmt::format("{} {} {}", clock, last_at, last_result);
}

ScheduleState ScheduleState::parse(std::string_view text) {
  auto word = [&] {
    auto end = std::min(text.find(' '), text.size());
    auto found = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return found;
  };
  ScheduleState state;
  state.clock = word();
  auto at = word();
  std::from_chars(at.data(), at.data() + at.size(), state.last_at);
  state.last_result = text;
  return state;
}

Outcome<ScheduleClock> clock_of(const catalog::ScheduleRecord& record, Clock::Wall now) {
  auto schedule = Schedule::parse(record.spec);
  if (!schedule) return schedule.error();
  ScheduleClock clock(std::move(*schedule), now);
  if (auto restored = clock.restore(ScheduleState::parse(record.state).clock); !restored)
    log::warning("schedule '{}' begins anew: {}", record.name, restored.error().message);
  return clock;
}

std::string made_by(const catalog::ScheduleRecord& record) { return "schedule:" + record.name; }

}  // namespace caisson::snapshot
