// SPDX-License-Identifier: Apache-2.0
// FORMAT UNIT and SANITIZE, and what hosts hear meanwhile and after a failure.
#include "storage_object/base/errc.hpp"
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

class WipeTest : public ScsiTest {
 protected:
  static constexpr auto kTest = "00 00 00 00 00 00", kFormat = "04 00 00 00 00 00",
                        kErase = "48 02 00 00 00 00 00 0000 00",
                        kExit = "48 1F 00 00 00 00 00 0000 00", kSense = "03 00 00 00 FC 00";

  WipeTest() { std::ranges::fill(object_->bytes(), std::byte{0x5a}); }

  bool all(char value) {
    return std::ranges::all_of(object_->bytes(),
                               [=](std::byte b) { return b == static_cast<std::byte>(value); });
  }
  static Bytes overwrite_list(std::uint8_t flags, const Bytes& pattern) {
    Bytes list(4);
    list[0] = static_cast<std::byte>(flags);
    store(std::span(list).subspan(2), be16(static_cast<std::uint16_t>(pattern.size())));
    list.insert(list.end(), pattern.begin(), pattern.end());
    return list;
  }
  static Bytes overwrite_cdb(std::size_t length, std::uint8_t flags = 0) {
    auto cdb = hex("48 01 00 00 00 00 00 0000 00");
    cdb[1] |= static_cast<std::byte>(flags);
    store(std::span(cdb).subspan(7), be16(static_cast<std::uint16_t>(length)));
    return cdb;
  }
  static Exchange on(Nexus& nexus, std::string_view cdb) {
    Exchange x;
    start(nexus, x, hex(cdb));
    return x;
  }
};

TEST_F(WipeTest, FormatLeavesZerosAndTellsTheOthers) {
  Nexus other(identity(2), {{0, unit_}});
  clear(other);
  EXPECT_TRUE(run(kFormat).good());
  EXPECT_TRUE(all('\0'));
  EXPECT_EQ(*object_->allocated(), 0u);
  expect_sense(on(other, kTest), {SenseKey::unit_attention, 0x28, 0x00});
  EXPECT_TRUE(run(kTest).good());
}

TEST_F(WipeTest, WhoWipesLeavesATrace) {
  EXPECT_TRUE(run(kFormat).good());
  const std::string who = " of host host (iqn.1993-08.org.debian:1,i,0x1)";
  EXPECT_EQ(object_->noted(),
            (std::vector<std::string>{"lun.wipe_begun: FORMAT UNIT" + who + " has begun",
                                      "lun.wipe_ended: FORMAT UNIT" + who + " has ended"}));
  object_->fail(block::IoOp::unmap, block::BlockErrc::write_error);
  run(kFormat);
  EXPECT_TRUE(object_->noted().back().starts_with("lun.wipe_failed: FORMAT UNIT" + who));
}

TEST_F(WipeTest, FormatTakesAnEmptyListInEitherLength) {
  EXPECT_TRUE(run("04 10 00 00 00 00", hex("00 00 0000")).good());
  EXPECT_TRUE(run("04 30 00 00 00 00", hex("00 00 00 00 00000000")).good());
  EXPECT_TRUE(run("04 18 00 00 00 00", hex("00 80 0000")).good());
}

TEST_F(WipeTest, FormatRefusesDefectsAndProtection) {
  struct Case {
    std::string_view cdb, list;
    std::uint16_t byte;
  };
  for (auto [cdb, list, byte] :
       {Case{"04 10 00 00 00 00", "00 00 0008", 2},
        Case{"04 30 00 00 00 00", "00 00 00 00 00000008", 4},
        Case{"04 30 00 00 00 00", "00 00 00 01 00000000", 3},
        Case{"04 10 00 00 00 00", "01 00 0000", 0}, Case{"04 10 00 00 00 00", "00 08 0000", 1},
        Case{"04 10 00 00 00 00", "00 A0 0000", 1}}) {
    SCOPED_TRACE(list);
    auto x = run(cdb, hex(list));
    expect_sense(x, kInvalidParameter);
    ASSERT_TRUE(x.sense().field);
    EXPECT_EQ(x.sense().field->byte, byte);
  }
  expect_sense(run("04 10 00 00 00 00", hex("0000")), kParameterListLength);
  expect_field(run("04 40 00 00 00 00"), 1, 6);
  expect_field(run("04 08 00 00 00 00"), 1, 7);
  EXPECT_TRUE(all('\x5a'));
}

TEST_F(WipeTest, OverwriteFillsEachBlockWithThePattern) {
  auto list = overwrite_list(0x01, hex("01 02 03"));
  EXPECT_TRUE(run(overwrite_cdb(list.size()), list).good());
  for (std::size_t i = 0; i < object_->bytes().size(); ++i)
    ASSERT_EQ(object_->bytes()[i], static_cast<std::byte>(i % kBlock % 3 + 1)) << i;
  EXPECT_EQ(object_->seen().back().op, block::IoOp::flush);
}

TEST_F(WipeTest, OverwriteInvertsBetweenPasses) {
  auto list = overwrite_list(0x82, filled(kBlock, '\x0f'));
  EXPECT_TRUE(run(overwrite_cdb(list.size()), list).good());
  EXPECT_TRUE(all('\xf0'));
  list = overwrite_list(0x83, filled(kBlock, '\x0f'));
  EXPECT_TRUE(run(overwrite_cdb(list.size()), list).good());
  EXPECT_TRUE(all('\x0f'));
}

TEST_F(WipeTest, OverwriteChecksItsListBeforeItBegins) {
  for (std::size_t length : {std::size_t{0}, std::size_t{4}, kBlock + 5})
    expect_field(run(overwrite_cdb(length)), 7, 7);
  for (const auto& list :
       {overwrite_list(0x00, hex("AA")), overwrite_list(0x21, hex("AA")),
        overwrite_list(0x41, hex("AA")), hex("01 00 0000 AA"), hex("01 00 0002 AA")}) {
    expect_sense(run(overwrite_cdb(list.size()), list), kInvalidParameter);
    EXPECT_TRUE(all('\x5a'));
  }
  expect_sense(run(overwrite_cdb(8), hex("01000001")), kParameterListLength);
}

TEST_F(WipeTest, BlockEraseOverwritesWhatIsThereBeforeItLetsItGo) {
  ASSERT_TRUE(run("2A 00 00000000 00 0008 00", filled(8 * kBlock, 'w')).good());
  object_->forget_seen();
  EXPECT_TRUE(run(kErase).good());
  EXPECT_TRUE(std::ranges::all_of(std::span(object_->bytes()).first(8 * kBlock),
                                  [](std::byte b) { return b == std::byte{0}; }));
  std::vector<block::IoOp> order;
  for (const auto& seen : object_->seen())
    if (order.empty() || order.back() != seen.op) order.push_back(seen.op);
  using enum block::IoOp;
  EXPECT_EQ(order, (std::vector{status, write, status, flush, unmap, flush}));
}

TEST_F(WipeTest, CryptoEraseAndListsWhereNoneBelongAreRefused) {
  expect_field(run("48 03 00 00 00 00 00 0000 00"), 1, 4);
  expect_field(run("48 02 00 00 00 00 00 0008 00"), 7, 7);
  expect_field(run("48 1F 00 00 00 00 00 0008 00"), 7, 7);
}

TEST_F(WipeTest, WhileItRunsOthersAreToldHowFarItIs) {
  Nexus other(identity(2), {{0, unit_}});
  clear(other);
  object_->hold();
  Exchange erase;
  start(*nexus_, erase, hex(kErase));
  EXPECT_EQ(erase.completions, 0);
  for (auto cdb : {kTest, "28 00 00000000 00 0001 00", "2A 00 00000000 00 0001 00", "35", kErase,
                   kFormat, kExit}) {
    auto x = on(other, cdb);
    if (std::string_view(cdb) == kExit && x.accepted) continue;
    expect_sense(x, kSanitizeInProgress);
    EXPECT_TRUE(x.sense().progress) << cdb;
  }
  for (auto cdb : {"12 00 00 00 60 00", "A0 00 00 00 00 00 00000100 00 00",
                   "A3 0C 00 00 00 00 00000100 00 00"})
    EXPECT_TRUE(on(other, cdb).good()) << cdb;
  auto sense = on(other, kSense).data();
  EXPECT_EQ(sense[2], std::byte{0x02});
  EXPECT_EQ(sense[12], std::byte{0x04});
  EXPECT_EQ(sense[13], std::byte{0x1b});
  EXPECT_EQ(sense[15], std::byte{0x80}) << "progress indication is valid";
  object_->release();
  EXPECT_EQ(erase.completions, 1);
  EXPECT_TRUE(erase.good());
}

TEST_F(WipeTest, ImmediateAnswersAtOnce) {
  object_->hold();
  Exchange erase, format;
  start(*nexus_, erase, hex("48 82 00 00 00 00 00 0000 00"));
  EXPECT_EQ(erase.completions, 1);
  EXPECT_TRUE(erase.good());
  expect_sense(run(kTest), kSanitizeInProgress);
  object_->release();
  EXPECT_TRUE(run(kTest).good());
  object_->hold();
  start(*nexus_, format, hex("04 10 00 00 00 00"), hex("00 02 0000"));
  EXPECT_TRUE(format.good());
  expect_sense(run(kTest), kFormatInProgress);
  object_->release();
  EXPECT_TRUE(run(kTest).good());
}

TEST_F(WipeTest, FailureStaysUntilASanitizeSucceeds) {
  object_->fail(block::IoOp::unmap, block::BlockErrc::write_error);
  expect_sense(run(kErase), kSanitizeFailed);
  expect_sense(run(kTest), kSanitizeFailed);
  expect_sense(run("28 00 00000000 00 0001 00"), kSanitizeFailed);
  expect_sense(run(kFormat), kSanitizeFailed);
  expect_sense(run(kExit), kSanitizeFailed);
  auto list = overwrite_list(0x01, filled(kBlock, '\0'));
  EXPECT_TRUE(run(overwrite_cdb(list.size()), list).good());
  EXPECT_TRUE(run(kTest).good());
}

TEST_F(WipeTest, FailureThatMayBeLeftIsLeft) {
  object_->fail(block::IoOp::unmap, block::BlockErrc::no_space);
  expect_sense(run("48 22 00 00 00 00 00 0000 00"), kSanitizeFailed);
  EXPECT_TRUE(run(kExit).good());
  EXPECT_TRUE(run(kTest).good());
  EXPECT_TRUE(run(kExit).good()) << "there is nothing to leave";
}

TEST_F(WipeTest, FailedFormatIsCorruptUntilTheNext) {
  object_->fail(block::IoOp::unmap, block::BlockErrc::write_error);
  expect_sense(run(kFormat), kFormatFailed);
  expect_sense(run(kTest), kFormatCorrupted);
}

TEST_F(WipeTest, RefusedWhileOtherImagesShareBlocksOrAnotherRuns) {
  object_->refuse_upkeep(make_error_code(Errc::in_use));
  expect_sense(run(kErase), kCommandSequence);
  object_->refuse_upkeep(block::BlockErrc::busy);
  EXPECT_EQ(run(kErase).status(), Status::busy);
  EXPECT_TRUE(all('\x5a'));
}

TEST_F(WipeTest, HostsThatMayNotWriteMayNotWipe) {
  attach({}, true);
  for (auto cdb : {kFormat, kErase, kExit}) expect_sense(run(cdb), kWriteProtected);
  attach({});
  Nexus other(identity(2), {{0, unit_}});
  clear(other);
  EXPECT_TRUE(on(other, "16 00 00 00 00 00").good());
  for (auto cdb : {kFormat, kErase}) EXPECT_EQ(run(cdb).status(), Status::reservation_conflict);
}

}  // namespace
}  // namespace caisson::scsi
