// SPDX-License-Identifier: Apache-2.0
#include "storage_object/format/trailer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "storage_object/base/crc32c.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::format {
namespace {

std::array<std::byte, 8> magic() { return std::bit_cast<std::array<std::byte, 8>>(kMagic); }

/// CRC32C of a slot's header and payload with the checksum field taken as zero.
std::uint32_t checksum(std::span<const std::byte> header_and_payload) {
  constexpr auto kField = offsetof(SlotHeader, checksum);
  constexpr std::array<std::byte, sizeof(le32)> kZero{};
  auto sum = crc32c(header_and_payload.first(kField));
  return crc32c(header_and_payload.subspan(sizeof(SlotHeader)), crc32c(kZero, sum));
}

/// True if slot 0 or 1 of an object of this capacity stands at `position`.
bool stands_at(std::uint64_t capacity, std::uint64_t position) {
  if (capacity == 0 || capacity > kMaxCapacity) return false;
  auto trailer = trailer_position(capacity);
  return position == slot_position(trailer, 0) || position == slot_position(trailer, 1);
}

bool agrees(const pb::Trailer& message, const SlotHeader& header) {
  const auto& uuid = message.identity().uuid();
  return message.capacity() == header.capacity && uuid.size() == header.uuid.size() &&
         std::memcmp(uuid.data(), header.uuid.data(), uuid.size()) == 0;
}

SlotDefect judge(const SlotHeader& header, std::span<const std::byte> bytes,
                 std::uint64_t position) {
  if (header.magic != magic()) return SlotDefect::absent;
  if (header.header_length < sizeof header || header.header_length > bytes.size() ||
      header.payload_length > bytes.size() - header.header_length)
    return SlotDefect::damaged;
  auto covered = bytes.first(std::size_t{header.header_length} + header.payload_length);
  if (checksum(covered) != header.checksum) return SlotDefect::damaged;
  if (header.version != kVersion || header.header_length != sizeof header)
    return SlotDefect::version;
  if (header.position != position) return SlotDefect::misplaced;
  if (header.generation == 0 || !stands_at(header.capacity, position)) return SlotDefect::nonsense;
  return SlotDefect::none;
}

}  // namespace

std::string_view to_string(SlotDefect defect) noexcept {
  switch (defect) {
    case SlotDefect::none: return "valid";
    case SlotDefect::absent: return "absent";
    case SlotDefect::version: return "of a later version";
    case SlotDefect::damaged: return "damaged";
    case SlotDefect::misplaced: return "of another position";
    case SlotDefect::nonsense: return "contradicting itself";
  }
  return "unknown";
}

SlotReading parse_slot(std::span<const std::byte> bytes, std::uint64_t position) {
  SlotReading reading;
  if (bytes.size() < sizeof(SlotHeader)) return {SlotDefect::damaged, {}};
  auto header = load<SlotHeader>(bytes);
  reading.defect = judge(header, bytes, position);
  if (reading.defect != SlotDefect::none) return reading;
  auto payload = bytes.subspan(sizeof header, header.payload_length);
  auto& slot = reading.slot;
  if (!slot.message.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ||
      !agrees(slot.message, header))
    return {SlotDefect::nonsense, {}};
  slot.generation = header.generation;
  slot.uuid.bytes = header.uuid;
  slot.capacity = header.capacity;
  slot.features = {header.compatible, header.read_only_compatible, header.incompatible};
  return reading;
}

Outcome<Buffer> encode_slot(const Slot& slot, unsigned index) {
  auto message = slot.message;
  message.mutable_identity()->set_uuid(slot.uuid.bytes.data(), slot.uuid.bytes.size());
  message.set_capacity(slot.capacity);
  auto payload = message.SerializeAsString();
  if (payload.size() > kMaxPayload)
    return failure(Errc::no_space,
                   fmt::format("the attributes of LUN '{}' need {} bytes, a trailer slot holds {}",
                               message.name(), payload.size(), kMaxPayload),
                   "remove grants or reservations of it");
  SlotHeader header{};
  header.magic = magic();
  header.version = kVersion;
  header.header_length = sizeof header;
  header.payload_length = static_cast<std::uint32_t>(payload.size());
  header.generation = slot.generation;
  header.uuid = slot.uuid.bytes;
  header.capacity = slot.capacity;
  header.position = slot_position(trailer_position(slot.capacity), index);
  header.compatible = slot.features.compatible;
  header.read_only_compatible = slot.features.read_only_compatible;
  header.incompatible = slot.features.incompatible;
  auto used = sizeof header + payload.size();
  Buffer buffer((used + kPadding - 1) / kPadding * kPadding);
  std::ranges::fill(buffer.span(), std::byte{0});
  store(buffer.span(), header);
  std::memcpy(buffer.data() + sizeof header, payload.data(), payload.size());
  header.checksum = checksum(buffer.span().first(used));
  store(buffer.span(), header);
  return buffer;
}

Compatibility compatibility(const FeatureBits& features) noexcept {
  if (features.incompatible & ~kKnownFeatures.incompatible) return Compatibility::none;
  if (features.read_only_compatible & ~kKnownFeatures.read_only_compatible)
    return Compatibility::read_only;
  return Compatibility::full;
}

}  // namespace caisson::format
