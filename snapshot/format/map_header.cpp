// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/map_header.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "snapshot/format/layout.hpp"
#include "snapshot/format/pre_image.hpp"
#include "snapshot/format/runs.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::uint64_t kReflinkUnit = 65536;
constexpr std::uint64_t kLargestUnit = std::uint64_t{1} << 30;
constexpr std::uint64_t kLargestCapacity = std::uint64_t{1} << 60;  // as of a container
constexpr std::uint32_t kLargestPhysicalBlock = 1 << 20;

bool power_in(std::uint64_t value, std::uint64_t least, std::uint64_t most) {
  return std::has_single_bit(value) && value >= least && value <= most;
}

bool possible_disk(const MapHeader& header) {
  return header.capacity != 0 && header.capacity <= kLargestCapacity &&
         power_in(header.logical_block, 512, 4096) &&
         power_in(header.physical_block, header.logical_block, kLargestPhysicalBlock) &&
         header.capacity % header.logical_block == 0;
}

bool possible_unit(const MapHeader& header) {
  if (!power_in(header.unit, kPreImageBlock, kLargestUnit) || header.units() > kMaxUnits)
    return false;
  return header.primitive == Primitive::reflink ||
         (header.primitive == Primitive::copy && header.unit == kPreImageBlock);
}

const char* defect(const MapHeader& header) {
  if (header.snapshot.nil() || header.lun.nil()) return "a UUID is missing";
  if (!valid_name(header.lun_name) || !valid_name(header.name)) return "a name is not valid";
  if (header.sequence == 0) return "the cut has no number";
  if (!possible_disk(header)) return "capacity or block size is not possible";
  if (!possible_unit(header)) return "primitive or unit is not possible";
  return nullptr;
}

std::string text_of(const Uuid& uuid) {
  return {reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size()};
}

/// False unless `text` is a UUID, or nothing.
bool take_uuid(const std::string& text, Uuid& uuid) {
  if (text.empty()) return true;
  if (text.size() != uuid.bytes.size()) return false;
  std::memcpy(uuid.bytes.data(), text.data(), text.size());
  return true;
}

pb::SnapshotHeader message_of(const MapHeader& header) {
  auto message = header.message;
  message.set_snapshot_uuid(text_of(header.snapshot));
  message.set_lun_uuid(text_of(header.lun));
  message.set_lun_name(header.lun_name);
  message.set_name(header.name);
  message.set_sequence(header.sequence);
  message.set_capacity(header.capacity);
  message.set_logical_block(header.logical_block);
  message.set_physical_block(header.physical_block);
  message.set_primitive(static_cast<pb::Primitive>(header.primitive));
  message.set_unit(header.unit);
  message.set_cut_ms(header.cut_ms);
  header.group.nil() ? message.clear_group_uuid() : message.set_group_uuid(text_of(header.group));
  return message;
}

/// False where the message is none, or a UUID in it is none.
bool take_message(std::span<const std::byte> payload, MapHeader& header) {
  auto& message = header.message;
  if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return false;
  header.lun_name = message.lun_name();
  header.name = message.name();
  header.sequence = message.sequence();
  header.capacity = message.capacity();
  header.logical_block = message.logical_block();
  header.physical_block = message.physical_block();
  header.primitive = message.primitive() == pb::PRIMITIVE_REFLINK ? Primitive::reflink
                     : message.primitive() == pb::PRIMITIVE_COPY  ? Primitive::copy
                                                                  : Primitive{};
  header.unit = message.unit();
  header.cut_ms = message.cut_ms();
  return take_uuid(message.snapshot_uuid(), header.snapshot) &&
         take_uuid(message.lun_uuid(), header.lun) && take_uuid(message.group_uuid(), header.group);
}

}  // namespace

std::string_view to_string(Primitive primitive) noexcept {
  switch (primitive) {
    case Primitive::reflink: return "reflink";
    case Primitive::copy: return "copy";
  }
  return "unknown";
}

std::uint64_t unit_for(Primitive primitive) noexcept {
  return primitive == Primitive::copy ? kPreImageBlock : kReflinkUnit;
}

Outcome<> check(const MapHeader& header) {
  if (const auto* what = defect(header); what != nullptr)
    return failure(Errc::invalid_argument, fmt::format("no map of snapshot '{}' of LUN '{}': {}",
                                                       header.name, header.lun_name, what));
  return {};
}

Outcome<std::vector<std::byte>> encode_map_header(const MapHeader& header) {
  if (auto possible = check(header); !possible) return possible.error();
  auto payload = message_of(header).SerializeAsString();
  if (payload.size() > kMaxHeaderPayload)
    return failure(Errc::invalid_argument,
                   fmt::format("no map of snapshot '{}' of LUN '{}': its header needs {} bytes",
                               header.name, header.lun_name, payload.size()));
  BlockHeader block{};
  block.snapshot = header.snapshot.bytes;
  block.compatible = header.features.compatible;
  block.read_only_compatible = header.features.read_only_compatible;
  block.incompatible = header.features.incompatible;
  return encode_block(block, kMapMagic, std::as_bytes(std::span(payload)));
}

Outcome<MapHeaderReading> parse_map_header(std::span<const std::byte> bytes,
                                           const std::string& label) {
  auto block = parse_block(bytes, kMapMagic, label, "capture map");
  if (!block) return block.error();
  MapHeaderReading reading{.chain = block->header.checksum};
  auto& header = reading.header;
  header.features = {block->header.compatible, block->header.read_only_compatible,
                     block->header.incompatible};
  const char* what = nullptr;
  if (!take_message(block->payload, header))
    what = "its message is not one";
  else if (header.snapshot.bytes != block->header.snapshot)
    what = "it names two snapshots";
  else
    what = defect(header);
  if (what == nullptr) return reading;
  return failure(Errc::corrupt, fmt::format("{}: the header contradicts itself: {}", label, what),
                 "restore the file, or delete the snapshot");
}

}  // namespace caisson::snapshot
