// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/text.hpp"

#include <gtest/gtest.h>

namespace caisson::iscsi {
namespace {

using namespace std::string_literals;

TEST(Text, PairsAreFound) {
  auto text = "A=1\0\0B.c=x=y\0C=\0"s;
  auto pairs = parse_text(text);
  ASSERT_TRUE(pairs);
  ASSERT_EQ(pairs->size(), 3u);
  EXPECT_EQ((*pairs)[1].key, "B.c");
  EXPECT_EQ((*pairs)[1].value, "x=y");
  EXPECT_EQ((*pairs)[2].value, "");
}

TEST(Text, MalformedTextIsRefused) {
  for (const auto& text : {"A=1"s, "A\0"s, "=1\0"s, "A b=1\0"s, std::string(64, 'k') + "=1\0"s,
                           "A="s + std::string(kMaxLongValue + 1, 'v') + "\0"s})
    EXPECT_FALSE(parse_text(text)) << text.substr(0, 10);
  std::string flood;
  for (std::size_t i = 0; i <= kMaxKeys; ++i) append_text(flood, "K", "v");
  EXPECT_FALSE(parse_text(flood));
}

TEST(Text, Numbers) {
  EXPECT_EQ(parse_number("262144"), 262144u);
  EXPECT_EQ(parse_number("0x10"), 16u);
  EXPECT_EQ(parse_number("0XfF"), 255u);
  for (auto bad : {"", "0x", "12a", "-1", " 1", "99999999999999999999"})
    EXPECT_FALSE(parse_number(bad)) << bad;
}

TEST(Text, BinaryValues) {
  auto hex = parse_binary("0x0aFf", 8);
  ASSERT_TRUE(hex);
  EXPECT_EQ(*hex, (std::vector{std::byte{0x0a}, std::byte{0xff}}));
  EXPECT_EQ(parse_binary("0xaff", 8), parse_binary("0x0aff", 8));
  auto base64 = parse_binary("0bCv8=", 8);
  ASSERT_TRUE(base64);
  EXPECT_EQ(*base64, *hex);
  EXPECT_EQ(format_binary(*hex), "0x0aff");
  for (auto bad : {"", "0x", "0xzz", "0b", "0bCv8", "0b!!!!", "0aff", "0x0a ff"})
    EXPECT_FALSE(parse_binary(bad, 8)) << bad;
  EXPECT_FALSE(parse_binary("0x010203", 2));
  EXPECT_FALSE(parse_binary("0bAAAAAAAA", 5));
}

TEST(Text, Lists) {
  EXPECT_EQ(split_list("a,b,,c"), (std::vector<std::string_view>{"a", "b", "", "c"}));
  EXPECT_EQ(split_list("").size(), 1u);
}

}  // namespace
}  // namespace caisson::iscsi
