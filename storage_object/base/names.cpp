// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "storage_object/base/errc.hpp"

namespace caisson {
namespace {

constexpr std::string_view kUnits = "KMGTP";

bool name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// The exponent (in steps of 1024) that a suffix stands for; -1 if unknown.
int unit_steps(std::string_view suffix) {
  if (suffix.empty() || suffix == "B") return 0;
  auto at = kUnits.find(static_cast<char>(std::toupper(static_cast<unsigned char>(suffix[0]))));
  auto rest = suffix.substr(1);
  if (at == std::string_view::npos || !(rest.empty() || rest == "B" || rest == "iB")) return -1;
  return static_cast<int>(at) + 1;
}

}  // namespace

bool valid_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 64 || !name_start(name.front())) return false;
  if (name.find("..") != std::string_view::npos) return false;
  return std::ranges::all_of(name, [](char c) { return name_start(c) || c == '.' || c == '-'; });
}

Outcome<std::string> checked_name(std::string_view what, std::string_view name) {
  if (valid_name(name)) return std::string(name);
  return failure(Errc::invalid_argument, fmt::format("'{}' is not a {} name", name, what),
                 "use 1 to 64 of a-z, 0-9, '.' and '-', starting with a letter or digit, "
                 "without '..'");
}

Outcome<std::uint64_t> parse_size(std::string_view text) {
  auto bad = [&] {
    return failure(Errc::invalid_argument, fmt::format("'{}' is not a size", text),
                   "write bytes or a number with K, M, G, T or P, such as 10G");
  };
  long double number = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || number < 0) return bad();
  auto steps = unit_steps({end, static_cast<std::size_t>(text.data() + text.size() - end)});
  if (steps < 0) return bad();
  auto bytes = std::ldexp(number, 10 * steps);
  if (bytes != std::floor(bytes) || bytes > std::numeric_limits<std::int64_t>::max()) return bad();
  return static_cast<std::uint64_t>(bytes);
}

std::string format_size(std::uint64_t bytes) {
  std::size_t steps = 0;
  auto value = static_cast<long double>(bytes);
  while (value >= 1024 && steps < kUnits.size()) {
    value /= 1024;
    ++steps;
  }
  if (steps == 0) return fmt::format("{}", bytes);
  auto text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + kUnits[steps - 1];
}

}  // namespace caisson
