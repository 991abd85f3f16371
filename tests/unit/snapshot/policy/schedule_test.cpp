// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/schedule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/policy/local_clock.hpp"

namespace caisson::snapshot {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::floor;
using std::chrono::local_days;
using std::chrono::minutes;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

Schedule schedule(const std::string& text) { return Schedule::parse(text).value(); }

/// The occurrences after `from`, as many as named.
std::vector<sys_seconds> occurrences(const std::string& text, sys_seconds from, int count) {
  std::vector<sys_seconds> found;
  found.reserve(static_cast<std::size_t>(count));
  const auto made = schedule(text);
  for (int i = 0; i < count; ++i) found.push_back(from = made.next_after(from));
  return found;
}

TEST(Schedules, AreReadAndWrittenAlike) {
  for (const auto* text :
       {"every 5m", "every 1h", "every 2w", "daily at 00:00", "daily at 23:59 in Europe/Berlin",
        "weekly on mon at 06:30", "weekly on mon,wed,sun at 02:30 in America/New_York"}) {
    auto parsed = Schedule::parse(text);
    ASSERT_TRUE(parsed.has_value()) << text;
    EXPECT_EQ(parsed->to_string(), text);
    EXPECT_EQ(*parsed, schedule(parsed->to_string()));
  }
}

TEST(Schedules, OrderOfDaysSpacesAndUtcMakeNoDifference) {
  EXPECT_EQ(schedule("  weekly  on sun,mon,mon at 02:30  in UTC "),
            schedule("weekly on mon,sun at 02:30"));
  EXPECT_NE(schedule("daily at 02:30 in Europe/Berlin"), schedule("daily at 02:30"));
}

struct BadRow {
  const char* text;
  const char* named;
};

TEST(Schedules, NonsenseIsRefusedByItsPart) {
  constexpr BadRow kRows[] = {
      {"", "''"},
      {"hourly", "'hourly'"},
      {"every", "''"},
      {"every 5s", "'5s'"},
      {"every 5m 6m", "'6m'"},
      {"every 1h at 02:30", "'at'"},
      {"daily", "'at' is missing"},
      {"daily 02:30", "'02:30'"},
      {"daily at", "''"},
      {"daily at 24:00", "'24:00'"},
      {"daily at 02:60", "'02:60'"},
      {"daily at 2:30", "'2:30'"},
      {"daily at 02.30", "'02.30'"},
      {"daily at 0a:30", "'0a:30'"},
      {"daily at 02:30 UTC", "'UTC'"},
      {"daily at 02:30 in", "''"},
      {"daily at 02:30 in Here now", "'Here'"},
      {"daily at 02:30 in UTC now", "'now'"},
      {"weekly at 02:30", "'on' is missing"},
      {"weekly on monday at 02:30", "'monday'"},
      {"weekly on mon, at 02:30", "''"},
      {"weekly on mon,,tue at 02:30", "''"},
      {"weekly on mon 02:30", "'at' is missing"},
  };
  for (const auto& row : kRows) {
    auto parsed = Schedule::parse(row.text);
    ASSERT_FALSE(parsed.has_value()) << row.text;
    EXPECT_THAT(parsed.error().message, ::testing::HasSubstr(row.named)) << row.text;
    EXPECT_FALSE(parsed.error().remedy.empty()) << row.text;
  }
  EXPECT_EQ(Schedule::parse("daily at 02:30 in Europe/Atlantis").error().code, Errc::not_found);
  EXPECT_EQ(Schedule::parse("never").error().code, Errc::invalid_argument);
}

TEST(Schedules, ADayHasOneOccurrenceWhenTheClockIsSetForward) {
  EXPECT_THAT(occurrences("daily at 02:30 in Europe/Berlin", sys_days(2026y / 3 / 28), 3),
              ::testing::ElementsAre(sys_days(2026y / 3 / 28) + 1h + 30min,
                                     sys_days(2026y / 3 / 29) + 1h,  // 03:00, as 02:30 is not
                                     sys_days(2026y / 3 / 30) + 30min));
  // half an hour, from 02:00
  EXPECT_THAT(occurrences("daily at 02:10 in Australia/Lord_Howe", sys_days(2026y / 10 / 3), 2),
              ::testing::ElementsAre(sys_days(2026y / 10 / 3) + 15h + 30min,
                                     sys_days(2026y / 10 / 4) + 15h + 10min));
}

TEST(Schedules, ADayHasOneOccurrenceWhenTheClockIsSetBack) {
  EXPECT_THAT(
      occurrences("daily at 02:30 in Europe/Berlin", sys_days(2026y / 10 / 24), 3),
      ::testing::ElementsAre(sys_days(2026y / 10 / 24) + 30min, sys_days(2026y / 10 / 25) + 30min,
                             sys_days(2026y / 10 / 26) + 1h + 30min));
  EXPECT_THAT(occurrences("daily at 01:30 in America/New_York", sys_days(2026y / 11 / 1), 2),
              ::testing::ElementsAre(sys_days(2026y / 11 / 1) + 5h + 30min,
                                     sys_days(2026y / 11 / 2) + 6h + 30min));
}

TEST(Schedules, AMidnightThatIsShownTwiceIsOne) {
  // St. John's, 2005: at 00:01 on 30 October it was 23:01 on the 29th again
  const auto made = schedule("daily at 00:00 in America/St_Johns");
  const auto midnight = sys_days(2005y / 10 / 30) + 2h + 30min;
  EXPECT_EQ(made.next_after(midnight - 1s), midnight);
  for (auto later : {1min, 30min, 60min, 90min}) {
    EXPECT_EQ(made.last_until(midnight + later), midnight);
    EXPECT_EQ(made.next_after(midnight + later), midnight + 25h);
  }
}

TEST(Schedules, ADateThatIsLeftOutFallsTogetherWithTheNext) {
  const auto midnight = sys_days(2011y / 12 / 30) + 10h;  // Apia, from the 29th to the 31st
  EXPECT_THAT(occurrences("daily at 00:00 in Pacific/Apia", midnight - 1s, 2),
              ::testing::ElementsAre(midnight, midnight + days(1)));
}

TEST(Schedules, LeapDaysAreDays) {
  EXPECT_THAT(
      occurrences("daily at 12:00", sys_days(2028y / 2 / 28) + 12h, 2),
      ::testing::ElementsAre(sys_days(2028y / 2 / 29) + 12h, sys_days(2028y / 3 / 1) + 12h));
  EXPECT_THAT(occurrences("weekly on tue at 00:00", sys_days(2028y / 2 / 23), 2),
              ::testing::ElementsAre(sys_days(2028y / 2 / 29), sys_days(2028y / 3 / 7)));
}

TEST(Schedules, WeekdaysAreThoseOfTheZone) {
  // Monday 05:00 in India is Sunday 23:30 in UTC
  EXPECT_THAT(occurrences("weekly on mon,thu at 05:00 in Asia/Kolkata", sys_days(2026y / 7 / 1), 2),
              ::testing::ElementsAre(sys_days(2026y / 7 / 1) + 23h + 30min,
                                     sys_days(2026y / 7 / 5) + 23h + 30min));
}

TEST(Schedules, TheLastOneUntilAnOccurrenceIsItself) {
  const auto made = schedule("daily at 12:00");
  const auto noon = sys_days(2026y / 7 / 1) + 12h;
  EXPECT_EQ(made.last_until(noon), noon);
  EXPECT_EQ(made.last_until(noon - 1s), noon - days(1));
  EXPECT_EQ(made.next_after(noon), noon + days(1));
  EXPECT_EQ(made.next_after(noon - 1s), noon);
}

/// All occurrences from `from` until `until`, by watching a clock minute by minute: that of a day
/// is the first minute at which the clock shows the day's time or a later one.
std::vector<sys_seconds> watched(const LocalClock& clock, unsigned weekdays, minutes time,
                                 sys_seconds from, sys_seconds until) {
  std::vector<sys_seconds> found;
  auto day = floor<days>(clock.at(from)) + days(1);
  for (auto now = from; now < until; now += 1min) {
    if (clock.at(now) < day + time) continue;
    if (weekdays >> std::chrono::weekday(day).c_encoding() & 1) found.push_back(now);
    day += days(1);
  }
  return found;
}

constexpr const char* kNames[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

std::string weekly(unsigned weekdays, minutes time, const char* zone) {
  std::string text = "weekly on ";
  for (unsigned i = 0; i < 7; ++i)
    if (weekdays >> i & 1) text += std::string(text.back() == ' ' ? "" : ",") + kNames[i];
  char clock[16];
  std::snprintf(clock, sizeof clock, " at %02d:%02d", static_cast<int>(time.count() / 60),
                static_cast<int>(time.count() % 60));
  return text + clock + " in " + zone;
}

/// A day of that year about which the clock changes, or any.
sys_days turning_point(const LocalClock& clock, int year, std::mt19937& random) {
  const auto first = sys_days(std::chrono::year(year) / 1 / 1) + days(random() % 300);
  for (auto day = first; day < first + days(365); day += days(1))
    if (clock.at(day + days(1)) - clock.at(day) != days(1)) return day;
  return first;
}

void compare_with_watching(const char* zone, std::uint32_t seed) {
  std::mt19937 random(seed);
  const LocalClock clock(zone);
  const auto middle = turning_point(clock, 1980 + static_cast<int>(random() % 100), random);
  const auto from = middle - days(12), until = middle + days(12);
  const minutes time(random() % 2 ? random() % 1440 : random() % 240);
  const unsigned weekdays = random() % 3 == 0 ? 0x7f : 1 + random() % 0x7f;
  const auto text = weekly(weekdays, time, zone);
  const auto made = schedule(text);
  const auto all = watched(clock, weekdays, time, from, until);
  for (int i = 0; i < 200; ++i) {
    const auto at = from + days(2) + std::chrono::seconds(random() % (20 * 86400));
    const auto next = std::ranges::upper_bound(all, at);
    const auto where = text + " at " + std::to_string(at.time_since_epoch().count());
    if (next != all.end()) {
      ASSERT_EQ(made.next_after(at), *next) << where;
    }
    if (next != all.begin()) {
      ASSERT_EQ(made.last_until(at), *std::prev(next)) << where;
    }
  }
}

TEST(Schedules, OccurWhenSomebodyWhoWatchesTheClockSeesTheTime) {
  for (const auto* zone : kZones)
    for (std::uint32_t seed = 1; seed <= 15; ++seed) {
      SCOPED_TRACE(std::string(zone) + ", seed " + std::to_string(seed));
      ASSERT_NO_FATAL_FAILURE(compare_with_watching(zone, seed));
    }
}

}  // namespace
}  // namespace caisson::snapshot
