// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/names.hpp"

#include <fmt/format.h>

namespace caisson::snapshot {

std::string automatic_name(std::chrono::sys_seconds cut,
                           const std::function<bool(std::string_view)>& taken) {
  const auto day = std::chrono::floor<std::chrono::days>(cut);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(cut - day);
  const auto stem =
      fmt::format("auto-{:04}{:02}{:02}-{:02}{:02}{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  time.hours().count(), time.minutes().count(), time.seconds().count());
  auto name = stem;
  for (unsigned n = 2; taken(name); ++n) name = fmt::format("{}-{}", stem, n);
  return name;
}

}  // namespace caisson::snapshot
