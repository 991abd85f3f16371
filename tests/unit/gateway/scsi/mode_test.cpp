// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/errc.hpp"
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

// 16 MiB of 512-byte blocks: 0x8000 of them.
constexpr auto kRecovery = "81 0A 80 00 000000 80 00 00 0000";
constexpr auto kCaching = "88 12 04 00 0000 0000 0000 0000 0000 0000 0000 0000";
constexpr auto kControl = "8A 0A 02 10 00 00 0000 FFFF 0000";
constexpr auto kControlDefault = kControl;
constexpr auto kSavedControl = "8A 0A 06 10 08 00 0000 FFFF 0000";
constexpr auto kDescriptorsAndProtection = "0A 0A 06 10 08 00 0000 FFFF 0000";
constexpr auto kExtension =
    "CA 01 001C 00000000 00000000 00000000 00000000 00000000 00000000 00000000";
constexpr auto kProvisioning =
    "DC 02 001C 00 0000000000000000000000 00000000 00000000 00000000 00000000";
constexpr auto kCurrent = 0, kDefault = 2, kSaved = 3;
constexpr auto kExceptions = "9C 0A 08 00 00000000 00000000";

class ModeTest : public ScsiTest {
 protected:
  static Bytes hex_of(std::initializer_list<std::string_view> parts) {
    std::string all;
    for (auto part : parts) all += part;
    return hex(all);
  }
  /// MODE SELECT (6) of one page without a block descriptor.
  Exchange select(std::uint8_t flags, std::string_view page) {
    auto list = hex_of({"00 00 00 00", page});
    auto cdb = hex("15 00 0000 00 00");
    cdb[1] = static_cast<std::byte>(flags);
    cdb[4] = static_cast<std::byte>(list.size());
    return run(cdb, list);
  }
  Bytes control_page(int control) {
    auto cdb = hex("1A 08 0A 00 FF 00");
    cdb[2] |= static_cast<std::byte>(control << 6);
    auto data = run(cdb).data();
    return {data.begin() + 4, data.end()};
  }
};

TEST_F(ModeTest, AllPagesSixBytes) {
  EXPECT_EQ(run("1A 00 3F 00 FF 00").data(), hex_of({"43 00 10 08  00008000 00 000200", kRecovery,
                                                     kCaching, kControl, kExceptions}));
}

TEST_F(ModeTest, AllPagesTenBytes) {
  EXPECT_EQ(run("5A 00 3F 00 000000 00FF 00").data(),
            hex_of({"0046 00 10 00 00 0008  00008000 00 000200", kRecovery, kCaching, kControl,
                    kExceptions}));
}

TEST_F(ModeTest, SubpagesAreListedWhereAskedFor) {
  EXPECT_EQ(run("1A 08 3F FF FF 00").data(), hex_of({"7B 00 10 00", kRecovery, kCaching, kControl,
                                                     kExtension, kExceptions, kProvisioning}));
  EXPECT_EQ(run("1A 08 0A FF FF 00").data(), hex_of({"2F 00 10 00", kControl, kExtension}));
  EXPECT_EQ(run("1A 08 0A 01 FF 00").data(), hex_of({"23 00 10 00", kExtension}));
  EXPECT_EQ(run("1A 00 08 FF FF 00").data(), run("1A 00 08 00 FF 00").data());
}

TEST_F(ModeTest, OnePageWithoutBlockDescriptor) {
  EXPECT_EQ(run("1A 08 08 00 FF 00").data(), hex_of({"17 00 10 00", kCaching}));
  EXPECT_EQ(run("1A 08 0A 00 FF 00").data(), hex_of({"0F 00 10 00", kControl}));
  EXPECT_EQ(run("5A 08 1C 00 000000 00FF 00").data(),
            hex_of({"0012 00 10 00 00 0000", kExceptions}));
}

TEST_F(ModeTest, LongBlockDescriptor) {
  EXPECT_EQ(run("5A 10 1C 00 000000 00FF 00").data(),
            hex_of({"0022 00 10 01 00 0010  0000000000008000 00000000 00000200", kExceptions}));
}

TEST_F(ModeTest, CountThatDoesNotFitTheShortDescriptor) {
  object_->setup().geometry.capacity = (std::uint64_t{1} << 32) * 512;
  auto data = run("1A 00 3F 00 FF 00").data();
  EXPECT_EQ(at<be32>(data, 4), 0xffffffffu);
  data = run("5A 10 3F 00 000000 00FF 00").data();
  EXPECT_EQ(at<be64>(data, 8), std::uint64_t{1} << 32);
}

TEST_F(ModeTest, DescriptorSenseAndWriteProtectAreChangeable) {
  EXPECT_EQ(run("1A 08 7F 00 FF 00").data(),
            hex_of({"3B 00 10 00", "81 0A 0000 0000 0000 0000 0000",
                    "88 12 0400 0000 0000 0000 0000 0000 0000 0000 0000",
                    "8A 0A 0400 0840 0000 0000 0000", "9C 0A 0000 00000000 00000000"}));
}

TEST_F(ModeTest, DefaultsAreTheCurrentValues) {
  EXPECT_EQ(run("1A 00 BF 00 FF 00").data(), run("1A 00 3F 00 FF 00").data());
}

TEST_F(ModeTest, UnknownPageAndSubpage) {
  expect_field(run("1A 00 02 00 FF 00"), 2, 5);
  expect_field(run("1A 00 08 01 FF 00"), 3, 7);
  expect_field(run("1A 00 3F 01 FF 00"), 3, 7);
  expect_field(run("1A 00 3F 02 FF 00"), 3, 7);
  expect_field(run("5A 00 00 00 000000 00FF 00"), 2, 5);
}

TEST_F(ModeTest, WriteCacheFollowsTheRealMode) {
  for (auto [mode, flags] : {std::pair{catalog::CacheMode::writeback, 4},
                             {catalog::CacheMode::none, 4},
                             {catalog::CacheMode::writethrough, 0}}) {
    tests::MemoryObject::Setup setup;
    setup.cache = mode;
    attach(setup);
    EXPECT_EQ(run("1A 08 08 00 FF 00").data()[6], static_cast<std::byte>(flags));
  }
}

TEST_F(ModeTest, WriteProtectFollowsMappingAndObject) {
  attach({}, true);
  EXPECT_EQ(run("1A 00 3F 00 FF 00").data()[2], std::byte{0x90});
  tests::MemoryObject::Setup setup;
  setup.features.read_only = true;
  attach(setup);
  EXPECT_EQ(run("5A 00 3F 00 000000 00FF 00").data()[3], std::byte{0x90});
}

TEST_F(ModeTest, AllocationLengthCutsButTheHeaderCountsAll) {
  auto x = run("1A 00 3F 00 04 00");
  EXPECT_EQ(x.data(), hex("43 00 10 08"));
}

// MODE SELECT

constexpr auto kControlWithDescriptors = "0A 0A 06 10 00 00 0000 FFFF 0000";

TEST_F(ModeTest, SelectChangesTheFormatOfSenseAndTellsTheOthers) {
  Nexus other(identity(2), {{0, unit_}});
  clear(other);
  auto list = hex_of({"00 00 00 08  00008000 00 000200", kControlWithDescriptors});
  EXPECT_TRUE(run("15 10 0000 18 00", list).good());
  EXPECT_TRUE(unit_->descriptor_sense());
  EXPECT_EQ(nexus_->pending(0), 0u);
  Exchange x;
  start(other, x, hex("00"));
  expect_sense(x, {SenseKey::unit_attention, 0x2a, 0x01});
  EXPECT_EQ(run("1A 08 8A 00 FF 00").data()[6], std::byte{0x02}) << "the default stays";
  EXPECT_TRUE(run("55 10 0000000000 0014 00", hex_of({"0000 00 00 00 00 0000", kControl})).good());
  EXPECT_FALSE(unit_->descriptor_sense());
}

TEST_F(ModeTest, SelectProtectsAgainstWritesOfEveryNexus) {
  Nexus other(identity(2), {{0, unit_}});
  auto protect = hex_of({"00 00 00 00", "0A 0A 02 10 08 00 0000 FFFF 0000"});
  EXPECT_TRUE(run("15 10 0000 10 00", protect).good());
  clear(other);
  for (auto* nexus : {nexus_.get(), &other}) {
    Exchange x;
    start(*nexus, x, hex("2A 00 00000000 00 0001 00"), filled(kBlock, 'x'));
    expect_sense(x, kWriteProtected);
  }
  EXPECT_EQ(run("1A 08 0A 00 FF 00").data(),
            hex_of({"0F 00 90 00", "8A 0A 02 10 08 00 0000 FFFF 0000"}));
  EXPECT_TRUE(run("28 00 00000000 00 0001 00").good());
  EXPECT_TRUE(object_->seen().back().context.read_only);
  EXPECT_TRUE(run("15 10 0000 10 00", hex_of({"00 00 00 00", kControl})).good());
  EXPECT_TRUE(run("2A 00 00000000 00 0001 00", filled(kBlock, 'x')).good());
}

TEST_F(ModeTest, SelectTakesBackWhatSenseGave) {
  for (auto cdb : {"1A 00 3F 00 FF 00", "5A 10 3F 00 000000 00FF 00"}) {
    auto list = run(cdb).data();
    auto six = std::string_view(cdb).starts_with("1A");
    list[0] = list[1] = std::byte{0};
    auto select = hex(six ? "15 10 0000 00 00" : "55 10 0000000000 0000 00");
    select[six ? 4 : 8] = static_cast<std::byte>(list.size());
    EXPECT_TRUE(run(select, list).good());
  }
}

TEST_F(ModeTest, SelectRefusesTheWholeListForOneFault) {
  struct Case {
    std::string_view list;
    Sense sense;
    std::uint16_t byte;
  };
  for (auto [list, sense, byte] :
       {Case{"00000000 0A 0A 06 10 00 00 0000 FFFF 0000 08 12 00", kParameterListLength, 0},
        Case{"00000000 0A 0A 06 10 00 00 0000 FFFF 0000 00 00", kInvalidParameter, 16},
        Case{"00000000 0A 0A 06 10 04 00 0000 FFFF 0000", kInvalidParameter, 8},
        Case{"00000000 0A 0B 06 10 00 00 0000 FFFF 0000 00", kInvalidParameter, 5},
        Case{"00000004 00000000 0A 0A 06 10 00 00 0000 FFFF 0000", kInvalidParameter, 3},
        Case{"00000008 00008000 00001000 0A 0A 06 10 00 00 0000 FFFF 0000", kInvalidParameter, 8},
        Case{"00000008 00000001 00000200 0A 0A 06 10 00 00 0000 FFFF 0000", kInvalidParameter, 4},
        Case{"00000008 00000000", kParameterListLength, 0}}) {
    SCOPED_TRACE(list);
    auto bytes = hex(list);
    auto cdb = hex("15 10 0000 00 00");
    cdb[4] = static_cast<std::byte>(bytes.size());
    auto x = run(cdb, bytes);
    expect_sense(x, sense);
    if (sense == kInvalidParameter) {
      ASSERT_TRUE(x.sense().field);
      EXPECT_FALSE(x.sense().field->in_cdb);
      EXPECT_EQ(x.sense().field->byte, byte);
    }
    EXPECT_FALSE(unit_->descriptor_sense());
  }
}

TEST_F(ModeTest, SelectChecksItsCdb) {
  expect_field(run("15 00 0000 00 00"), 1, 4);
  expect_field(run("15 12 0000 00 00"), 1, 1);
  expect_sense(run("15 10 0000 03 00", hex("000000")), kParameterListLength);
  expect_sense(run("55 10 0000000000 0007 00", hex("00000000000000")), kParameterListLength);
  EXPECT_TRUE(run("15 10 0000 00 00").good());
  expect_sense(run("15 10 0000 10 00", hex("00000000")), kInvalidInformationUnit);
}

TEST_F(ModeTest, DescriptorSenseIsSaidToTheTransportAndInThePage) {
  EXPECT_FALSE(run("FF").task.descriptor_sense);
  EXPECT_TRUE(select(0x10, "0A 0A 06 10 00 00 0000 FFFF 0000").good());
  EXPECT_TRUE(run("FF").task.descriptor_sense);
  EXPECT_EQ(run("1A 08 0A 00 FF 00").data()[6], std::byte{0x06});
  EXPECT_FALSE(run("FF", {}, lun_address(9)).task.descriptor_sense);
}

// Saved values

TEST_F(ModeTest, CurrentValuesDoNotOutliveAReset) {
  EXPECT_TRUE(select(0x10, kDescriptorsAndProtection).good());
  EXPECT_EQ(control_page(kSaved), hex_of({kControlDefault})) << "nothing was saved";
  EXPECT_TRUE(nexus_->reset(0));
  clear(*nexus_);
  EXPECT_EQ(control_page(kCurrent), hex_of({kControlDefault}));
}

TEST_F(ModeTest, SavedValuesOutliveAReset) {
  EXPECT_TRUE(select(0x11, kDescriptorsAndProtection).good());
  EXPECT_EQ(control_page(kSaved), control_page(kCurrent));
  EXPECT_TRUE(select(0x10, "0A 0A 02 10 00 00 0000 FFFF 0000").good());
  EXPECT_NE(control_page(kSaved), control_page(kCurrent));
  EXPECT_TRUE(nexus_->reset(0));
  clear(*nexus_);
  EXPECT_EQ(control_page(kCurrent), hex_of({kSavedControl}));
  EXPECT_EQ(control_page(kDefault), hex_of({kControlDefault}));
}

TEST_F(ModeTest, SavingWithoutAPageSavesWhatIs) {
  EXPECT_TRUE(select(0x10, kDescriptorsAndProtection).good());
  EXPECT_TRUE(run("15 11 0000 00 00").good());
  EXPECT_EQ(control_page(kSaved), hex_of({kSavedControl}));
}

TEST_F(ModeTest, EveryPageCanBeSaved) {
  auto data = run("1A 08 3F FF FF 00").data();
  for (std::size_t at = 4; at < data.size();) {
    EXPECT_EQ(data[at] & std::byte{0x80}, std::byte{0x80});
    auto long_format = (data[at] & std::byte{0x40}) != std::byte{0};
    at += long_format ? 4 + load<be16>(std::span(data).subspan(at + 2))
                      : 2 + std::to_integer<std::size_t>(data[at + 1]);
    ASSERT_LE(at, data.size());
  }
}

TEST_F(ModeTest, TaskAbortedStatusIsTheUnits) {
  EXPECT_FALSE(unit_->task_aborted_status());
  EXPECT_TRUE(select(0x10, "0A 0A 02 10 00 40 0000 FFFF 0000").good());
  EXPECT_TRUE(unit_->task_aborted_status());
  EXPECT_EQ(control_page(kCurrent), hex_of({"8A 0A 02 10 00 40 0000 FFFF 0000"}));
}

TEST_F(ModeTest, WriteCacheEnableIsTheRealModeAndTheOthersHearOfIt) {
  Nexus other(identity(2), {{0, unit_}});
  clear(other);
  EXPECT_TRUE(select(0x10, "08 12 00 00 00000000000000000000000000000000").good());
  EXPECT_EQ(object_->cache_mode(), catalog::CacheMode::writethrough);
  EXPECT_EQ(object_->modes().saved().cache, catalog::CacheMode::writeback);
  EXPECT_EQ(run("1A 08 08 00 FF 00").data()[6], std::byte{0});
  EXPECT_EQ(run("1A 08 C8 00 FF 00").data()[6], std::byte{4});
  EXPECT_EQ(nexus_->pending(0), 0u);
  Exchange x;
  start(other, x, hex("00"));
  expect_sense(x, {SenseKey::unit_attention, 0x2a, 0x01});
  EXPECT_TRUE(select(0x11, "08 12 04 00 00000000000000000000000000000000").good());
  EXPECT_EQ(object_->cache_mode(), catalog::CacheMode::writeback);
}

TEST_F(ModeTest, ACacheThatIsAskedForIsTheSavedOne) {
  tests::MemoryObject::Setup setup;
  setup.cache = catalog::CacheMode::none;
  attach(setup);
  EXPECT_TRUE(select(0x10, "08 12 00 00 00000000000000000000000000000000").good());
  EXPECT_TRUE(select(0x10, "08 12 04 00 00000000000000000000000000000000").good());
  EXPECT_EQ(object_->cache_mode(), catalog::CacheMode::none);
}

TEST_F(ModeTest, NothingIsToldWhereNothingChanged) {
  Nexus other(identity(2), {{0, unit_}});
  clear(other);
  EXPECT_TRUE(select(0x10, kControlDefault).good());
  EXPECT_EQ(other.pending(0), 0u);
}

TEST_F(ModeTest, WhoChangesWhatIsSavedLeavesATrace) {
  EXPECT_TRUE(select(0x10, kDescriptorsAndProtection).good());
  EXPECT_TRUE(object_->noted().empty()) << "not saved";
  EXPECT_TRUE(select(0x11, kDescriptorsAndProtection).good());
  EXPECT_TRUE(select(0x11, kDescriptorsAndProtection).good());
  ASSERT_EQ(object_->noted().size(), 1u);
  EXPECT_TRUE(object_->noted()[0].starts_with("lun.modes_saved: MODE SELECT of host host ("));
}

TEST_F(ModeTest, WhatCannotBeKeptChangesNothing) {
  for (auto [error, status, sense] :
       {std::tuple{Error(block::BlockErrc::busy), Status::busy, Sense{}},
        {block::BlockErrc::offline, Status::check_condition, kManualIntervention},
        {make_error_code(Errc::unsupported), Status::check_condition, kSavingNotSupported},
        {make_error_code(Errc::io_error), Status::check_condition, kInternalTargetFailure}}) {
    object_->fail_modes(error);
    auto x = select(0x11, kDescriptorsAndProtection);
    EXPECT_EQ(x.status(), status);
    EXPECT_EQ(x.sense(), sense);
    EXPECT_FALSE(unit_->descriptor_sense());
  }
}

}  // namespace
}  // namespace caisson::scsi
