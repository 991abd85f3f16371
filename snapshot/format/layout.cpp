// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/layout.hpp"

#include <fmt/format.h>

#include <bit>

#include "snapshot/format/map_header.hpp"
#include "snapshot/format/pre_image.hpp"
#include "storage_object/base/crc32c.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

/// CRC32C of a layout with its checksum field taken as zero, continued over `rest`.
template <class Layout>
std::uint32_t checksum(Layout header, std::span<const std::byte> rest, std::uint32_t before = 0) {
  header.checksum = 0;
  return crc32c(rest, crc32c(bytes_of(header), before));
}

std::uint32_t record_checksum(const RecordHeader& header, std::span<const std::byte> payload,
                              std::uint32_t chain) {
  const le32 previous(chain);
  return checksum(header, payload, crc32c(bytes_of(previous)));
}

Failure damaged(const std::string& label, const char* what, const char* how) {
  return failure(Errc::corrupt, fmt::format("{}: {} a {}", label, how, what),
                 "restore the file, or delete the snapshot");
}

/// The checksum of every version: header and payload, wherever that header ends.
bool checks(const BlockHeader& header, std::span<const std::byte> bytes) {
  auto length = std::size_t{header.header_length};
  if (length < sizeof header || length > bytes.size() ||
      header.payload_length > bytes.size() - length)
    return false;
  auto rest = bytes.first(length + header.payload_length).subspan(sizeof header);
  return checksum(header, rest) == header.checksum;
}

}  // namespace

Outcome<HeaderBlock> parse_block(std::span<const std::byte> bytes, const Magic& magic,
                                 const std::string& label, const char* what) {
  if (bytes.size() < kHeaderBlock) return damaged(label, what, "too short for");
  bytes = bytes.first(kHeaderBlock);
  auto header = load<BlockHeader>(bytes);
  if (header.magic != std::bit_cast<std::array<std::byte, 8>>(magic))
    return damaged(label, what, "is not");
  if (!checks(header, bytes)) return damaged(label, what, "has a damaged header, of");
  if (header.version != kVersion || header.header_length != sizeof header ||
      (header.incompatible & ~kKnownFeatures.incompatible) != 0)
    return failure(Errc::unsupported, fmt::format("{}: a later version wrote this {}", label, what),
                   "use it with that version");
  return HeaderBlock{header, bytes.subspan(sizeof header, header.payload_length)};
}

std::vector<std::byte> encode_block(BlockHeader header, const Magic& magic,
                                    std::span<const std::byte> payload) {
  header.magic = std::bit_cast<std::array<std::byte, 8>>(magic);
  header.version = kVersion;
  header.header_length = sizeof header;
  header.payload_length = static_cast<std::uint32_t>(payload.size());
  header.checksum = checksum(header, payload);
  std::vector<std::byte> bytes(kHeaderBlock);
  store(std::span(bytes), header);
  std::ranges::copy(payload, bytes.begin() + sizeof header);
  return bytes;
}

std::optional<RawRecord> parse_record(std::span<const std::byte> bytes, std::uint32_t chain) {
  if (bytes.size() < sizeof(RecordHeader)) return std::nullopt;
  auto header = load<RecordHeader>(bytes);
  auto rest = bytes.subspan(sizeof header);
  if (header.kind == 0 || header.payload_length > kMaxRecordPayload ||
      header.payload_length > rest.size())
    return std::nullopt;
  auto payload = rest.first(header.payload_length);
  if (record_checksum(header, payload, chain) != header.checksum) return std::nullopt;
  return RawRecord{header.kind, payload, header.checksum};
}

std::uint32_t encode_record(std::vector<std::byte>& out, std::uint32_t chain, std::uint16_t kind,
                            std::span<const std::byte> payload) {
  RecordHeader header{};
  header.payload_length = static_cast<std::uint32_t>(payload.size());
  header.kind = kind;
  header.checksum = record_checksum(header, payload, chain);
  auto bytes = bytes_of(header);
  out.insert(out.end(), bytes.begin(), bytes.end());
  out.insert(out.end(), payload.begin(), payload.end());
  return header.checksum;
}

std::optional<RawEntry> parse_entry(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(EntryHeader)) return std::nullopt;
  auto header = load<EntryHeader>(bytes);
  if (header.magic != kEntryMagic) return std::nullopt;
  if (header.flags != kEntryData && header.flags != kEntryZeros) return std::nullopt;
  auto length = header.flags == kEntryData ? kPreImageBlock : 0;
  auto rest = bytes.subspan(sizeof header);
  if (rest.size() < length) return std::nullopt;
  auto data = rest.first(length);
  if (checksum(header, data) != header.checksum) return std::nullopt;
  return RawEntry{header, data};
}

EntryHeader encode_entry(std::uint64_t block, std::uint64_t number, std::uint32_t previous,
                         std::span<const std::byte> data) {
  EntryHeader header{};
  header.magic = kEntryMagic;
  header.flags = data.empty() ? kEntryZeros : kEntryData;
  header.block = block;
  header.number = number;
  header.previous = previous;
  header.checksum = checksum(header, data);
  return header;
}

}  // namespace caisson::snapshot
