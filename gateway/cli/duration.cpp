// SPDX-License-Identifier: Apache-2.0
#include "gateway/cli/duration.hpp"

#include <fmt/format.h>

#include <charconv>

#include "storage_object/base/errc.hpp"

namespace caisson::cli {
namespace {

struct Unit {
  char letter;
  std::uint64_t seconds;
};
constexpr Unit kUnits[] = {{'w', 604'800}, {'d', 86'400}, {'h', 3'600}, {'m', 60}, {'s', 1}};
constexpr std::uint64_t kLongest = 100 * 366 * 86'400ULL;

}  // namespace

Outcome<std::uint64_t> parse_duration(std::string_view text) {
  std::uint64_t sum = 0;
  const char* at = text.data();
  const char* end = at + text.size();
  for (const auto& unit : kUnits) {
    std::uint64_t count = 0;
    auto [rest, error] = std::from_chars(at, end, count);
    if (error != std::errc() || rest == end || *rest != unit.letter) continue;
    if (count > kLongest / unit.seconds) break;
    sum += count * unit.seconds;
    at = rest + 1;
  }
  if (at == end && sum != 0 && sum <= kLongest) return sum;
  return failure(Errc::invalid_argument, fmt::format("'{}' is no length of time", text),
                 "write it like 90s, 30m, 12h, 7d, 2w or 1d12h");
}

std::string format_duration(std::uint64_t seconds) {
  std::string out;
  int shown = 0;
  for (const auto& unit : kUnits) {
    if (unit.letter == 'w') continue;  // days are counted through
    auto count = seconds / unit.seconds;
    seconds %= unit.seconds;
    if (count != 0) out += fmt::format("{}{}{}", out.empty() ? "" : " ", count, unit.letter);
    if ((count != 0 || shown != 0) && ++shown == 2) break;
  }
  return out.empty() ? "0s" : out;
}

}  // namespace caisson::cli
