// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

using block::IoOp;

class ProvisioningTest : public ScsiTest {
 protected:
  struct Run {
    std::uint64_t lba;
    std::uint32_t blocks;
  };
  /// A parameter list whose lengths are right.
  static Bytes list(const std::vector<Run>& runs) {
    Bytes bytes(8 + 16 * runs.size());
    store(std::span(bytes), be16(static_cast<std::uint16_t>(bytes.size() - 2)));
    store(std::span(bytes).subspan(2), be16(static_cast<std::uint16_t>(bytes.size() - 8)));
    for (std::size_t i = 0; i < runs.size(); ++i) {
      store(std::span(bytes).subspan(8 + 16 * i), be64(runs[i].lba));
      store(std::span(bytes).subspan(16 + 16 * i), be32(runs[i].blocks));
    }
    return bytes;
  }
  Exchange unmap(const Bytes& parameters, std::optional<std::uint16_t> length = {}) {
    auto cdb = hex("42 00 00000000 00 0000 00");
    store(std::span(cdb).subspan(7),
          be16(length.value_or(static_cast<std::uint16_t>(parameters.size()))));
    return run(cdb, parameters);
  }
  static Bytes same16(int flags, std::uint64_t lba, std::uint32_t blocks) {
    auto cdb = hex("93 00 0000000000000000 00000000 00 00");
    cdb[1] = static_cast<std::byte>(flags);
    store(std::span(cdb).subspan(2), be64(lba));
    store(std::span(cdb).subspan(10), be32(blocks));
    return cdb;
  }
  void fill(char with) { std::ranges::fill(object_->bytes(), static_cast<std::byte>(with)); }
  bool all(std::uint64_t lba, std::uint64_t blocks, char value) const {
    auto range = std::span(object_->bytes()).subspan(lba * kBlock, blocks * kBlock);
    return std::ranges::all_of(range,
                               [&](std::byte b) { return b == static_cast<std::byte>(value); });
  }
};

TEST_F(ProvisioningTest, UnmapsEveryDescriptor) {
  fill('x');
  EXPECT_TRUE(unmap(list({{8, 8}, {100, 0}, {32, 16}})).good());
  ASSERT_EQ(object_->seen().size(), 1u) << "no cut comes between them";
  EXPECT_EQ(object_->seen()[0].op, IoOp::unmap);
  EXPECT_TRUE(all(8, 8, 0) && all(32, 16, 0));
  EXPECT_TRUE(all(0, 8, 'x') && all(16, 16, 'x') && all(48, 100, 'x'));
}

TEST_F(ProvisioningTest, NothingToUnmapIsNoError) {
  EXPECT_TRUE(unmap({}).good());
  EXPECT_TRUE(unmap(list({})).good());
  EXPECT_TRUE(unmap(list({{0, 0}, {0x8000, 0}})).good());
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(ProvisioningTest, ListShorterThanItsHeader) {
  for (std::uint16_t length = 1; length < 8; ++length)
    expect_sense(unmap(filled(8, 0), length), kParameterListLength);
}

TEST_F(ProvisioningTest, DescriptorsBeyondTheList) {
  auto parameters = list({{0, 8}, {8, 8}});
  expect_sense(unmap(parameters, 24), kParameterListLength);
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(ProvisioningTest, IncompleteLastDescriptorIsIgnored) {
  auto parameters = list({{0, 8}, {8, 8}});
  store(std::span(parameters).subspan(2), be16(20));
  EXPECT_TRUE(unmap(parameters).good());
  EXPECT_EQ(object_->seen().size(), 1u);
}

TEST_F(ProvisioningTest, ListThatDidNotArriveWhole) {
  auto parameters = list({{0, 8}});
  parameters.resize(16);
  expect_sense(unmap(parameters, 24), kInvalidInformationUnit);
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(ProvisioningTest, OneBadDescriptorAndNothingIsUnmapped) {
  auto x = unmap(list({{0, 8}, {0x7fff, 2}}));
  expect_sense(x, kLbaOutOfRange);
  EXPECT_EQ(x.sense().information, 0x8000u);
  expect_sense(unmap(list({{0, 8}, {0x8001, 0}})), kLbaOutOfRange);
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(ProvisioningTest, DescriptorCountHasTheAdvertisedLimit) {
  std::vector<Run> runs(256, {0, 1});
  EXPECT_TRUE(unmap(list(runs)).good());
  runs.push_back({0, 1});
  auto x = unmap(list(runs));
  expect_sense(x, kInvalidParameter);
  EXPECT_FALSE(x.sense().field->in_cdb);
  EXPECT_EQ(x.sense().field->byte, 2);
}

TEST_F(ProvisioningTest, BlockCountHasTheAdvertisedLimit) {
  tests::MemoryObject::Setup setup;
  setup.geometry.capacity = std::uint64_t{64} << 20;
  attach(setup);
  std::vector<Run> runs(8, {0, 1u << 17});
  EXPECT_TRUE(unmap(list(runs)).good());
  runs.push_back({0, 1});
  auto x = unmap(list(runs));
  expect_sense(x, kInvalidParameter);
  EXPECT_EQ(x.sense().field->byte, 8 + 16 * 8 + 8);
}

TEST_F(ProvisioningTest, AnchorIsRefused) {
  expect_field(run("42 01 00000000 00 0000 00"), 1, 0);
  expect_field(run("41 10 00000000 00 0001 00"), 1, 4);
  expect_field(run("41 18 00000000 00 0001 00"), 1, 4);
  expect_field(run(same16(0x18, 0, 1)), 1, 4);
}

TEST_F(ProvisioningTest, ZerosGoDownAsZeroes) {
  fill('x');
  EXPECT_TRUE(run("41 00 00000008 00 0010 00", filled(kBlock, 0)).good());
  ASSERT_EQ(object_->seen().size(), 1u);
  EXPECT_EQ(object_->seen()[0].op, IoOp::write_zeroes);
  EXPECT_FALSE(object_->seen()[0].may_unmap);
  EXPECT_TRUE(all(8, 16, 0) && all(0, 8, 'x') && all(24, 8, 'x'));
}

TEST_F(ProvisioningTest, UnmapBitLetsTheSpaceGo) {
  EXPECT_TRUE(run("41 08 00000008 00 0010 00", filled(kBlock, 0)).good());
  EXPECT_TRUE(object_->seen().back().may_unmap);
  EXPECT_TRUE(run(same16(0x08, 8, 16), filled(kBlock, 0)).good());
  EXPECT_TRUE(object_->seen().back().may_unmap);
}

TEST_F(ProvisioningTest, WithoutDataOutTheBlocksBecomeZero) {
  fill('x');
  auto x = run(same16(0x01, 8, 8));
  EXPECT_TRUE(x.good());
  EXPECT_EQ(x.plan.direction, Direction::none);
  EXPECT_TRUE(all(8, 8, 0) && all(16, 8, 'x'));
  EXPECT_TRUE(run(same16(0x09, 16, 8)).good());
  EXPECT_TRUE(object_->seen().back().may_unmap);
}

TEST_F(ProvisioningTest, AnyOtherPatternIsWrittenEvenWithUnmap) {
  for (int flags : {0x00, 0x08}) {
    fill(0);
    EXPECT_TRUE(run(same16(flags, 3, 5000), filled(kBlock, 'p')).good());
    EXPECT_TRUE(all(3, 5000, 'p') && all(0, 3, 0) && all(5003, 5, 0));
    ASSERT_EQ(object_->seen().size(), 1u) << "no cut comes in the midst of it";
    EXPECT_EQ(object_->seen().back().op, IoOp::write);
    object_->forget_seen();
  }
}

TEST_F(ProvisioningTest, PatternThatCompletesLater) {
  Exchange x;
  object_->hold();
  start(*nexus_, x, same16(0, 0, 6000), filled(kBlock, 'p'));
  EXPECT_EQ(x.completions, 0);
  object_->release();
  EXPECT_EQ(x.completions, 1);
  EXPECT_TRUE(x.good());
  EXPECT_TRUE(all(0, 6000, 'p') && all(6000, 8, 0));
}

TEST_F(ProvisioningTest, ZeroBlocksAreRefusedAsTheLimitsPageSays) {
  fill('x');
  EXPECT_EQ(run("12 01 B0 00FF 00").data()[4], std::byte{1});
  for (int flags : {0x00, 0x01, 0x08, 0x09})
    expect_field(run(same16(flags, 0x7ff0, 0), filled(kBlock, 0)), 10, 7);
  expect_field(run("41 08 00000000 00 0000 00", filled(kBlock, 0)), 7, 7);
  EXPECT_TRUE(all(0, 0x8000, 'x'));
}

TEST_F(ProvisioningTest, EveryCombinationOfFlagsDoesWhatThePagesSay) {
  struct Case {
    int flags;
    char pattern, left;
    bool mapped;
  };
  // Ones are written whatever UNMAP says: blocks without space read as zeros (LBPRZ).
  for (auto [flags, pattern, left, mapped] :
       {Case{0x00, 'p', 'p', true}, Case{0x00, 0, 0, true}, Case{0x08, 'p', 'p', true},
        Case{0x08, 0, 0, false}, Case{0x01, 0, 0, true}, Case{0x09, 0, 0, false}}) {
    SCOPED_TRACE(flags);
    fill('x');
    ASSERT_TRUE(run("2A 00 00000000 00 0010 00", filled(16 * kBlock, 'x')).good());
    auto ndob = (flags & 1) != 0;
    auto x = run(same16(flags, 0, 16), ndob ? Bytes{} : filled(kBlock, pattern));
    EXPECT_TRUE(x.good());
    EXPECT_EQ(x.plan.length, ndob ? 0u : kBlock);
    EXPECT_TRUE(all(0, 16, left) && all(16, 16, 'x'));
    auto status = run("9E 12 0000000000000000 00000018 00 00").data();
    EXPECT_EQ(status[20], mapped ? std::byte{0} : std::byte{1});
  }
  for (int flags : {0x10, 0x18, 0x11, 0x19}) expect_field(run(same16(flags, 0, 16)), 1, 4);
}

TEST_F(ProvisioningTest, LengthHasTheAdvertisedLimit) {
  tests::MemoryObject::Setup setup;
  setup.geometry.capacity = std::uint64_t{48} << 20;
  attach(setup);
  EXPECT_TRUE(run(same16(0, 0, 0x8000), filled(kBlock, 0)).good());
  expect_field(run(same16(0, 0, 0x8001), filled(kBlock, 0)), 10, 7);
}

TEST_F(ProvisioningTest, DataOutIsExactlyOneBlock) {
  for (std::uint64_t expected : {256u, 1024u}) {
    Exchange x;
    x.task.expected_length = expected;
    start(*nexus_, x, same16(0x08, 0, 1), filled(kBlock, 0));
    EXPECT_FALSE(x.accepted);
    expect_sense(x, kInvalidInformationUnit);
  }
  expect_sense(run(same16(0x08, 0, 1), filled(256, 0)), kInvalidInformationUnit);
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(ProvisioningTest, UnmapBitNeedsTheFeature) {
  tests::MemoryObject::Setup setup;
  setup.features.unmap = false;
  attach(setup);
  expect_field(run(same16(0x08, 0, 1), filled(kBlock, 0)), 1, 3);
  expect_field(run("41 08 00000000 00 0001 00", filled(kBlock, 0)), 1, 3);
  EXPECT_TRUE(run(same16(0x00, 0, 1), filled(kBlock, 0)).good());
}

TEST_F(ProvisioningTest, PatternThatFindsNoRoom) {
  Exchange x;
  object_->hold();
  start(*nexus_, x, same16(0, 0, 6000), filled(kBlock, 'p'));
  object_->fail(IoOp::write, block::BlockErrc::no_space);
  EXPECT_EQ(object_->release(), 1u);
  EXPECT_EQ(x.completions, 1);
  expect_sense(x, {SenseKey::data_protect, 0x27, 0x07});
}

}  // namespace
}  // namespace caisson::scsi
