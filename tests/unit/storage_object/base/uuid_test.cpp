// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/uuid.hpp"

#include <gtest/gtest.h>

#include <set>

namespace caisson {
namespace {

constexpr auto kText = "01234567-89ab-4def-8123-456789abcdef";

TEST(Uuid, ReadsAndWritesTheCommonForm) {
  auto uuid = Uuid::parse(kText);
  ASSERT_TRUE(uuid.has_value());
  EXPECT_EQ(uuid->bytes[0], std::byte{0x01});
  EXPECT_EQ(uuid->bytes[15], std::byte{0xef});
  EXPECT_EQ(uuid->to_string(), kText);
  EXPECT_EQ(Uuid::parse("01234567-89AB-4DEF-8123-456789ABCDEF"), uuid);
}

TEST(Uuid, RefusesEverythingElse) {
  for (const auto* bad :
       {"", "0123456789ab4def8123456789abcdef", "01234567-89ab-4def-8123-456789abcde",
        "01234567-89ab-4def-8123-456789abcdefa", "g1234567-89ab-4def-8123-456789abcdef",
        "012345678-9ab-4def-8123-456789abcdef", "{1234567-89ab-4def-8123-456789abcde}"})
    EXPECT_FALSE(Uuid::parse(bad).has_value()) << bad;
}

TEST(Uuid, RandomOnesDifferAndSayWhatTheyAre) {
  std::set<Uuid> seen;
  for (int i = 0; i < 1000; ++i) {
    auto uuid = Uuid::random();
    EXPECT_EQ(uuid.to_string()[14], '4') << "version";
    EXPECT_EQ(uuid.bytes[8] & std::byte{0xc0}, std::byte{0x80}) << "variant";
    EXPECT_EQ(Uuid::parse(uuid.to_string()), uuid);
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 1000U);
}

TEST(Uuid, NilIsAllZeros) {
  EXPECT_TRUE(Uuid{}.nil());
  EXPECT_EQ(Uuid{}.to_string(), "00000000-0000-0000-0000-000000000000");
  EXPECT_FALSE(Uuid::parse(kText)->nil());
}

}  // namespace
}  // namespace caisson
