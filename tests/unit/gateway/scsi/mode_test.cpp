// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

// 16 MiB of 512-byte blocks: 0x8000 of them.
constexpr auto kCaching = "08 12 04 00 0000 0000 0000 0000 0000 0000 0000 0000";
constexpr auto kControl = "0A 0A 02 10 00 00 0000 FFFF 0000";
constexpr auto kExceptions = "1C 0A 08 00 00000000 00000000";

class ModeTest : public ScsiTest {
 protected:
  static Bytes hex_of(std::initializer_list<std::string_view> parts) {
    std::string all;
    for (auto part : parts) all += part;
    return hex(all);
  }
};

TEST_F(ModeTest, AllPagesSixBytes) {
  EXPECT_EQ(run("1A 00 3F 00 FF 00").data(),
            hex_of({"37 00 10 08  00008000 00 000200", kCaching, kControl, kExceptions}));
}

TEST_F(ModeTest, AllPagesTenBytes) {
  EXPECT_EQ(run("5A 00 3F 00 000000 00FF 00").data(),
            hex_of({"003A 00 10 00 00 0008  00008000 00 000200", kCaching, kControl, kExceptions}));
}

TEST_F(ModeTest, AllSubpagesAreTheSame) {
  EXPECT_EQ(run("1A 00 3F FF FF 00").data(), run("1A 00 3F 00 FF 00").data());
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

TEST_F(ModeTest, ChangeableMasksAreClear) {
  EXPECT_EQ(run("1A 08 7F 00 FF 00").data(),
            hex_of({"2F 00 10 00", "08 12 0000 0000 0000 0000 0000 0000 0000 0000 0000",
                    "0A 0A 0000 0000 0000 0000 0000", "1C 0A 0000 00000000 00000000"}));
}

TEST_F(ModeTest, DefaultsAreTheCurrentValues) {
  EXPECT_EQ(run("1A 00 BF 00 FF 00").data(), run("1A 00 3F 00 FF 00").data());
}

TEST_F(ModeTest, SavedValuesAreNotSupported) {
  expect_sense(run("1A 00 FF 00 FF 00"), kSavingNotSupported);
}

TEST_F(ModeTest, UnknownPageAndSubpage) {
  expect_field(run("1A 00 02 00 FF 00"), 2, 5);
  expect_field(run("1A 00 08 01 FF 00"), 3, 7);
  expect_field(run("5A 00 00 00 000000 00FF 00"), 2, 5);
}

TEST_F(ModeTest, WriteCacheFollowsTheRealMode) {
  for (auto [mode, flags] : {std::pair{catalog::CacheMode::writeback, 4},
                             {catalog::CacheMode::none, 4},
                             {catalog::CacheMode::writethrough, 0}}) {
    object_->setup().cache = mode;
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
  EXPECT_EQ(x.data(), hex("37 00 10 08"));
}

TEST_F(ModeTest, DescriptorSenseIsSaidToTheTransportAndInThePage) {
  EXPECT_FALSE(run("FF").task.descriptor_sense);
  unit_->set_descriptor_sense(true);
  EXPECT_TRUE(run("FF").task.descriptor_sense);
  EXPECT_EQ(run("1A 08 0A 00 FF 00").data()[6], std::byte{0x06});
  EXPECT_FALSE(run("FF", {}, lun_address(9)).task.descriptor_sense);
}

}  // namespace
}  // namespace caisson::scsi
