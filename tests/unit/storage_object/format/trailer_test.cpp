// SPDX-License-Identifier: Apache-2.0
#include "storage_object/format/trailer.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "storage_object/base/crc32c.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::format {
namespace {

constexpr std::uint64_t kCapacity = 10 * 4096 + 512;

Slot example() {
  Slot slot;
  slot.generation = 7;
  slot.uuid = *Uuid::parse("00112233-4455-4677-8899-aabbccddeeff");
  slot.capacity = kCapacity;
  slot.message.set_name("db");
  slot.message.mutable_identity()->set_naa("3123456789abcdef");
  return slot;
}

std::vector<std::byte> slot_bytes(const Slot& slot, unsigned index) {
  std::vector<std::byte> bytes(kSlotSize);
  auto encoded = encode_slot(slot, index).value();
  std::memcpy(bytes.data(), encoded.data(), encoded.size());
  return bytes;
}

std::uint64_t position(unsigned index) { return slot_position(trailer_position(kCapacity), index); }

/// Puts a right checksum on a header a test has changed.
void seal(std::vector<std::byte>& bytes) {
  auto header = load<SlotHeader>(bytes);
  header.checksum = 0;
  store(std::span(bytes), header);
  auto length = std::size_t{header.header_length} + header.payload_length;
  header.checksum = crc32c(std::span(bytes).first(length));
  store(std::span(bytes), header);
}

TEST(TrailerPosition, FollowsTheCapacityPaddedTo4096) {
  EXPECT_EQ(trailer_position(4096), 4096u);
  EXPECT_EQ(trailer_position(4097), 8192u);
  EXPECT_EQ(container_length(512), 4096u + 131072u);
  EXPECT_EQ(slot_position(8192, 1), 8192u + 65536u);
}

TEST(TrailerPosition, ComesFromALengthOnlyIfAContainerCanHaveIt) {
  EXPECT_EQ(trailer_position_in(container_length(kCapacity)), trailer_position(kCapacity));
  EXPECT_FALSE(trailer_position_in(kTrailerSize));
  EXPECT_FALSE(trailer_position_in(0));
  EXPECT_FALSE(trailer_position_in(kTrailerSize + 4096 + 1));
}

TEST(TrailerSlot, ReadsBackWhatWasWritten) {
  auto reading = parse_slot(slot_bytes(example(), 1), position(1));
  ASSERT_EQ(reading.defect, SlotDefect::none);
  EXPECT_EQ(reading.slot.generation, 7u);
  EXPECT_EQ(reading.slot.uuid, example().uuid);
  EXPECT_EQ(reading.slot.capacity, kCapacity);
  EXPECT_EQ(reading.slot.message.name(), "db");
  EXPECT_EQ(reading.slot.message.capacity(), kCapacity);
}

TEST(TrailerSlot, EveryFlippedByteOfHeaderAndPayloadIsNoticed) {
  const auto good = slot_bytes(example(), 0);
  auto header = load<SlotHeader>(good);
  for (std::size_t i = 0; i < sizeof(SlotHeader) + header.payload_length; ++i)
    for (auto mask : {std::byte{0x01}, std::byte{0x80}, std::byte{0xff}}) {
      auto bad = good;
      bad[i] ^= mask;
      auto defect = parse_slot(bad, position(0)).defect;
      EXPECT_TRUE(defect == SlotDefect::damaged || defect == SlotDefect::absent) << "byte " << i;
    }
}

TEST(TrailerSlot, IsBelievedOnlyWhereItSaysItStands) {
  auto bytes = slot_bytes(example(), 0);
  EXPECT_EQ(parse_slot(bytes, position(1)).defect, SlotDefect::misplaced);
  EXPECT_EQ(parse_slot(bytes, position(0) + 4096).defect, SlotDefect::misplaced);
}

TEST(TrailerSlot, ACapacityWhoseTrailerStandsElsewhereIsNonsense) {
  auto bytes = slot_bytes(example(), 0);
  auto header = load<SlotHeader>(bytes);
  header.capacity = kCapacity + 8192;
  store(std::span(bytes), header);
  seal(bytes);
  EXPECT_EQ(parse_slot(bytes, position(0)).defect, SlotDefect::nonsense);
}

TEST(TrailerSlot, AMessageOfAnotherObjectUnderThisHeaderIsNonsense) {
  auto bytes = slot_bytes(example(), 0);
  auto header = load<SlotHeader>(bytes);
  header.uuid[3] ^= std::byte{1};
  store(std::span(bytes), header);
  seal(bytes);
  EXPECT_EQ(parse_slot(bytes, position(0)).defect, SlotDefect::nonsense);
}

TEST(TrailerSlot, ALaterVersionIsToldFromDamage) {
  auto bytes = slot_bytes(example(), 0);
  auto header = load<SlotHeader>(bytes);
  header.version = kVersion + 1;
  header.header_length = 256;
  header.payload_length = 16;
  store(std::span(bytes), header);
  seal(bytes);
  EXPECT_EQ(parse_slot(bytes, position(0)).defect, SlotDefect::version);
}

TEST(TrailerSlot, LengthsBeyondTheSlotAreDamageNotAReadBeyondIt) {
  auto bytes = slot_bytes(example(), 0);
  auto header = load<SlotHeader>(bytes);
  header.payload_length = 0xffffffff;
  store(std::span(bytes), header);
  EXPECT_EQ(parse_slot(bytes, position(0)).defect, SlotDefect::damaged);
  EXPECT_EQ(parse_slot(std::span(bytes).first(100), position(0)).defect, SlotDefect::damaged);
}

TEST(TrailerSlot, ZerosAreNoSlot) {
  std::vector<std::byte> zeros(kSlotSize);
  EXPECT_EQ(parse_slot(zeros, position(0)).defect, SlotDefect::absent);
}

TEST(TrailerSlot, FieldsOfALaterVersionSurviveARewrite) {
  auto slot = example();
  auto& reflection = *slot.message.GetReflection();
  reflection.MutableUnknownFields(&slot.message)->AddLengthDelimited(40)->assign("members");
  auto& identity = *slot.message.mutable_identity();
  identity.GetReflection()->MutableUnknownFields(&identity)->AddVarint(99, 5);

  auto first = parse_slot(slot_bytes(slot, 0), position(0)).slot;
  first.message.set_name("renamed");
  auto second = parse_slot(slot_bytes(first, 1), position(1)).slot;

  const auto& unknown = reflection.GetUnknownFields(second.message);
  ASSERT_EQ(unknown.field_count(), 1);
  EXPECT_EQ(unknown.field(0).number(), 40);
  EXPECT_EQ(unknown.field(0).length_delimited(), "members");
  EXPECT_EQ(identity.GetReflection()->GetUnknownFields(second.message.identity()).field(0).varint(),
            5u);
  EXPECT_EQ(second.message.name(), "renamed");
}

TEST(TrailerSlot, UnknownFeatureBitsSurviveARewrite) {
  auto slot = example();
  slot.features = {.compatible = 1u << 31, .read_only_compatible = 2, .incompatible = 4};
  EXPECT_EQ(parse_slot(slot_bytes(slot, 0), position(0)).slot.features, slot.features);
}

TEST(TrailerSlot, AMessageTooLargeForASlotIsRefused) {
  auto slot = example();
  slot.message.mutable_location()->set_text(std::string(kMaxPayload, 'x'));
  auto encoded = encode_slot(slot, 0);
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().code, Errc::no_space);
}

TEST(TrailerFeatures, UnknownBitsDecideHowTheObjectIsServed) {
  EXPECT_EQ(compatibility({}), Compatibility::full);
  EXPECT_EQ(compatibility({.compatible = ~0ull}), Compatibility::full);
  EXPECT_EQ(compatibility({.read_only_compatible = 1}), Compatibility::read_only);
  EXPECT_EQ(compatibility({.read_only_compatible = 1, .incompatible = 1ull << 63}),
            Compatibility::none);
}

}  // namespace
}  // namespace caisson::format
