// SPDX-License-Identifier: Apache-2.0
// Lengths of time as administrators type them in schedules and retentions.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage_object/base/result.hpp"

namespace caisson::snapshot {

/// "5m", "4h", "1d", "2w". Minutes and hours are elapsed time; days and weeks are
/// days of a calendar where there is one (retention), and 24 and 168 hours
/// where there is none (schedules, locks).
struct Period {
  enum class Unit : char { minute = 'm', hour = 'h', day = 'd', week = 'w' };

  std::uint32_t count = 1;  ///< from 1
  Unit unit = Unit::hour;

  std::chrono::seconds length() const noexcept;
  bool calendar() const noexcept { return unit == Unit::day || unit == Unit::week; }
  std::string to_string() const;
  bool operator==(const Period&) const = default;
};

/// From the form that to_string() gives, up to ten years; Errc::invalid_argument
/// for any other.
Outcome<Period> parse_period(std::string_view text);

/// "6d 23h", "59m 58s": the two largest units, rounded down, for people.
std::string format_duration(std::chrono::seconds duration);

}  // namespace caisson::snapshot
