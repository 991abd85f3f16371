// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/crc32c.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

namespace caisson {
namespace {

// RFC 3720 B.4 lists each CRC as the bytes on the wire, least significant first.
std::uint32_t wire(std::uint32_t listed) { return __builtin_bswap32(listed); }

std::array<std::byte, 32> filled(std::byte value) {
  std::array<std::byte, 32> bytes;
  bytes.fill(value);
  return bytes;
}

TEST(Crc32c, VectorsOfRfc3720) {
  EXPECT_EQ(crc32c(filled(std::byte{0})), wire(0xaa36918a));
  EXPECT_EQ(crc32c(filled(std::byte{0xff})), wire(0x43aba862));
  std::array<std::byte, 32> counting;
  for (std::size_t i = 0; i < 32; ++i) counting[i] = static_cast<std::byte>(i);
  EXPECT_EQ(crc32c(counting), wire(0x4e79dd46));
  std::ranges::reverse(counting);
  EXPECT_EQ(crc32c(counting), wire(0x5cdb3f11));
}

TEST(Crc32c, ScsiReadCommandOfRfc3720) {
  constexpr unsigned char kPdu[48] = {
      0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
      0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
  };
  EXPECT_EQ(crc32c(std::as_bytes(std::span(kPdu))), wire(0x563a96d9));
}

TEST(Crc32c, ContinuesOverPieces) {
  std::vector<std::byte> bytes(10'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7);
  auto whole = crc32c(bytes);
  for (std::size_t cut : {0, 1, 7, 4096, 9999, 10'000}) {
    auto all = std::span<const std::byte>(bytes);
    EXPECT_EQ(crc32c(all.subspan(cut), crc32c(all.first(cut))), whole);
  }
  EXPECT_EQ(crc32c({}), 0U);
}

}  // namespace
}  // namespace caisson
