// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/sense.hpp"

#include <set>

#include "gateway/scsi/sense_table.hpp"
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

using block::BlockErrc;
using block::IoOp;

Bytes encoded(const Sense& sense, bool descriptor) {
  std::array<std::byte, kMaxSense> out;
  out.fill(std::byte{0xee});
  auto length = encode(sense, descriptor, out);
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(length)};
}

TEST(SenseEncoding, FixedHasEighteenBytes) {
  EXPECT_EQ(encoded(kNoSuchLun, false), hex("70 00 05 00000000 0A 00000000 25 00 00 000000"));
}

TEST(SenseEncoding, FixedCarriesInformationThatFits) {
  auto sense = kLbaOutOfRange;
  sense.information = 0xfffffffe;
  EXPECT_EQ(encoded(sense, false), hex("F0 00 05 FFFFFFFE 0A 00000000 21 00 00 000000"));
  sense.information = 0x100000000;
  EXPECT_EQ(encoded(sense, false), hex("70 00 05 00000000 0A 00000000 21 00 00 000000"));
}

TEST(SenseEncoding, FixedPointsAtTheField) {
  auto sense = kInvalidField;
  sense.field = FieldPointer{true, 0x0102, 5};
  EXPECT_EQ(encoded(sense, false), hex("70 00 05 00000000 0A 00000000 24 00 00 CD0102"));
  sense.field = FieldPointer{false, 6, {}};
  EXPECT_EQ(encoded(sense, false), hex("70 00 05 00000000 0A 00000000 24 00 00 800006"));
}

TEST(SenseEncoding, DescriptorsOnlyWhereThereIsSomethingToSay) {
  EXPECT_EQ(encoded(kNoSuchLun, true), hex("72 05 25 00 000000 00"));
  auto sense = kLbaOutOfRange;
  sense.information = 0x123456789a;
  EXPECT_EQ(encoded(sense, true), hex("72 05 21 00 000000 0C  00 0A 80 00 000000123456789A"));
  sense.field = FieldPointer{true, 2, 7};
  EXPECT_EQ(encoded(sense, true),
            hex("72 05 21 00 000000 14  00 0A 80 00 000000123456789A  02 06 0000 CF0002 00"));
}

TEST(SenseTable, EveryBlockErrorHasOneRow) {
  std::set<BlockErrc> codes;
  for (const auto& row : sense_table()) {
    EXPECT_TRUE(codes.insert(row.code).second);
    EXPECT_EQ(row.sense.present(), row.status == Status::check_condition);
    EXPECT_EQ(sense_for(row.code), row.sense);
    EXPECT_FALSE(make_error_code(row.code).message().empty());
  }
  EXPECT_EQ(codes.size(), static_cast<std::size_t>(BlockErrc::unsupported));
}

TEST(SenseTable, CodesOfOtherOriginAreInternalFailures) {
  EXPECT_EQ(sense_for(boost::system::errc::make_error_code(boost::system::errc::io_error)),
            (Sense{SenseKey::hardware_error, 0x44, 0x00}));
}

struct Expected {
  BlockErrc code;
  Status status;
  Sense sense;
};

class SenseOfIo : public ScsiTest, public ::testing::WithParamInterface<Expected> {};

TEST_P(SenseOfIo, ReachesTheInitiatorFromReadWriteAndFlush) {
  const auto& expected = GetParam();
  for (auto op :
       {IoOp::read, IoOp::write, IoOp::flush, IoOp::unmap, IoOp::write_zeroes, IoOp::status})
    object_->fail(op, expected.code);
  auto unmap = hex("0016 0010 00000000  0000000000000000 00000008 00000000");
  for (const auto& x :
       {run("28 00 00000000 00 0008 00"), run("2A 00 00000000 00 0008 00", filled(8 * kBlock, 'x')),
        run("35 00 00000000 00 0000 00"), run("42 00 00000000 00 0018 00", unmap),
        run("41 00 00000000 00 0008 00", filled(kBlock, 0)),
        run("9E 12 0000000000000000 00000018 00 00")}) {
    EXPECT_EQ(x.status(), expected.status);
    EXPECT_EQ(x.sense(), expected.sense) << printable(x.sense());
    EXPECT_EQ(x.task.data_in_length, 0u);
  }
}

constexpr auto kCheck = Status::check_condition;
INSTANTIATE_TEST_SUITE_P(
    Table, SenseOfIo,
    ::testing::Values(
        Expected{BlockErrc::out_of_range, kCheck, {SenseKey::illegal_request, 0x21, 0x00}},
        Expected{BlockErrc::misaligned, kCheck, {SenseKey::illegal_request, 0x24, 0x00}},
        Expected{BlockErrc::no_space, kCheck, {SenseKey::data_protect, 0x27, 0x07}},
        Expected{BlockErrc::medium_error, kCheck, {SenseKey::medium_error, 0x11, 0x00}},
        Expected{BlockErrc::write_error, kCheck, {SenseKey::medium_error, 0x0c, 0x00}},
        Expected{BlockErrc::failed, kCheck, {SenseKey::hardware_error, 0x44, 0x00}},
        Expected{BlockErrc::write_protected, kCheck, {SenseKey::data_protect, 0x27, 0x00}},
        Expected{BlockErrc::offline, kCheck, {SenseKey::not_ready, 0x04, 0x03}},
        Expected{BlockErrc::fenced, kCheck, {SenseKey::not_ready, 0x04, 0x0c}},
        Expected{BlockErrc::conflict, Status::reservation_conflict, {}},
        Expected{BlockErrc::busy, Status::busy, {}},
        Expected{BlockErrc::aborted, kCheck, {SenseKey::aborted_command, 0x00, 0x06}},
        Expected{BlockErrc::miscompare, kCheck, {SenseKey::miscompare, 0x1d, 0x00}},
        Expected{BlockErrc::unsupported, kCheck, {SenseKey::illegal_request, 0x24, 0x00}}));

}  // namespace
}  // namespace caisson::scsi
