// SPDX-License-Identifier: Apache-2.0
// When snapshots are due, as an administrator writes it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "snapshot/policy/period.hpp"
#include "snapshot/policy/zone.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::snapshot {

/// One of
///   every 5m
///   daily at 02:30 [in Europe/Berlin]
///   weekly on mon,thu at 02:30 [in Europe/Berlin]
/// A day has one occurrence: where the clock is set forward over its time, the first
/// instant after that; where it shows the time twice, the first of the two.
class Schedule {
 public:
  enum class Kind { every, daily, weekly };

  /// Errc::invalid_argument says which part is wrong; Errc::not_found: no such zone.
  static Outcome<Schedule> parse(std::string_view text);
  /// In the form above; UTC is left out.
  std::string to_string() const;

  Kind kind() const noexcept { return kind_; }
  /// Of `every` only.
  std::chrono::seconds interval() const noexcept { return every_.length(); }
  /// Whose days and weeks count; also for the retention beside it.
  const Zone& zone() const noexcept { return zone_; }

  /// The first occurrence after `instant`. Of `every`: one interval later.
  std::chrono::sys_seconds next_after(std::chrono::sys_seconds instant) const;
  /// The last occurrence at or before `instant`. Of `every`: `instant`.
  std::chrono::sys_seconds last_until(std::chrono::sys_seconds instant) const;

  bool operator==(const Schedule&) const = default;

 private:
  static Outcome<Schedule> parse_every(std::string_view rest);
  static Outcome<Schedule> parse_calendar(Kind kind, std::string_view rest);

  bool on(std::chrono::local_days day) const;
  std::chrono::sys_seconds occurrence(std::chrono::local_days day) const;

  Kind kind_ = Kind::every;
  Period every_;                  ///< `every`
  std::uint8_t weekdays_ = 0x7f;  ///< bit 0 is Sunday
  std::chrono::minutes time_{0};  ///< since midnight
  Zone zone_;
};

}  // namespace caisson::snapshot
