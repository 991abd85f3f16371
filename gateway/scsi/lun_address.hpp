// SPDX-License-Identifier: Apache-2.0
// LUNs as they travel: 8 bytes with an addressing method (SAM-5 4.7).
#pragma once

#include <cstdint>
#include <optional>

namespace caisson::scsi {

/// Largest number any method here addresses (extended flat space, 24 bits).
inline constexpr std::uint64_t kMaxLunNumber = 0xffffff;

/// The number a single-level address names: peripheral device (bus 0), flat
/// space, or extended flat space addressing. nullopt: well known logical units,
/// deeper levels and other methods, none of which exist here.
std::optional<std::uint64_t> lun_number(std::uint64_t address) noexcept;

/// The shortest address of `number` <= kMaxLunNumber.
std::uint64_t lun_address(std::uint64_t number) noexcept;

}  // namespace caisson::scsi
