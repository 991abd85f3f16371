// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

class CapacityTest : public ScsiTest {
 protected:
  void map(std::uint64_t lba, std::uint16_t blocks) {
    auto cdb = hex("2A 00 00000000 00 0000 00");
    store(std::span(cdb).subspan(2), be32(static_cast<std::uint32_t>(lba)));
    store(std::span(cdb).subspan(7), be16(blocks));
    ASSERT_TRUE(run(cdb, filled(blocks * kBlock, 'm')).good());
  }
};

TEST_F(CapacityTest, TenBytes) {
  EXPECT_EQ(run("25 00 00000000 0000 00 00").data(), hex("00007FFF 00000200"));
}

TEST_F(CapacityTest, TenBytesSaturate) {
  object_->setup().geometry.capacity = (std::uint64_t{1} << 32) * 512;
  EXPECT_EQ(run("25 00 00000000 0000 00 00").data(), hex("FFFFFFFF 00000200"));
}

TEST_F(CapacityTest, SixteenBytes) {
  EXPECT_EQ(run("9E 10 0000000000000000 00000020 00 00").data(),
            hex("0000000000007FFF 00000200 00 03 C000 00000000000000000000000000000000"));
}

TEST_F(CapacityTest, SixteenBytesOfAFullyProvisionedDisk) {
  tests::MemoryObject::Setup setup;
  setup.geometry.physical_block = 512;
  setup.features.unmap = false;
  attach(setup);
  EXPECT_EQ(run("9E 10 0000000000000000 0000000F 00 00").data(),
            hex("0000000000007FFF 00000200 00 00 00"));
}

TEST_F(CapacityTest, DefectListsAreEmpty) {
  EXPECT_EQ(run("37 00 1D 00000000 0020 00").data(), hex("00 1D 0000"));
  EXPECT_EQ(run("37 00 08 00000000 0002 00").data(), hex("00 08"));
  EXPECT_EQ(run("B7 18 00000000 00000020 00 00").data(), hex("00 18 0000 00000000"));
}

TEST_F(CapacityTest, StatusOfAnEmptyDiskIsOneDeallocatedRun) {
  EXPECT_EQ(run("9E 12 0000000000000000 00000018 00 00").data(),
            hex("00000014 00000000  0000000000000000 00008000 01 000000"));
}

TEST_F(CapacityTest, StatusStartsAtTheNamedBlock) {
  map(8, 8);
  EXPECT_EQ(run("9E 12 0000000000000009 00000018 00 00").data(),
            hex("00000014 00000000  0000000000000009 00000007 00 000000"));
  EXPECT_EQ(run("9E 12 0000000000000010 00000018 00 00").data(),
            hex("00000014 00000000  0000000000000010 00007FF0 01 000000"));
}

TEST_F(CapacityTest, StatusListsRunsAsFarAsTheyFit) {
  map(8, 8);
  map(32, 16);
  EXPECT_EQ(run("9E 12 0000000000000000 00000100 00 00").data(),
            hex("00000054 00000000"
                "0000000000000000 00000008 01 000000"
                "0000000000000008 00000008 00 000000"
                "0000000000000010 00000010 01 000000"
                "0000000000000020 00000010 00 000000"
                "0000000000000030 00007FD0 01 000000"));
  EXPECT_EQ(run("9E 12 0000000000000000 00000028 00 00").data(),
            hex("00000024 00000000"
                "0000000000000000 00000008 01 000000"
                "0000000000000008 00000008 00 000000"));
}

TEST_F(CapacityTest, StatusCutsInsideADescriptor) {
  EXPECT_EQ(run("9E 12 0000000000000000 0000000C 00 00").data(), hex("00000014 00000000 00000000"));
  EXPECT_EQ(run("9E 12 0000000000000000 00000000 00 00").data(), Bytes{});
}

TEST_F(CapacityTest, StatusOfPartlyAllocatedBlocksIsMapped) {
  tests::MemoryObject::Setup setup;
  setup.geometry.logical_block = 4096;
  setup.features.unmap_granularity = 512;
  attach(setup);
  // Half of block 1, as a file with 512-byte extents would tell it.
  block::IoRequest write;
  auto bytes = filled(4096, 'm');
  IoVec vector{bytes.data(), bytes.size()};
  write.op = block::IoOp::write;
  write.offset = 4096;
  write.length = 4096;
  write.buffers = std::span(&vector, 1);
  object_->setup().geometry.logical_block = 512;
  write.length = vector.iov_len = 2048;
  EXPECT_FALSE(block::perform(*object_, write));
  object_->setup().geometry.logical_block = 4096;
  EXPECT_EQ(run("9E 12 0000000000000000 00000100 00 00").data(),
            hex("00000034 00000000"
                "0000000000000000 00000001 01 000000"
                "0000000000000001 00000001 00 000000"
                "0000000000000002 00000FFE 01 000000"));
}

TEST_F(CapacityTest, StatusWithoutUnmapIsAllMapped) {
  tests::MemoryObject::Setup setup;
  setup.features.unmap = false;
  attach(setup);
  EXPECT_EQ(run("9E 12 0000000000000001 00000018 00 00").data(),
            hex("00000014 00000000  0000000000000001 00007FFF 00 000000"));
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(CapacityTest, StatusBeyondTheEnd) {
  for (auto cdb : {"9E 12 0000000000008000 00000018 00 00", "9E 12 8000000000000000 00000018 00 00",
                   "9E 12 FFFFFFFFFFFFFFFF 00000018 00 00"})
    expect_sense(run(cdb), kLbaOutOfRange);
}

}  // namespace
}  // namespace caisson::scsi
