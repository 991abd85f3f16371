// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

using block::IoOp;

constexpr auto kAborted = Sense{SenseKey::medium_error, 0x11, 0x00};

class VerifyTest : public ScsiTest {
 protected:
  VerifyTest() {
    for (std::size_t i = 0; i < object_->bytes().size(); ++i)
      object_->bytes()[i] = static_cast<std::byte>(i / kBlock);
    object_->setup().features.unmap = true;
  }
  static Bytes cdb(int opcode, int check, std::uint32_t lba, std::uint32_t blocks) {
    auto bytes = hex("00 00 00000000 00000000 00 00");
    bytes[0] = static_cast<std::byte>(opcode);
    bytes[1] = static_cast<std::byte>(check << 1);
    store(std::span(bytes).subspan(2), be32(lba));
    store(std::span(bytes).subspan(6), be32(blocks));
    return bytes;
  }
  static Bytes verify(int check, std::uint32_t lba, std::uint32_t blocks) {
    return cdb(0xaf, check, lba, blocks);
  }
  Bytes stored(std::uint64_t lba, std::uint64_t blocks) const {
    auto range = std::span(object_->bytes()).subspan(lba * kBlock, blocks * kBlock);
    return {range.begin(), range.end()};
  }
};

TEST_F(VerifyTest, WithoutDataTheBlocksAreRead) {
  auto x = run(verify(0, 4, 8));
  EXPECT_TRUE(x.good());
  EXPECT_EQ(x.plan.direction, Direction::none);
  ASSERT_EQ(object_->seen().size(), 1u);
  EXPECT_EQ(object_->seen()[0].op, IoOp::read);
  EXPECT_EQ(object_->seen()[0].offset, 4 * kBlock);
  EXPECT_EQ(object_->seen()[0].length, 8 * kBlock);
}

TEST_F(VerifyTest, LongRangesGoInSteps) {
  EXPECT_TRUE(run(verify(0, 0, 0x8000)).good());
  std::uint64_t next = 0;
  for (const auto& seen : object_->seen()) {
    EXPECT_EQ(seen.offset, next);
    next += seen.length;
  }
  EXPECT_EQ(next, object_->geometry().capacity);
  EXPECT_GT(object_->seen().size(), 1u);
}

TEST_F(VerifyTest, ComparesEveryBlock) {
  for (std::uint32_t blocks : {1u, 8u, 5000u}) {
    auto data = stored(3, blocks);
    auto x = run(verify(1, 3, blocks), data);
    EXPECT_TRUE(x.good());
    EXPECT_EQ(x.plan.length, blocks * kBlock);
    data.back() ^= std::byte{1};
    expect_sense(run(verify(1, 3, blocks), data), kMiscompare);
    data.back() ^= std::byte{1};
    data.front() ^= std::byte{1};
    expect_sense(run(verify(1, 3, blocks), data), kMiscompare);
  }
}

TEST_F(VerifyTest, ComparesOneBlockWithAll) {
  std::fill_n(object_->bytes().begin(), 4000 * kBlock, std::byte{'v'});
  auto x = run(verify(3, 0, 4000), filled(kBlock, 'v'));
  EXPECT_TRUE(x.good());
  EXPECT_EQ(x.plan.length, kBlock);
  object_->bytes()[3999 * kBlock + 7] = std::byte{'w'};
  expect_sense(run(verify(3, 0, 4000), filled(kBlock, 'v')), kMiscompare);
}

TEST_F(VerifyTest, ZeroBlocks) {
  for (int check : {0, 1, 3}) {
    auto x = run(verify(check, 0, 0));
    EXPECT_TRUE(x.good());
    EXPECT_EQ(x.plan.length, 0u);
  }
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(VerifyTest, ReservedByteCheck) {
  expect_field(run(verify(2, 0, 1)), 1, 2);
  expect_field(run(cdb(0xae, 2, 0, 1)), 1, 2);
  expect_field(run(cdb(0xae, 3, 0, 1)), 1, 2);
}

TEST_F(VerifyTest, OtherLengthsOfTheCdb) {
  auto data = stored(2, 2);
  EXPECT_TRUE(run("2F 02 00000002 00 0002 00", data).good());
  EXPECT_TRUE(run("8F 02 0000000000000002 00000002 00 00", data).good());
  data[0] ^= std::byte{1};
  expect_sense(run("2F 12 00000002 00 0002 00", data), kMiscompare);
  expect_sense(run("8F 02 0000000000000002 00000002 00 00", data), kMiscompare);
}

TEST_F(VerifyTest, DataOutMustBeWhole) {
  expect_sense(run(verify(1, 0, 2), stored(0, 1)), kInvalidInformationUnit);
}

TEST_F(VerifyTest, ComparedTransfersAreLimitedReadOnesAreNot) {
  expect_field(run(verify(1, 0, 0x4001)), 6, 7);
  EXPECT_TRUE(run(verify(0, 0, 0x4001)).good());
}

TEST_F(VerifyTest, MediumErrorComesThrough) {
  object_->fail(IoOp::read, block::BlockErrc::medium_error);
  expect_sense(run(verify(0, 0, 1)), kAborted);
}

TEST_F(VerifyTest, WriteAndVerifyWritesToTheMediumAndReadsBack) {
  for (int check : {0, 1}) {
    object_->forget_seen();
    auto data = filled(4 * kBlock, static_cast<char>('0' + check));
    auto x = run(cdb(0xae, check, 6, 4), data);
    EXPECT_TRUE(x.good());
    ASSERT_EQ(object_->seen().size(), 2u);
    EXPECT_EQ(object_->seen()[0].op, IoOp::write);
    EXPECT_TRUE(object_->seen()[0].fua);
    EXPECT_EQ(object_->seen()[1].op, IoOp::read);
    EXPECT_EQ(stored(6, 4), data);
  }
}

TEST_F(VerifyTest, WriteAndVerifyWithResiduals) {
  auto before = stored(1, 1);
  EXPECT_TRUE(run(cdb(0xae, 1, 0, 2), filled(kBlock, 'r')).good());
  EXPECT_EQ(stored(0, 1), filled(kBlock, 'r'));
  EXPECT_EQ(stored(1, 1), before);
  expect_sense(run(cdb(0xae, 1, 0, 2), filled(200, 'r')), kInvalidInformationUnit);
}

}  // namespace
}  // namespace caisson::scsi
