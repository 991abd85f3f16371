// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/lun_address.hpp"

#include <gtest/gtest.h>

namespace caisson::scsi {
namespace {

TEST(LunAddress, ShortestMethodThatHoldsTheNumber) {
  EXPECT_EQ(lun_address(0), 0u);
  EXPECT_EQ(lun_address(1), 0x0001000000000000u);
  EXPECT_EQ(lun_address(255), 0x00ff000000000000u);
  EXPECT_EQ(lun_address(256), 0x4100000000000000u);
  EXPECT_EQ(lun_address(16383), 0x7fff000000000000u);
  EXPECT_EQ(lun_address(16384), 0xd200400000000000u);
  EXPECT_EQ(lun_address(kMaxLunNumber), 0xd2ffffff00000000u);
}

TEST(LunAddress, ComesBack) {
  for (std::uint64_t number : {0u, 1u, 255u, 256u, 1000u, 16383u, 16384u, 0xffffffu})
    EXPECT_EQ(lun_number(lun_address(number)), number);
}

TEST(LunAddress, FlatSpaceMayNameSmallNumbersToo) {
  EXPECT_EQ(lun_number(0x4000000000000000), 0u);
  EXPECT_EQ(lun_number(0x4005000000000000), 5u);
}

TEST(LunAddress, WhatDoesNotExistHere) {
  EXPECT_FALSE(lun_number(0x0100000000000000)) << "another bus";
  EXPECT_FALSE(lun_number(0x8001000000000000)) << "logical unit addressing";
  EXPECT_FALSE(lun_number(0xc101000000000000)) << "REPORT LUNS well known logical unit";
  EXPECT_FALSE(lun_number(0x0000000100000000)) << "second level";
  EXPECT_FALSE(lun_number(0x0001000000000001)) << "fourth level";
  EXPECT_FALSE(lun_number(0xd200000000000001)) << "level behind an extended address";
  EXPECT_FALSE(lun_number(0xffffffffffffffff));
}

}  // namespace
}  // namespace caisson::scsi
