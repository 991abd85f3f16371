// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/address.hpp"

#include <gmock/gmock.h>

#include "storage_object/base/errc.hpp"

namespace caisson {
namespace {

struct Spelling {
  const char* text;
  Address address;
  const char* back;
};

TEST(AddressTest, SpellingsAreRead) {
  const Spelling spellings[] = {
      {"127.0.0.1:3260", {"127.0.0.1", 3260}, "127.0.0.1:3260"},
      {"0.0.0.0:0", {"0.0.0.0", 0}, "0.0.0.0:0"},
      {"255.255.255.255:65535", {"255.255.255.255", 65535}, "255.255.255.255:65535"},
      {"[::1]:3260", {"::1", 3260}, "[::1]:3260"},
      {"[::]:0", {"::", 0}, "[::]:0"},
      {"[2001:DB8:0:0::0001]:1", {"2001:db8::1", 1}, "[2001:db8::1]:1"},
      {"[::ffff:192.0.2.1]:1", {"::ffff:192.0.2.1", 1}, "[::ffff:192.0.2.1]:1"},
  };
  for (const auto& [text, address, back] : spellings) {
    auto parsed = parse_address(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, address) << text;
    EXPECT_EQ(parsed->to_string(), back);
  }
}

TEST(AddressTest, EverythingElseIsRefusedByName) {
  const std::string wrong[] = {"",
                               ":",
                               ":3260",
                               "127.0.0.1",
                               "127.0.0.1:",
                               "127.0.0.1:65536",
                               "127.0.0.1:-1",
                               "127.0.0.1:+1",
                               "127.0.0.1: 1",
                               "127.0.0.1:1x",
                               "127.0.0.1:0x10",
                               "127.1:3260",
                               "256.0.0.1:3260",
                               "localhost:3260",
                               "::1:3260",
                               "[::1]",
                               "[::1]3260",
                               "[::1:3260",
                               "[127.0.0.1]:3260",
                               "[]:3260",
                               "[::1]]:3260",
                               "[fe80::1%lo]:3260",
                               std::string("127.0.0.1\0:3260", 15)};
  for (const auto& text : wrong) {
    auto parsed = parse_address(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Errc::invalid_argument);
    EXPECT_THAT(parsed.error().message, ::testing::HasSubstr(text));
    EXPECT_FALSE(parsed.error().remedy.empty());
  }
}

}  // namespace
}  // namespace caisson
