// SPDX-License-Identifier: Apache-2.0
// Logical block provisioning thresholds (SBC-3 4.7.3.7): what VPD B2, mode page
// 1C/02 and log page 0C count in.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

namespace caisson::scsi {

/// A threshold set, whatever the block size: 32 bits of them are 4 EiB.
inline constexpr std::uint64_t kThresholdSet = std::uint64_t{1} << 20;

/// Logical blocks of a threshold set, as a power of two.
constexpr std::uint8_t threshold_exponent(std::uint32_t logical_block) noexcept {
  return static_cast<std::uint8_t>(std::countr_zero(kThresholdSet / logical_block));
}

/// Whole threshold sets; what does not fit the field is cut.
constexpr std::uint32_t threshold_sets(std::uint64_t bytes) noexcept {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(bytes / kThresholdSet, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace caisson::scsi
