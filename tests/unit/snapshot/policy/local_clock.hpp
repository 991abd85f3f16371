// SPDX-License-Identifier: Apache-2.0
// The C library's idea of local time: a second opinion, which reads the same files
// with other code.
#pragma once

#include <time.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>

namespace caisson::snapshot {

/// Sets the process's zone while it lives; tests of one program run one at a time.
class LocalClock {
 public:
  explicit LocalClock(const std::string& zone) {
    ::setenv("TZ", (":" + zone).c_str(), 1);
    ::tzset();
  }
  ~LocalClock() {
    ::unsetenv("TZ");
    ::tzset();
  }
  LocalClock(const LocalClock&) = delete;
  LocalClock& operator=(const LocalClock&) = delete;

  std::chrono::local_seconds at(std::chrono::sys_seconds instant) const {
    const time_t seconds = instant.time_since_epoch().count();
    tm fields{};
    ::localtime_r(&seconds, &fields);
    return std::chrono::local_seconds(std::chrono::seconds(seconds + fields.tm_gmtoff));
  }
};

/// DST of an hour and of half of one, south and north, none, and one that turns twice
/// around Ramadan.
constexpr std::array kZones{"Europe/Berlin", "America/New_York",  "Australia/Lord_Howe",
                            "Asia/Kolkata",  "Africa/Casablanca", "UTC"};

}  // namespace caisson::snapshot
