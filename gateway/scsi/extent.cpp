// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/extent.hpp"

#include <algorithm>

#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

constexpr std::uint32_t kLba6 = 0x1fffff;

}  // namespace

Extent decode_extent(const Command& command) noexcept {
  switch (command.spec().length) {
    case 6: {
      auto cdb = command.cdb<wire::Cdb6>();
      return {cdb.lba & kLba6, cdb.length == 0 ? 256u : cdb.length, 0};
    }
    case 10: {
      auto cdb = command.cdb<wire::Cdb10>();
      return {cdb.lba, cdb.length, cdb.flags};
    }
    case 12: {
      auto cdb = command.cdb<wire::Cdb12>();
      return {cdb.lba, cdb.length, cdb.flags};
    }
    default: {
      auto cdb = command.cdb<wire::Cdb16>();
      return {cdb.lba, cdb.length, cdb.flags};
    }
  }
}

std::uint16_t length_field(const CommandSpec& spec) noexcept {
  switch (spec.length) {
    case 6: return offsetof(wire::Cdb6, length);
    case 10: return offsetof(wire::Cdb10, length);
    case 12: return offsetof(wire::Cdb12, length);
    default: return offsetof(wire::Cdb16, length);
  }
}

bool in_range(const Command& command, std::uint64_t lba, std::uint64_t blocks) noexcept {
  const auto& geometry = command.geometry();
  auto capacity = geometry.capacity / geometry.logical_block;
  if (lba <= capacity && blocks <= capacity - lba) return true;
  auto sense = kLbaOutOfRange;
  sense.information = std::max(lba, capacity);
  return command.refuse(sense);
}

bool plan_extent(Command& command, Extent& extent) noexcept {
  extent = decode_extent(command);
  command.task().lba = extent.lba;
  command.task().blocks = extent.blocks;
  return in_range(command, extent.lba, extent.blocks);
}

bool plan_transfer(Command& command, Extent& extent) noexcept {
  if (!plan_extent(command, extent)) return false;
  return extent.blocks <= kMaxTransfer / logical_block(command) ||
         command.refuse_field(length_field(command.spec()), 7);
}

std::uint32_t logical_block(const Command& command) noexcept {
  return command.geometry().logical_block;
}

}  // namespace caisson::scsi
