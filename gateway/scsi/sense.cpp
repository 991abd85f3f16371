// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/sense.hpp"

#include <algorithm>

#include "gateway/scsi/sense_table.hpp"
#include "storage_object/base/byte_order.hpp"

namespace caisson::scsi {
namespace {

using u8 = std::uint8_t;

struct FixedSense {  // SPC-4 4.5.3
  u8 response, obsolete, key;
  be32 information;
  u8 additional_length;
  be32 command_specific;
  u8 asc, ascq, fru;
  std::array<u8, 3> specific;
};
static_assert(sizeof(FixedSense) == 18 && offsetof(FixedSense, asc) == 12);

struct DescriptorSense {  // SPC-4 4.5.2.1
  u8 response, key, asc, ascq;
  std::array<u8, 3> reserved;
  u8 additional_length;
};
static_assert(sizeof(DescriptorSense) == 8);

struct InformationDescriptor {  // SPC-4 4.5.2.2
  u8 type, additional_length, valid, reserved;
  be64 information;
};
static_assert(sizeof(InformationDescriptor) == 12);

struct SpecificDescriptor {  // SPC-4 4.5.2.4
  u8 type, additional_length;
  be16 reserved;
  std::array<u8, 3> specific;
  u8 reserved7;
};
static_assert(sizeof(SpecificDescriptor) == 8);

constexpr u8 kFixedCurrent = 0x70, kDescriptorCurrent = 0x72, kValid = 0x80;
constexpr u8 kSpecificValid = 0x80, kInCdb = 0x40, kBitValid = 0x08;

std::array<u8, 3> specific(const Sense& sense) {
  if (sense.progress)
    return {kSpecificValid, static_cast<u8>(*sense.progress >> 8),
            static_cast<u8>(*sense.progress)};
  if (!sense.field) return {};
  const auto& field = *sense.field;
  u8 flags = kSpecificValid;
  if (field.in_cdb) flags |= kInCdb;
  if (field.bit) flags |= kBitValid | (*field.bit & 7);
  return {flags, static_cast<u8>(field.byte >> 8), static_cast<u8>(field.byte)};
}

std::size_t encode_fixed(const Sense& sense, std::span<std::byte> out) {
  FixedSense fixed{};
  fixed.response = kFixedCurrent;
  if (sense.information && *sense.information <= 0xffffffff) {
    fixed.response |= kValid;
    fixed.information = static_cast<std::uint32_t>(*sense.information);
  }
  fixed.key = static_cast<u8>(sense.key);
  fixed.additional_length = sizeof fixed - 8;
  fixed.asc = sense.asc;
  fixed.ascq = sense.ascq;
  fixed.specific = specific(sense);
  store(out, fixed);
  return sizeof fixed;
}

std::size_t encode_descriptors(const Sense& sense, std::span<std::byte> out) {
  auto length = sizeof(DescriptorSense);
  if (sense.information) {
    store(out.subspan(length), InformationDescriptor{0x00, 0x0a, kValid, 0, *sense.information});
    length += sizeof(InformationDescriptor);
  }
  if (sense.field || sense.progress) {
    store(out.subspan(length), SpecificDescriptor{0x02, 0x06, 0, specific(sense), 0});
    length += sizeof(SpecificDescriptor);
  }
  store(out, DescriptorSense{kDescriptorCurrent,
                             static_cast<u8>(sense.key),
                             sense.asc,
                             sense.ascq,
                             {},
                             static_cast<u8>(length - sizeof(DescriptorSense))});
  return length;
}

using enum block::BlockErrc;

constexpr SenseRow kSense[] = {
    {out_of_range, Status::check_condition, {SenseKey::illegal_request, 0x21, 0x00}},
    {misaligned, Status::check_condition, {SenseKey::illegal_request, 0x24, 0x00}},
    {no_space, Status::check_condition, {SenseKey::data_protect, 0x27, 0x07}},
    {medium_error, Status::check_condition, {SenseKey::medium_error, 0x11, 0x00}},
    {write_error, Status::check_condition, {SenseKey::medium_error, 0x0c, 0x00}},
    {failed, Status::check_condition, {SenseKey::hardware_error, 0x44, 0x00}},
    {write_protected, Status::check_condition, {SenseKey::data_protect, 0x27, 0x00}},
    {offline, Status::check_condition, {SenseKey::not_ready, 0x04, 0x03}},
    {fenced, Status::check_condition, {SenseKey::not_ready, 0x04, 0x0c}},
    {conflict, Status::reservation_conflict, {}},
    {busy, Status::busy, {}},
    {aborted, Status::check_condition, {SenseKey::aborted_command, 0x00, 0x06}},
    {miscompare, Status::check_condition, {SenseKey::miscompare, 0x1d, 0x00}},
    {unsupported, Status::check_condition, {SenseKey::illegal_request, 0x24, 0x00}},
};

/// What no row names is a fault of ours: INTERNAL TARGET FAILURE.
constexpr SenseRow kUnknown{
    failed, Status::check_condition, {SenseKey::hardware_error, 0x44, 0x00}};

}  // namespace

std::size_t encode(const Sense& sense, bool descriptor, std::span<std::byte, kMaxSense> out) {
  return descriptor ? encode_descriptors(sense, out) : encode_fixed(sense, out);
}

std::span<const SenseRow> sense_table() noexcept { return kSense; }

const SenseRow& sense_row(const Error& error) noexcept {
  if (error.category() != block::block_category()) return kUnknown;
  auto code = static_cast<block::BlockErrc>(error.value());
  const auto* row = std::ranges::find(kSense, code, &SenseRow::code);
  return row == std::end(kSense) ? kUnknown : *row;
}

Sense sense_for(const Error& error) { return sense_row(error).sense; }

}  // namespace caisson::scsi
