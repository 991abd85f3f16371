// SPDX-License-Identifier: Apache-2.0
// The bytes behind a container's data area: where the trailer stands, what a
// slot looks like, and when one may be believed. Pure functions over bytes;
// who reads and writes them, in which order, is object/'s. The page is
// docs/format/container.md.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "storage_object/base/buffer.hpp"
#include "storage_object/base/byte_order.hpp"
#include "storage_object/base/result.hpp"
#include "storage_object/base/uuid.hpp"
#include "storage_object/format/trailer.pb.h"

namespace caisson::format {

inline constexpr std::uint64_t kPadding = 4096;  ///< capacity is padded to a multiple of it
inline constexpr std::uint64_t kSlotSize = 64 * 1024;
inline constexpr unsigned kSlots = 2;
inline constexpr std::uint64_t kTrailerSize = kSlots * kSlotSize;
/// Largest capacity, bytes: keeps every position far below the owner lock's byte.
inline constexpr std::uint64_t kMaxCapacity = std::uint64_t{1} << 60;
inline constexpr std::uint16_t kVersion = 1;

/// Where the trailer of an object of this capacity begins. capacity <= kMaxCapacity.
constexpr std::uint64_t trailer_position(std::uint64_t capacity) noexcept {
  return (capacity + kPadding - 1) / kPadding * kPadding;
}
/// How long its container is.
constexpr std::uint64_t container_length(std::uint64_t capacity) noexcept {
  return trailer_position(capacity) + kTrailerSize;
}
/// Where slot `slot` (0 or 1) of a trailer at `trailer` begins.
constexpr std::uint64_t slot_position(std::uint64_t trailer, unsigned slot) noexcept {
  return trailer + slot * kSlotSize;
}
/// The only place where a container of this length may have its trailer;
/// nullopt when no container has such a length.
constexpr std::optional<std::uint64_t> trailer_position_in(std::uint64_t length) noexcept {
  if (length <= kTrailerSize || length % kPadding != 0) return std::nullopt;
  return length - kTrailerSize;
}

/// Features a writer used. An unknown bit means: compatible, ignore and keep;
/// read_only_compatible, serve read-only and never rewrite; incompatible, do
/// not serve.
struct FeatureBits {
  std::uint64_t compatible = 0;
  std::uint64_t read_only_compatible = 0;
  std::uint64_t incompatible = 0;

  auto operator<=>(const FeatureBits&) const = default;
};
inline constexpr FeatureBits kKnownFeatures{};  // version 1 defines none

/// The start of a slot; the payload follows at once. Little-endian. In every
/// version the first 16 bytes and the checksum stand where they stand here, so
/// that a slot of a later version is told from a damaged one.
struct SlotHeader {
  std::array<std::byte, 8> magic;
  le16 version;
  le16 header_length;   ///< sizeof(SlotHeader)
  le32 payload_length;  ///< bytes of protobuf behind the header
  le64 generation;      ///< the higher of two valid slots rules; from 1
  std::array<std::byte, 16> uuid;
  le64 capacity;  ///< bytes a host sees
  le64 position;  ///< of this slot in its file
  le64 compatible, read_only_compatible, incompatible;
  std::array<std::byte, 44> reserved;  ///< zero
  le32 checksum;                       ///< CRC32C of header (this field zero) and payload
};
static_assert(WireLayout<SlotHeader> && sizeof(SlotHeader) == 128);
static_assert(offsetof(SlotHeader, generation) == 16 && offsetof(SlotHeader, capacity) == 40);
static_assert(offsetof(SlotHeader, compatible) == 56 && offsetof(SlotHeader, checksum) == 124);

/// Bytes 0 to 7 of a slot. Not UTF-8 and with a zero inside, so that no text
/// field can hold it.
inline constexpr std::array<unsigned char, 8> kMagic{0xca, 0x15, 0x50, 0x4e, 'T', 'R', 0x00, 0xff};
inline constexpr std::size_t kMaxPayload = kSlotSize - sizeof(SlotHeader);

/// What a slot says.
struct Slot {
  std::uint64_t generation = 0;
  Uuid uuid;
  std::uint64_t capacity = 0;
  FeatureBits features;
  pb::Trailer message;  ///< with the fields this version does not know
};

/// Why bytes are not a slot that stands where it claims to.
enum class SlotDefect : std::uint8_t {
  none,
  absent,     ///< no magic: never written, or cleared
  version,    ///< checksum right, of a later layout: only later software may judge
  damaged,    ///< lengths or checksum are wrong: torn or rotten
  misplaced,  ///< of another position: copied, or forged
  nonsense,   ///< checksum right, content contradicts itself
};
std::string_view to_string(SlotDefect defect) noexcept;

struct SlotReading {
  SlotDefect defect = SlotDefect::absent;
  Slot slot;  ///< with SlotDefect::none only
};

/// Judges the kSlotSize bytes found at `position`. Believes nothing: a slot
/// must bind its own position, a capacity whose trailer stands there, and a
/// message that agrees with the header. The caller compares UUID and capacity
/// with what it knows.
SlotReading parse_slot(std::span<const std::byte> bytes, std::uint64_t position);

/// The bytes of a slot for slot number `index` of its capacity's trailer: a
/// multiple of 4096, zero-padded, aligned. uuid and capacity of the message are
/// set from the slot. Errc::no_space when the message exceeds kMaxPayload.
Outcome<Buffer> encode_slot(const Slot& slot, unsigned index);

/// How an object with these features may be served.
enum class Compatibility : std::uint8_t { full, read_only, none };
Compatibility compatibility(const FeatureBits& features) noexcept;

}  // namespace caisson::format
