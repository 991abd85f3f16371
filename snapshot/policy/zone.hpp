// SPDX-License-Identifier: Apache-2.0
// Local time of a named zone, from the system's time zone database
// (/usr/share/zoneinfo, or $TZDIR). A zone is read once in the life of a process:
// new rules count after a restart. Every function here may be called from any thread.
#pragma once

#include <cctz/time_zone.h>

#include <chrono>
#include <string>
#include <string_view>

#include "storage_object/base/result.hpp"

namespace caisson::snapshot {

class Zone {
 public:
  /// UTC, which needs no database.
  Zone() = default;
  /// By its IANA name ("Europe/Berlin"), or "UTC". Errc::invalid_argument for what can be no
  /// name of a zone, Errc::not_found for one that the database does not have.
  static Outcome<Zone> find(std::string_view name);

  const std::string& name() const noexcept { return name_; }
  /// What the clock on the wall shows at that instant.
  std::chrono::local_seconds local(std::chrono::sys_seconds instant) const;
  /// The first instant at which the clock on the wall shows `local`; where it never does,
  /// because the clock is set forward over it, the first one after that gap.
  std::chrono::sys_seconds first_instant(std::chrono::local_seconds local) const;

  bool operator==(const Zone& other) const { return name_ == other.name_; }

 private:
  Zone(std::string name, cctz::time_zone zone) : name_(std::move(name)), zone_(zone) {}

  std::string name_ = "UTC";
  cctz::time_zone zone_ = cctz::utc_time_zone();
};

}  // namespace caisson::snapshot
