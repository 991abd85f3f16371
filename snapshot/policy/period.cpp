// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/period.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

using std::chrono::seconds;

constexpr seconds kLongest = std::chrono::days(3653);
constexpr std::string_view kUnits = "mhdw";

struct UnitRow {
  char letter;
  std::int64_t length;
};
constexpr std::array kShown{UnitRow{'d', 86400}, UnitRow{'h', 3600}, UnitRow{'m', 60},
                            UnitRow{'s', 1}};

}  // namespace

seconds Period::length() const noexcept {
  const std::int64_t n = count;
  switch (unit) {
    case Unit::minute: return seconds(n * 60);
    case Unit::hour: return seconds(n * 3600);
    case Unit::day: return seconds(n * 86400);
    case Unit::week: return seconds(n * 604800);
  }
  return {};
}

std::string Period::to_string() const {
  return fmt::format("{}{}", count, static_cast<char>(unit));
}

Outcome<Period> parse_period(std::string_view text) {
  auto bad = [&](const char* cause) {
    return failure(Errc::invalid_argument, fmt::format("'{}' {}", text, cause),
                   "write a number from 1 and m, h, d or w, such as 30m, 4h, 1d or 2w");
  };
  Period period;
  const auto* last = text.data() + text.size();
  auto [end, error] = std::from_chars(text.data(), last, period.count);
  if (error == std::errc::result_out_of_range) return bad("is longer than ten years");
  if (error != std::errc() || end + 1 != last || kUnits.find(*end) == std::string_view::npos)
    return bad("is not a length of time");
  period.unit = static_cast<Period::Unit>(*end);
  if (period.count == 0) return bad("is no time at all");
  if (period.length() > kLongest) return bad("is longer than ten years");
  return period;
}

std::string format_duration(seconds duration) {
  auto rest = std::max<std::int64_t>(duration.count(), 0);
  const auto* first = std::ranges::find_if(kShown, [&](auto& row) { return rest >= row.length; });
  if (first == kShown.end()) return "0s";
  auto text = fmt::format("{}{}", rest / first->length, first->letter);
  rest %= first->length;
  const auto* second = first + 1;
  if (second == kShown.end() || rest < second->length) return text;
  return fmt::format("{} {}{}", text, rest / second->length, second->letter);
}

}  // namespace caisson::snapshot
