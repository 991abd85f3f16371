// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::local_days;
using std::chrono::minutes;
using std::chrono::sys_seconds;

constexpr std::array<std::string_view, 7> kWeekdays{"sun", "mon", "tue", "wed",
                                                    "thu", "fri", "sat"};
constexpr std::array kWeekOrder{1, 2, 3, 4, 5, 6, 0};  // as it is printed

Failure bad_schedule(std::string message) {
  return failure(Errc::invalid_argument, std::move(message),
                 "write 'every 1h', 'daily at 02:30' or 'weekly on mon,thu at 02:30', the last two "
                 "perhaps with 'in Europe/Berlin'");
}

/// The next word of `rest`, which loses it; empty at the end.
std::string_view next_word(std::string_view& rest) {
  const auto first = std::min(rest.find_first_not_of(' '), rest.size());
  const auto end = std::min(rest.find(' ', first), rest.size());
  const auto word = rest.substr(first, end - first);
  rest.remove_prefix(end);
  return word;
}

std::optional<minutes> parse_time(std::string_view text) {
  auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() != 5 || text[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4))
    return std::nullopt;
  const int hour = (text[0] - '0') * 10 + text[1] - '0';
  const int minute = (text[3] - '0') * 10 + text[4] - '0';
  if (hour > 23 || minute > 59) return std::nullopt;
  return minutes(hour * 60 + minute);
}

Outcome<std::uint8_t> parse_weekdays(std::string_view text) {
  std::uint8_t bits = 0;
  for (std::size_t from = 0; from <= text.size();) {
    const auto comma = std::min(text.find(',', from), text.size());
    const auto name = text.substr(from, comma - from);
    const auto at = std::ranges::find(kWeekdays, name) - kWeekdays.begin();
    if (at == 7)
      return bad_schedule(fmt::format("'{}' is no day of the week (mon, tue, wed, …)", name));
    bits |= static_cast<std::uint8_t>(1 << at);
    from = comma + 1;
  }
  return bits;
}

}  // namespace

Outcome<Schedule> Schedule::parse(std::string_view text) {
  auto rest = text;
  const auto kind = next_word(rest);
  if (kind == "every") return parse_every(rest);
  if (kind == "daily") return parse_calendar(Kind::daily, rest);
  if (kind == "weekly") return parse_calendar(Kind::weekly, rest);
  return bad_schedule(fmt::format("'{}' begins neither with every, daily nor weekly", text));
}

Outcome<Schedule> Schedule::parse_every(std::string_view rest) {
  Schedule schedule;
  auto period = parse_period(next_word(rest));
  if (!period) return bad_schedule(period.error().message);
  if (const auto more = next_word(rest); !more.empty())
    return bad_schedule(fmt::format("'{}' does not belong behind the interval", more));
  schedule.every_ = *period;
  return schedule;
}

Outcome<Schedule> Schedule::parse_calendar(Kind kind, std::string_view rest) {
  Schedule schedule;
  schedule.kind_ = kind;
  auto word = next_word(rest);
  if (kind == Kind::weekly) {
    if (word != "on") return bad_schedule(fmt::format("'on' is missing before '{}'", word));
    auto bits = parse_weekdays(next_word(rest));
    if (!bits) return bits.error();
    schedule.weekdays_ = *bits;
    word = next_word(rest);
  }
  if (word != "at") return bad_schedule(fmt::format("'at' is missing before '{}'", word));
  const auto clock = next_word(rest);
  const auto time = parse_time(clock);
  if (!time) return bad_schedule(fmt::format("'{}' is no time from 00:00 to 23:59", clock));
  schedule.time_ = *time;
  if (word = next_word(rest); word == "in") {
    auto zone = Zone::find(next_word(rest));
    if (!zone) return zone.error();
    schedule.zone_ = std::move(*zone);
    word = next_word(rest);
  }
  if (!word.empty()) return bad_schedule(fmt::format("'{}' does not belong there", word));
  return schedule;
}

std::string Schedule::to_string() const {
  if (kind_ == Kind::every) return "every " + every_.to_string();
  std::string text = "daily";
  if (kind_ == Kind::weekly) {
    std::string_view join = "weekly on ";
    text.clear();
    for (auto day : kWeekOrder) {
      if ((weekdays_ >> day & 1) == 0) continue;
      text.append(join).append(kWeekdays[static_cast<std::size_t>(day)]);
      join = ",";
    }
  }
  text += fmt::format(" at {:02}:{:02}", time_.count() / 60, time_.count() % 60);
  if (zone_ != Zone()) text += " in " + zone_.name();
  return text;
}

bool Schedule::on(local_days day) const {
  return (weekdays_ >> std::chrono::weekday(day).c_encoding() & 1) != 0;
}

sys_seconds Schedule::occurrence(local_days day) const { return zone_.first_instant(day + time_); }

sys_seconds Schedule::next_after(sys_seconds instant) const {
  if (kind_ == Kind::every) return instant + interval();
  auto day = floor<days>(zone_.local(instant));
  while (!on(day) || occurrence(day) <= instant) day += days(1);
  return occurrence(day);
}

sys_seconds Schedule::last_until(sys_seconds instant) const {
  if (kind_ == Kind::every) return instant;
  // a clock set back over midnight shows a date again, whose end has been before
  auto day = floor<days>(zone_.local(instant)) + days(1);
  while (!on(day) || occurrence(day) > instant) day -= days(1);
  return occurrence(day);
}

}  // namespace caisson::snapshot
