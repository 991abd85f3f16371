// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/map_header.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "snapshot/format/runs.hpp"
#include "storage_object/base/crc32c.hpp"
#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/format/files.hpp"

namespace caisson::snapshot {
namespace {

using ::testing::HasSubstr;

/// Puts a right checksum on a header a test has changed.
void seal(Bytes& bytes) {
  auto header = load<BlockHeader>(bytes);
  header.checksum = 0;
  store(std::span(bytes), header);
  header.checksum =
      crc32c(std::span(bytes).first(std::size_t{header.header_length} + header.payload_length));
  store(std::span(bytes), header);
}

Bytes changed(const std::function<void(BlockHeader&)>& change) {
  auto bytes = encode_map_header(example_header()).value();
  auto header = load<BlockHeader>(bytes);
  change(header);
  store(std::span(bytes), header);
  seal(bytes);
  return bytes;
}

TEST(MapHeader, ReadsBackWhatWasWritten) {
  auto header = example_header(Primitive::copy);
  header.group = *Uuid::parse("11111111-2222-4333-8444-555555555555");
  header.features = {.compatible = 5, .read_only_compatible = 6};
  auto bytes = encode_map_header(header).value();
  ASSERT_EQ(bytes.size(), kHeaderBlock);
  auto found = parse_map_header(bytes, kLabel).value().header;
  EXPECT_EQ(found.snapshot, header.snapshot);
  EXPECT_EQ(found.lun, header.lun);
  EXPECT_EQ(found.lun_name, "db");
  EXPECT_EQ(found.name, "noon");
  EXPECT_EQ(found.sequence, 7U);
  EXPECT_EQ(found.capacity, header.capacity);
  EXPECT_EQ(found.logical_block, 512U);
  EXPECT_EQ(found.physical_block, 4096U);
  EXPECT_EQ(found.primitive, Primitive::copy);
  EXPECT_EQ(found.unit, 4096U);
  EXPECT_EQ(found.cut_ms, header.cut_ms);
  EXPECT_EQ(found.group, header.group);
  EXPECT_EQ(found.features, header.features);
  EXPECT_EQ(encode_map_header(found).value(), bytes);
}

TEST(MapHeader, EveryFlippedByteIsNoticed) {
  const auto good = encode_map_header(example_header()).value();
  auto used = sizeof(BlockHeader) + load<BlockHeader>(good).payload_length;
  for (std::size_t i = 0; i < used; ++i) {
    auto bad = good;
    bad[i] ^= std::byte{0x04};
    auto reading = parse_map_header(bad, kLabel);
    ASSERT_FALSE(reading) << "byte " << i;
    EXPECT_EQ(reading.error().code, Errc::corrupt) << "byte " << i;
    EXPECT_THAT(reading.error().message, HasSubstr(kLabel));
  }
}

TEST(MapHeader, FieldsOfALaterVersionSurviveARewrite) {
  auto header = example_header();
  header.message.GetReflection()->MutableUnknownFields(&header.message)->AddVarint(99, 5);
  auto found = parse_map_header(encode_map_header(header).value(), kLabel).value().header;
  found.name = "renamed";
  auto again = parse_map_header(encode_map_header(found).value(), kLabel).value().header;
  const auto& unknown = again.message.GetReflection()->GetUnknownFields(again.message);
  ASSERT_EQ(unknown.field_count(), 1);
  EXPECT_EQ(unknown.field(0).varint(), 5U);
  EXPECT_EQ(again.name, "renamed");
  header.message.GetReflection()
      ->MutableUnknownFields(&header.message)
      ->AddLengthDelimited(100)
      ->assign(kHeaderBlock, 'x');
  EXPECT_EQ(encode_map_header(header).error().code, Errc::invalid_argument);
}

TEST(MapHeader, ALaterVersionAndItsFeaturesAreToldFromDamage) {
  auto code = [](const Bytes& bytes) { return parse_map_header(bytes, kLabel).error().code; };
  EXPECT_EQ(code(changed([](BlockHeader& h) { h.version = kVersion + 1; })), Errc::unsupported);
  EXPECT_EQ(code(changed([](BlockHeader& h) { h.incompatible = 4; })), Errc::unsupported);
  EXPECT_TRUE(parse_map_header(changed([](BlockHeader& h) { h.compatible = 4; }), kLabel));
  EXPECT_TRUE(
      parse_map_header(changed([](BlockHeader& h) { h.read_only_compatible = 4; }), kLabel));
  auto longer = changed([](BlockHeader& h) { h.version = kVersion + 1, h.header_length = 140; });
  EXPECT_EQ(code(longer), Errc::unsupported);
}

TEST(MapHeader, LengthsBeyondTheBlockAreDamage) {
  auto bytes = encode_map_header(example_header()).value();
  for (std::uint32_t length : {~0U, 4096U, 3969U}) {
    auto header = load<BlockHeader>(bytes);
    header.payload_length = length;
    store(std::span(bytes), header);
    EXPECT_EQ(parse_map_header(bytes, kLabel).error().code, Errc::corrupt);
  }
  EXPECT_EQ(parse_map_header(std::span(bytes).first(100), kLabel).error().code, Errc::corrupt);
  EXPECT_EQ(parse_map_header(Bytes(kHeaderBlock), kLabel).error().code, Errc::corrupt);
}

TEST(MapHeader, AnotherSnapshotsMessageIsNoHeader) {
  auto bytes = changed([](BlockHeader& h) { h.snapshot[3] ^= std::byte{1}; });
  EXPECT_EQ(parse_map_header(bytes, kLabel).error().code, Errc::corrupt);
}

TEST(MapHeader, WhatCannotBeIsRefusedByWriterAndReader) {
  const std::vector<std::function<void(MapHeader&)>> kinds = {
      [](MapHeader& h) { h.snapshot = {}; },
      [](MapHeader& h) { h.lun = {}; },
      [](MapHeader& h) { h.lun_name = "../x"; },
      [](MapHeader& h) { h.name = ""; },
      [](MapHeader& h) { h.sequence = 0; },
      [](MapHeader& h) { h.capacity = 0; },
      [](MapHeader& h) { h.capacity += 100; },
      [](MapHeader& h) { h.capacity = ~std::uint64_t{511}; },
      [](MapHeader& h) { h.logical_block = 0; },
      [](MapHeader& h) { h.logical_block = 8192; },
      [](MapHeader& h) { h.physical_block = 256; },
      [](MapHeader& h) { h.physical_block = 3 << 20; },
      [](MapHeader& h) { h.primitive = Primitive{}; },
      [](MapHeader& h) { h.primitive = Primitive::copy; },  // with a unit of 64 KiB
      [](MapHeader& h) { h.unit = 0; },
      [](MapHeader& h) { h.unit = 2048; },
      [](MapHeader& h) { h.unit = 3 * 4096; },
      [](MapHeader& h) { h.unit = std::uint64_t{1} << 31; },
      [](MapHeader& h) { h.capacity = 65536 * kMaxUnits + 512; },
  };
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    auto header = example_header();
    kinds[i](header);
    EXPECT_EQ(check(header).error().code, Errc::invalid_argument) << i;
    EXPECT_FALSE(encode_map_header(header)) << i;
  }
  auto bytes = changed([](BlockHeader&) {});
  pb::SnapshotHeader message;
  auto block = load<BlockHeader>(bytes);
  ASSERT_TRUE(message.ParseFromArray(bytes.data() + sizeof block,
                                     static_cast<int>(std::uint32_t{block.payload_length})));
  for (std::uint64_t capacity : {std::uint64_t{0}, ~std::uint64_t{511}}) {
    message.set_capacity(capacity);
    auto text = message.SerializeAsString();
    auto forged = encode_block(block, kMapMagic, std::as_bytes(std::span(text)));
    EXPECT_EQ(parse_map_header(forged, kLabel).error().code, Errc::corrupt);
  }
}

}  // namespace
}  // namespace caisson::snapshot
