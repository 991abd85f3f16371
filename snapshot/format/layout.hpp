// SPDX-License-Identifier: Apache-2.0
// The bytes of maps and segments (docs/format/snapshot.md). Little-endian. Pure
// functions over bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage_object/base/byte_order.hpp"
#include "storage_object/base/result.hpp"
#include "storage_object/base/uuid.hpp"

namespace caisson::snapshot {

inline constexpr std::size_t kHeaderBlock = 4096;  ///< bytes that a file's header takes
inline constexpr std::uint16_t kVersion = 1;

using Magic = std::array<unsigned char, 8>;
inline constexpr Magic kMapMagic{0xca, 0x15, 0x50, 0x4e, 'M', 'P', 0x00, 0xff};
inline constexpr Magic kSegmentMagic{0xca, 0x15, 0x50, 0x4e, 'P', 'I', 0x00, 0xff};

/// The start of either file. The first 16 bytes and the checksum stand in the same
/// place in every version, so that a later one is told from damage.
struct BlockHeader {
  std::array<std::byte, 8> magic;
  le16 version;
  le16 header_length;   ///< sizeof(BlockHeader)
  le32 payload_length;  ///< bytes of protobuf behind this header; 0 in a segment
  std::array<std::byte, 16> snapshot;
  le64 compatible, read_only_compatible, incompatible;  ///< feature bits
  le32 number;                                          ///< of a segment; 0 in a map
  std::array<std::byte, 64> reserved;                   ///< zero
  le32 checksum;  ///< CRC32C of header (this field zero) and payload
};
static_assert(WireLayout<BlockHeader> && sizeof(BlockHeader) == 128);
static_assert(offsetof(BlockHeader, compatible) == 32 && offsetof(BlockHeader, number) == 56);
static_assert(offsetof(BlockHeader, checksum) == 124);
inline constexpr std::size_t kMaxHeaderPayload = kHeaderBlock - sizeof(BlockHeader);

/// A record of a map; its payload follows at once.
struct RecordHeader {
  le32 payload_length;  ///< at most kMaxRecordPayload
  le16 kind;
  le16 reserved;  ///< zero, not looked at
  le32 checksum;  ///< CRC32C of: the checksum before, this header (this field zero), payload
};
static_assert(WireLayout<RecordHeader> && sizeof(RecordHeader) == 12);
static_assert(offsetof(RecordHeader, checksum) == 8);
inline constexpr std::size_t kMaxRecordPayload = 64 * 1024;
inline constexpr std::size_t kMaxRecord = sizeof(RecordHeader) + kMaxRecordPayload;

/// Where no valid record stands at the end of the last one, the next multiple of this
/// is looked at: there a writer goes on whose store is full.
inline constexpr std::uint64_t kRecordBlock = 4096;

/// An entry of a segment; 4096 bytes of data follow unless it is zeros.
struct EntryHeader {
  le32 magic;
  le32 flags;                          ///< one of kEntryData, kEntryZeros
  le64 block;                          ///< of 4 KiB
  le64 number;                         ///< of the entry in its segment, from 0
  std::array<std::byte, 32> reserved;  ///< zero, not looked at
  le32 previous;                       ///< checksum of the entry before, or of the header block
  le32 checksum;                       ///< CRC32C of this header (this field zero) and data
};
static_assert(WireLayout<EntryHeader> && sizeof(EntryHeader) == 64);
static_assert(offsetof(EntryHeader, block) == 8 && offsetof(EntryHeader, previous) == 56);
inline constexpr std::uint32_t kEntryMagic = 0x45495043;  // "CPIE"
inline constexpr std::uint32_t kEntryData = 1;
inline constexpr std::uint32_t kEntryZeros = 2;

/// What a header block holds.
struct HeaderBlock {
  BlockHeader header;
  std::span<const std::byte> payload;  ///< within the bytes that were parsed
};

/// Judges the first kHeaderBlock bytes of a file; Errc::corrupt where they are no
/// header with this magic, Errc::unsupported where a later version wrote it or it
/// uses an incompatible feature that is not known. `label` names the file, `what` the
/// noun: "capture map".
Outcome<HeaderBlock> parse_block(std::span<const std::byte> bytes, const Magic& magic,
                                 const std::string& label, const char* what);

/// kHeaderBlock bytes with the header, its magic, version, lengths and checksum set,
/// and the payload, of kMaxHeaderPayload bytes at most.
std::vector<std::byte> encode_block(BlockHeader header, const Magic& magic,
                                    std::span<const std::byte> payload = {});

/// A record that checks.
struct RawRecord {
  std::uint16_t kind = 0;
  std::span<const std::byte> payload;  ///< within the bytes that were parsed
  std::uint32_t checksum = 0;          ///< the next one's chain
  std::size_t length() const noexcept { return sizeof(RecordHeader) + payload.size(); }
};

/// The record at the beginning of `bytes` behind the one whose checksum is `chain`;
/// nullopt where none stands, or not all of it.
std::optional<RawRecord> parse_record(std::span<const std::byte> bytes, std::uint32_t chain);

/// Appends a record to `out` and returns its checksum. `payload` has
/// kMaxRecordPayload bytes at most.
std::uint32_t encode_record(std::vector<std::byte>& out, std::uint32_t chain, std::uint16_t kind,
                            std::span<const std::byte> payload);

/// An entry that checks.
struct RawEntry {
  EntryHeader header;
  std::span<const std::byte> data;  ///< within the bytes that were parsed; empty: zeros
};

/// The entry at the beginning of `bytes`; nullopt where none stands, or not all of it.
/// Where it stands and what it follows is the caller's to compare.
std::optional<RawEntry> parse_entry(std::span<const std::byte> bytes);

/// The header of an entry. `data` has 4096 bytes, or none: zeros.
EntryHeader encode_entry(std::uint64_t block, std::uint64_t number, std::uint32_t previous,
                         std::span<const std::byte> data);

}  // namespace caisson::snapshot
