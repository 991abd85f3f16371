// SPDX-License-Identifier: Apache-2.0
// Where a command on blocks points, and the checks that all of them share.
#pragma once

#include <cstdint>

#include "gateway/scsi/command.hpp"

namespace caisson::scsi {

struct Extent {
  std::uint64_t lba = 0;
  std::uint64_t blocks = 0;
  std::uint8_t flags = 0;  ///< byte 1 of the CDB, 0 in 6-byte ones
};

/// Most bytes WRITE SAME and descriptors of UNMAP take at a time, VPD B0.
inline constexpr std::uint64_t kMaxWriteSame = std::uint64_t{16} << 20;
inline constexpr std::uint32_t kMaxUnmapBlocks = std::uint32_t{1} << 20;
inline constexpr std::uint32_t kMaxUnmapDescriptors = 256;

/// Most blocks COMPARE AND WRITE takes, VPD B0.
inline constexpr std::uint8_t kMaxCompareAndWrite = 128;

/// By the length of the row. In a 6-byte CDB 0 blocks means 256.
Extent decode_extent(const Command& command) noexcept;

/// Byte of the CDB where the number of blocks begins.
std::uint16_t length_field(const CommandSpec& spec) noexcept;

/// False, with LBA OUT OF RANGE and the first bad LBA: not all of it exists.
bool in_range(const Command& command, std::uint64_t lba, std::uint64_t blocks) noexcept;

/// Decodes, checks the range and notes both in the task.
bool plan_extent(Command& command, Extent& extent) noexcept;

/// plan_extent(), and at most kMaxTransfer bytes.
bool plan_transfer(Command& command, Extent& extent) noexcept;

std::uint32_t logical_block(const Command& command) noexcept;

}  // namespace caisson::scsi
