// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/pdu.hpp"

#include <gtest/gtest.h>

namespace caisson::iscsi {
namespace {

TEST(Pdu, CommandHeaderLiesAsTheRfcDrawsIt) {
  ScsiCommandBhs header = make_header<ScsiCommandBhs>(Opcode::scsi_command, kFinalBit | kReadBit);
  header.lun = 0x0001000000000000;
  header.initiator_task_tag = 0x11223344;
  header.expected_length = 512;
  header.cmd_sn = 5;
  header.data_segment_length = 0x010203;
  header.cdb[0] = std::byte{0x88};
  auto bytes = bytes_of(header);
  EXPECT_EQ(bytes[0], std::byte{0x01});
  EXPECT_EQ(bytes[1], std::byte{0xc0});
  EXPECT_EQ(bytes[5], std::byte{1});
  EXPECT_EQ(bytes[7], std::byte{3});
  EXPECT_EQ(bytes[9], std::byte{1});
  EXPECT_EQ(bytes[16], std::byte{0x11});
  EXPECT_EQ(bytes[22], std::byte{2});
  EXPECT_EQ(bytes[27], std::byte{5});
  EXPECT_EQ(bytes[32], std::byte{0x88});
}

TEST(Pdu, EveryOpcodeHasAName) {
  for (unsigned code : {0, 1, 2, 3, 4, 5, 6, 16, 32, 33, 34, 35, 36, 37, 38, 49, 50, 63})
    EXPECT_NE(opcode_name(static_cast<std::uint8_t>(code)), "unknown") << code;
  EXPECT_EQ(opcode_name(0x1c), "unknown");
  EXPECT_EQ(find_opcode(static_cast<std::uint8_t>(Opcode::nop_in)), nullptr);
}

TEST(Pdu, SerialNumbersWrap) {
  EXPECT_TRUE(serial_less(0xffffffff, 0));
  EXPECT_FALSE(serial_less(0, 0xffffffff));
  EXPECT_FALSE(serial_less(7, 7));
}

}  // namespace
}  // namespace caisson::iscsi
