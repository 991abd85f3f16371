// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/period.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

using std::chrono::seconds;

struct PeriodRow {
  const char* text;
  std::int64_t length;
};

TEST(Periods, AreReadAndWrittenAlike) {
  constexpr PeriodRow kRows[] = {{"1m", 60},         {"90m", 5400},   {"4h", 14400},
                                 {"1d", 86400},      {"2w", 1209600}, {"3653d", 315619200},
                                 {"521w", 315100800}};
  for (const auto& row : kRows) {
    auto period = parse_period(row.text);
    ASSERT_TRUE(period.has_value()) << row.text;
    EXPECT_EQ(period->length(), seconds(row.length)) << row.text;
    EXPECT_EQ(period->to_string(), row.text);
  }
}

TEST(Periods, NonsenseIsRefusedAndNamed) {
  for (const auto* bad : {"", "m", "1", "1s", "1M", "-1h", "+1h", "0h", " 1h", "1h ", "1 h", "1hh",
                          "1.5h", "3654d", "522w", "4294967296m", "99999999999999999999h"}) {
    auto period = parse_period(bad);
    ASSERT_FALSE(period.has_value()) << bad;
    EXPECT_EQ(period.error().code, Errc::invalid_argument) << bad;
    EXPECT_THAT(period.error().message, ::testing::HasSubstr("'" + std::string(bad) + "'"));
    EXPECT_FALSE(period.error().remedy.empty()) << bad;
  }
  EXPECT_FALSE(parse_period(std::string_view("1h\0", 3)).has_value());
}

TEST(Durations, ShowTheirTwoLargestUnits) {
  constexpr PeriodRow kRows[] = {{"0s", 0},      {"0s", -5},         {"59s", 59},
                                 {"1m", 60},     {"1m 1s", 61},      {"59m 59s", 3599},
                                 {"1h", 3600},   {"1h", 3659},       {"6d 23h", 604799},
                                 {"7d", 604800}, {"30d 1h", 2595600}};
  for (const auto& row : kRows) EXPECT_EQ(format_duration(seconds(row.length)), row.text);
}

}  // namespace
}  // namespace caisson::snapshot
