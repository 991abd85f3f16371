// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

using block::IoOp;

struct Forms {
  const char* name;
  std::string_view read, write;  // 2 blocks at LBA 9
  bool flags;                    // has FUA and DPO
};

constexpr Forms kForms[] = {
    {"six", "08 000009 02 00", "0A 000009 02 00", false},
    {"ten", "28 00 00000009 00 0002 00", "2A 00 00000009 00 0002 00", true},
    {"twelve", "A8 00 00000009 00000002 00 00", "AA 00 00000009 00000002 00 00", true},
    {"sixteen", "88 00 0000000000000009 00000002 00 00", "8A 00 0000000000000009 00000002 00 00",
     true},
};

class TransferForms : public ScsiTest, public ::testing::WithParamInterface<Forms> {};

TEST_P(TransferForms, WritesAndReadsTheNamedBlocks) {
  auto pattern = filled(kBlock, 'a');
  pattern.resize(2 * kBlock, std::byte{'b'});
  auto x = run(GetParam().write, pattern);
  EXPECT_TRUE(x.good());
  EXPECT_EQ(x.plan.direction, Direction::out);
  EXPECT_EQ(x.plan.length, 2 * kBlock);
  EXPECT_TRUE(std::equal(pattern.begin(), pattern.end(), object_->bytes().begin() + 9 * kBlock));
  EXPECT_EQ(object_->bytes()[8 * kBlock], std::byte{0});
  EXPECT_EQ(object_->bytes()[11 * kBlock], std::byte{0});

  x = run(GetParam().read);
  EXPECT_TRUE(x.good());
  EXPECT_EQ(x.plan.direction, Direction::in);
  EXPECT_EQ(x.plan.length, 2 * kBlock);
  EXPECT_EQ(x.data(), pattern);
}

TEST_P(TransferForms, SaysWhoAsks) {
  run(GetParam().read);
  const auto& seen = object_->seen().back();
  EXPECT_EQ(seen.context.host, 7u);
  EXPECT_EQ(seen.context.nexus, 1u);
  EXPECT_FALSE(seen.context.read_only);
  EXPECT_FALSE(seen.fua);
}

TEST_P(TransferForms, ForceUnitAccessGoesDown) {
  auto cdb = hex(GetParam().write);
  if (!GetParam().flags) cdb[0] = std::byte{0x2a}, cdb = hex("2A 00 00000009 00 0002 00");
  for (auto [flags, fua] : {std::pair{0x08, true}, {0x10, false}, {0x18, true}, {0x02, true}}) {
    cdb[1] = static_cast<std::byte>(flags);
    EXPECT_TRUE(run(cdb, filled(2 * kBlock, 'x')).good());
    EXPECT_EQ(object_->seen().back().fua, fua) << flags;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TransferForms, ::testing::ValuesIn(kForms),
                         [](const auto& info) { return info.param.name; });

class TransferTest : public ScsiTest {
 protected:
  std::uint32_t blocks() const {
    return static_cast<std::uint32_t>(object_->geometry().capacity / kBlock);
  }
  static Bytes ten(int opcode, std::uint32_t lba, std::uint16_t length) {
    auto cdb = hex("00 00 00000000 00 0000 00");
    cdb[0] = static_cast<std::byte>(opcode);
    store(std::span(cdb).subspan(2), be32(lba));
    store(std::span(cdb).subspan(7), be16(length));
    return cdb;
  }
};

TEST_F(TransferTest, SixByteLengthZeroIs256Blocks) {
  auto x = run("08 000000 00 00");
  EXPECT_TRUE(x.good());
  EXPECT_EQ(x.data().size(), 256 * kBlock);
}

TEST_F(TransferTest, SixByteAddressHas21Bits) {
  auto x = run("08 1FFFFF 01 00");
  expect_sense(x, kLbaOutOfRange);
  EXPECT_EQ(x.sense().information, 0x1fffffu);
}

TEST_F(TransferTest, ZeroBlocksMoveNothingAndTouchNothing) {
  for (const auto& cdb : {ten(0x28, 0, 0), ten(0x2a, 0, 0), ten(0x28, blocks(), 0)}) {
    auto x = run(cdb);
    EXPECT_TRUE(x.good());
    EXPECT_EQ(x.plan.length, 0u);
    EXPECT_EQ(x.task.data_in_length, 0u);
  }
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(TransferTest, BeyondTheEndNamesTheFirstBadBlock) {
  struct Case {
    std::uint32_t lba;
    std::uint16_t length;
    std::uint64_t bad;
  };
  for (auto [lba, length, bad] :
       {Case{blocks(), 1, blocks()}, Case{blocks() - 1, 2, blocks()},
        Case{blocks() + 1, 0, blocks() + 1u}, Case{0xffffffff, 256, 0xffffffff}})
    for (int opcode : {0x28, 0x2a, 0x2f, 0x35, 0x34, 0x41, 0x2e}) {
      auto x = run(ten(opcode, lba, length));
      EXPECT_FALSE(x.accepted);
      expect_sense(x, kLbaOutOfRange);
      EXPECT_EQ(x.sense().information, bad);
    }
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(TransferTest, SixteenByteAddressesDoNotWrap) {
  auto x = run("88 00 FFFFFFFFFFFFFFFF 00000002 00 00");
  expect_sense(x, kLbaOutOfRange);
  EXPECT_EQ(x.sense().information, 0xffffffffffffffffu);
}

TEST_F(TransferTest, LargestTransferIsTheAdvertisedOne) {
  auto x = run("A8 00 00000000 00004000 00 00");
  EXPECT_TRUE(x.good());
  EXPECT_EQ(x.data().size(), kMaxTransfer);
  expect_field(run("A8 00 00000000 00004001 00 00"), 6, 7);
  expect_field(run("88 00 0000000000000000 00004001 00 00"), 10, 7);
  expect_field(run("AA 00 00000000 00004001 00 00"), 6, 7);
}

TEST_F(TransferTest, ProtectionInformationIsRefused) {
  for (int protect = 1; protect < 8; ++protect)
    for (int opcode : {0x28, 0x2a, 0x2f, 0x41, 0x2e}) {
      auto cdb = ten(opcode, 0, 1);
      cdb[1] = static_cast<std::byte>(protect << 5);
      auto x = run(cdb, filled(kBlock, 'x'));
      expect_sense(x, kInvalidField);
      EXPECT_EQ(x.sense().field->byte, 1);
    }
  EXPECT_TRUE(object_->seen().empty());
}

// Residuals: the transport brought less than the CDB says.

TEST_F(TransferTest, WholeBlocksThatCameAreWritten) {
  run(ten(0x2a, 0, 2), filled(2 * kBlock, 'a'));
  auto x = run(ten(0x2a, 0, 2), filled(kBlock, 'b'));
  EXPECT_TRUE(x.good());
  EXPECT_EQ(x.plan.length, 2 * kBlock) << "what the residual is counted against";
  EXPECT_EQ(object_->bytes()[kBlock - 1], std::byte{'b'});
  EXPECT_EQ(object_->bytes()[kBlock], std::byte{'a'});
}

TEST_F(TransferTest, NothingCameNothingIsWritten) {
  object_->forget_seen();
  EXPECT_TRUE(run(ten(0x2a, 0, 1)).good());
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(TransferTest, TornBlockIsRefusedUntouched) {
  run(ten(0x2a, 0, 1), filled(kBlock, 'a'));
  expect_sense(run(ten(0x2a, 0, 1), filled(200, 'b')), kInvalidInformationUnit);
  expect_sense(run(ten(0x2a, 0, 2), filled(kBlock + 1, 'b')), kInvalidInformationUnit);
  EXPECT_EQ(object_->bytes()[0], std::byte{'a'});
}

TEST_F(TransferTest, ReadAnswersInFullForTheTransportToCut) {
  Exchange x;
  x.task.expected_length = 200;
  start(*nexus_, x, ten(0x28, 0, 1));
  EXPECT_TRUE(x.good());
  EXPECT_EQ(x.task.data_in_length, kBlock);
}

TEST_F(TransferTest, ReadOnlyMappingRefusesBeforeDataMovesAndTellsTheObject) {
  attach({}, true);
  for (int opcode : {0x2a, 0x2e, 0x41}) {
    auto x = run(ten(opcode, 0, 1), filled(kBlock, 'x'));
    EXPECT_FALSE(x.accepted);
    expect_sense(x, kWriteProtected);
  }
  EXPECT_TRUE(run(ten(0x28, 0, 1)).good());
  EXPECT_TRUE(object_->seen().back().context.read_only);
}

TEST_F(TransferTest, ReadOnlyObjectRefusesWrites) {
  tests::MemoryObject::Setup setup;
  setup.features.read_only = true;
  attach(setup);
  expect_sense(run(ten(0x2a, 0, 1), filled(kBlock, 'x')), kWriteProtected);
}

TEST_F(TransferTest, CompletesWhenTheObjectDoes) {
  object_->hold();
  Exchange x;
  start(*nexus_, x, ten(0x28, 0, 1));
  EXPECT_TRUE(x.accepted);
  EXPECT_EQ(x.completions, 0);
  EXPECT_EQ(object_->release(), 1u);
  EXPECT_EQ(x.completions, 1);
  EXPECT_EQ(x.data().size(), kBlock);
}

TEST_F(TransferTest, UnmappedBetweenPrepareAndExecute) {
  Exchange x;
  auto cdb = ten(0x28, 0, 1);
  std::ranges::copy(cdb, x.task.cdb.begin());
  x.task.cdb_length = 16;
  x.task.owner = &x;
  x.task.complete = [](Task& task) noexcept { ++static_cast<Exchange*>(task.owner)->completions; };
  ASSERT_TRUE(nexus_->prepare(x.task, x.plan));
  nexus_->remap({});
  nexus_->execute(x.task);
  EXPECT_EQ(x.completions, 1);
  expect_sense(x, kNoSuchLun);
}

TEST_F(TransferTest, SynchronizeCacheFlushesOnce) {
  for (auto cdb : {"35 00 00000000 00 0000 00", "91 00 0000000000000000 00000000 00 00",
                   "35 04 00000001 00 0001 00"}) {
    object_->forget_seen();
    EXPECT_TRUE(run(cdb).good());
    ASSERT_EQ(object_->seen().size(), 1u);
    EXPECT_EQ(object_->seen()[0].op, IoOp::flush);
  }
}

TEST_F(TransferTest, ImmediateSynchronizeCacheAnswersFirst) {
  object_->hold();
  Exchange x;
  start(*nexus_, x, hex("35 02 00000000 00 0000 00"));
  EXPECT_EQ(x.completions, 1);
  EXPECT_TRUE(x.good());
  object_->fail(IoOp::flush, block::BlockErrc::failed);
  EXPECT_EQ(object_->release(), 1u);
  EXPECT_EQ(x.completions, 1);
  EXPECT_TRUE(x.good());
}

TEST_F(TransferTest, PrefetchIsGood) {
  EXPECT_TRUE(run("34 02 00000000 00 0001 00").good());
  EXPECT_TRUE(run("90 00 0000000000000000 00000000 00 00").good());
}

TEST_F(TransferTest, BlocksOf4096) {
  tests::MemoryObject::Setup setup;
  setup.geometry.logical_block = 4096;
  attach(setup);
  EXPECT_TRUE(run(ten(0x2a, 3, 1), filled(4096, 'q')).good());
  EXPECT_EQ(object_->bytes()[3 * 4096], std::byte{'q'});
  expect_field(run("A8 00 00000000 00000801 00 00"), 6, 7);
}

}  // namespace
}  // namespace caisson::scsi
