// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/byte_order.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace caisson {
namespace {

using ::testing::ElementsAre;

template <class T>
std::vector<int> raw(T value) {
  std::vector<int> all;
  for (auto b : bytes_of(value)) all.push_back(std::to_integer<int>(b));
  return all;
}

TEST(ByteOrder, BigEndianPutsTheMostSignificantByteFirst) {
  EXPECT_THAT(raw(be16(0x0102)), ElementsAre(1, 2));
  EXPECT_THAT(raw(be24(0x010203)), ElementsAre(1, 2, 3));
  EXPECT_THAT(raw(be32(0x01020304)), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(raw(be48(0x010203040506)), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(raw(be64(0x0102030405060708)), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST(ByteOrder, LittleEndianPutsItLast) {
  EXPECT_THAT(raw(le16(0x0102)), ElementsAre(2, 1));
  EXPECT_THAT(raw(le32(0x01020304)), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(raw(le64(0x0102030405060708)), ElementsAre(8, 7, 6, 5, 4, 3, 2, 1));
}

TEST(ByteOrder, ValuesComeBack) {
  for (std::uint64_t value : {0ULL, 1ULL, 0x80ULL, 0xffULL, 0x8000000000000000ULL, ~0ULL}) {
    EXPECT_EQ(be64(value), value);
    EXPECT_EQ(le64(value), value);
    EXPECT_EQ(be48(value), value & 0xffffffffffff);
    EXPECT_EQ(be24(static_cast<std::uint32_t>(value)), value & 0xffffff);
  }
}

struct Layout {
  std::byte first;
  be32 second;
  be24 third;
};
static_assert(sizeof(Layout) == 8 && alignof(Layout) == 1);

TEST(ByteOrder, LayoutsAreCopiedInAndOut) {
  std::array<std::byte, 8> memory{};
  store(memory, Layout{.first = std::byte{9}, .second = 0x01020304, .third = 5});
  EXPECT_EQ(memory[1], std::byte{1});
  EXPECT_EQ(memory[7], std::byte{5});
  auto layout = load<Layout>(memory);
  EXPECT_EQ(layout.first, std::byte{9});
  EXPECT_EQ(layout.second, 0x01020304U);
  EXPECT_EQ(layout.third, 5U);
}

}  // namespace
}  // namespace caisson
