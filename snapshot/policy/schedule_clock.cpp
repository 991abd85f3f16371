// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/schedule_clock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::sys_seconds;

// A smaller step of the wall clock is not worth a write of the state.
constexpr seconds kStep{60};
constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:ddZ";
constexpr int kLastYear = 2262;  // in which Clock::Wall ends

bool has_form(std::string_view text) {
  return std::ranges::equal(text, kForm, [](char c, char form) {
    return form == 'd' ? c >= '0' && c <= '9' : c == form;
  });
}

std::string write_instant(sys_seconds instant) {
  const auto day = floor<days>(instant);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(instant - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

std::optional<sys_seconds> read_instant(std::string_view text) {
  if (!has_form(text)) return std::nullopt;
  auto number = [&](std::size_t from, std::size_t count) {
    int value = 0;
    for (auto c : text.substr(from, count)) value = value * 10 + (c - '0');
    return value;
  };
  const std::chrono::year_month_day date(std::chrono::year(number(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2))));
  const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  const auto year = static_cast<int>(date.year());
  if (!date.ok() || year < 1970 || year > kLastYear) return std::nullopt;
  if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         seconds(second);
}

}  // namespace

ScheduleClock::ScheduleClock(Schedule schedule, Clock::Wall begins)
    : schedule_(std::move(schedule)), last_(std::max(floor<seconds>(begins), sys_seconds{})) {}

Outcome<> ScheduleClock::restore(std::string_view state) {
  const auto last = read_instant(state);
  if (!last)
    return failure(Errc::corrupt, fmt::format("'{}' is not the state of a schedule", state),
                   "set the schedule again; it then begins anew");
  last_ = *last;
  ran_.reset();
  return {};
}

std::string ScheduleClock::state() const { return write_instant(std::max(last_, sys_seconds{})); }

sys_seconds ScheduleClock::next() const { return schedule_.next_after(last_); }

std::optional<ScheduledRun> ScheduleClock::due(Clock::Wall now, Clock::Monotonic monotonic) {
  const auto wall = std::max(floor<seconds>(now), sys_seconds{});
  return schedule_.kind() == Schedule::Kind::every ? due_every(wall, monotonic)
                                                   : due_calendar(wall, monotonic);
}

/// The first question since the start: the wall clock alone says how long ago the last run was.
void ScheduleClock::begin_every(sys_seconds now, Clock::Monotonic monotonic) {
  const auto interval = schedule_.interval();
  last_ = std::min(last_, now);
  auto elapsed = now - last_;
  // more than two intervals are as good as any number, and cannot overflow below
  if (elapsed > 3 * interval) elapsed = elapsed % interval + 2 * interval;
  ran_ = monotonic - elapsed;
}

std::optional<ScheduledRun> ScheduleClock::due_every(sys_seconds now, Clock::Monotonic monotonic) {
  const auto interval = schedule_.interval();
  if (!ran_) begin_every(now, monotonic);
  const auto passed = (monotonic - *ran_) / interval;
  *ran_ += std::max<std::int64_t>(passed, 0) * interval;  // the rhythm stays
  const auto nominal = now - floor<seconds>(monotonic - *ran_);
  if (passed <= 0) {
    // the wall clock was set, so the next start must count from another time
    if (std::chrono::abs(nominal - last_) >= kStep) last_ = nominal;
    return std::nullopt;
  }
  last_ = nominal;
  return ScheduledRun{nominal, passed > 1};
}

/// Where the occurrence ahead is one that the last run already stood for: does it count again?
void ScheduleClock::set_back(sys_seconds now, Clock::Monotonic monotonic) {
  const auto ahead = schedule_.next_after(now);
  if (ahead > last_) return;
  const auto before = schedule_.last_until(now);
  // Both clocks advance together, so asking again gives the same answer.
  const auto apart = ahead - now + floor<seconds>(monotonic - *ran_);
  last_ = 2 * apart < ahead - before ? ahead : before;
}

std::optional<ScheduledRun> ScheduleClock::due_calendar(sys_seconds now,
                                                        Clock::Monotonic monotonic) {
  if (!ran_) ran_ = monotonic;
  set_back(now, monotonic);
  const auto first = schedule_.next_after(last_);
  if (first > now) return std::nullopt;
  last_ = schedule_.last_until(now);
  ran_ = monotonic;
  return ScheduledRun{last_, last_ != first};
}

}  // namespace caisson::snapshot
