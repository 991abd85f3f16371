// SPDX-License-Identifier: Apache-2.0
#include "gateway/cli/duration.hpp"

#include <gtest/gtest.h>

namespace caisson::cli {
namespace {

TEST(CliDuration, ReadsUnitsFromLargeToSmall) {
  const std::pair<const char*, std::uint64_t> good[] = {{"90s", 90},
                                                        {"30m", 1800},
                                                        {"12h", 43200},
                                                        {"7d", 604800},
                                                        {"2w", 1209600},
                                                        {"1d12h", 129600},
                                                        {"1w1d1h1m1s", 694861},
                                                        {"0d1s", 1},
                                                        {"3162240000s", 3162240000}};
  for (const auto& [text, seconds] : good) {
    auto read = parse_duration(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(*read, seconds) << text;
  }
}

TEST(CliDuration, RefusesWhatIsNone) {
  for (const char* text :
       {"", "7", "d", "7 d", "7x", "-1d", "+1d", "1h1d", "1d1d", "0s", "1.5h", "7d ", "3162240001s",
        "5229w", "99999999999999999999d", "18446744073709551615s"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(CliDuration, ShowsTheTwoLargestUnits) {
  EXPECT_EQ(format_duration(0), "0s");
  EXPECT_EQ(format_duration(59), "59s");
  EXPECT_EQ(format_duration(3600), "1h");
  EXPECT_EQ(format_duration(3661), "1h 1m");
  EXPECT_EQ(format_duration(86'400 + 59), "1d");
  EXPECT_EQ(format_duration(7 * 86'400 - 1), "6d 23h");
  EXPECT_EQ(format_duration(30 * 86'400), "30d");
}

}  // namespace
}  // namespace caisson::cli
