// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/names.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "storage_object/base/errc.hpp"

namespace caisson {
namespace {

TEST(Names, FollowTheRule) {
  for (const auto* good : {"a", "0", "db-01", "a.b-c", "9.", "a--"}) EXPECT_TRUE(valid_name(good));
  EXPECT_TRUE(valid_name(std::string(64, 'a')));
  for (const auto* bad :
       {"", ".a", "-a", "A", "a_b", "a/b", "a..b", "..", "a b", "\xc3\xa9", "a\n"})
    EXPECT_FALSE(valid_name(bad)) << bad;
  EXPECT_FALSE(valid_name(std::string(65, 'a')));
  EXPECT_FALSE(valid_name(std::string_view("a\0b", 3)));
}

TEST(Names, AFailureNamesTheNounTheNameAndTheRule) {
  EXPECT_EQ(checked_name("LUN", "db").value(), "db");
  auto failed = checked_name("LUN", "Bad");
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, Errc::invalid_argument);
  EXPECT_THAT(failed.error().message, ::testing::HasSubstr("'Bad' is not a LUN name"));
  EXPECT_FALSE(failed.error().remedy.empty());
}

struct SizeRow {
  const char* text;
  std::uint64_t bytes;
};

TEST(Sizes, AreReadInAllForms) {
  constexpr SizeRow kRows[] = {
      {"0", 0},
      {"512", 512},
      {"512B", 512},
      {"4K", 4096},
      {"4k", 4096},
      {"4KiB", 4096},
      {"4KB", 4096},
      {"10G", 10ULL << 30},
      {"1.5T", 3ULL << 39},
      {"0.5K", 512},
      {"1P", 1ULL << 50},
      {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
  };
  for (const auto& row : kRows) {
    auto size = parse_size(row.text);
    ASSERT_TRUE(size.has_value()) << row.text;
    EXPECT_EQ(*size, row.bytes) << row.text;
  }
}

TEST(Sizes, NonsenseIsRefusedWithARemedy) {
  for (const auto* bad :
       {"", "G", "-1", "+1", "1X", "1Gb", "1 G", "1.3", "0.1K", "nan", "inf", "1e3", "0x10",
        "9223372036854775808", "8192P", "99999999999999999999999T", "1GG", " 1"}) {
    auto size = parse_size(bad);
    ASSERT_FALSE(size.has_value()) << bad;
    EXPECT_EQ(size.error().code, Errc::invalid_argument);
    EXPECT_FALSE(size.error().remedy.empty());
  }
}

TEST(Sizes, AreWrittenShort) {
  constexpr SizeRow kRows[] = {
      {"0", 0},           {"512", 512},         {"1K", 1024},
      {"1.5K", 1536},     {"10G", 10ULL << 30}, {"1.5T", 3ULL << 39},
      {"1P", 1ULL << 50},
  };
  for (const auto& row : kRows) EXPECT_EQ(format_size(row.bytes), row.text);
}

TEST(Sizes, WholeUnitsComeBackAsTheyWere) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 1000; ++i) {
    auto bytes = (1 + random() % 1023) << (10 * (random() % 5));
    EXPECT_EQ(parse_size(format_size(bytes)).value(), bytes);
  }
}

}  // namespace
}  // namespace caisson
