// SPDX-License-Identifier: Apache-2.0
// Unit attentions as bits, and the sense each is reported with (SAM-5 5.14).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "gateway/scsi/logical_unit.hpp"
#include "gateway/scsi/sense.hpp"

namespace caisson::scsi {

constexpr std::uint32_t bit(UnitAttention attention) noexcept {
  return std::uint32_t{1} << static_cast<unsigned>(attention);
}

struct AttentionRow {
  UnitAttention attention;
  std::uint8_t asc, ascq;
};

/// In the order of reporting.
inline constexpr AttentionRow kAttentions[] = {
    {UnitAttention::power_on_or_reset, 0x29, 0x00},
    {UnitAttention::logical_unit_reset, 0x29, 0x03},
    {UnitAttention::commands_cleared, 0x2f, 0x00},
    {UnitAttention::mode_parameters_changed, 0x2a, 0x01},
    {UnitAttention::access_state_changed, 0x2a, 0x06},
    {UnitAttention::reservations_preempted, 0x2a, 0x03},
    {UnitAttention::reservations_released, 0x2a, 0x04},
    {UnitAttention::registrations_preempted, 0x2a, 0x05},
    {UnitAttention::capacity_changed, 0x2a, 0x09},
    {UnitAttention::inquiry_data_changed, 0x3f, 0x03},
    {UnitAttention::reported_luns_changed, 0x3f, 0x0e},
    {UnitAttention::medium_may_have_changed, 0x28, 0x00},
    {UnitAttention::space_low, 0x38, 0x07},
};
static_assert(std::size(kAttentions) == static_cast<std::size_t>(UnitAttention::count_));

/// The first attention in `pending`; nullptr when there is none.
constexpr const AttentionRow* first_of(std::uint32_t pending) noexcept {
  for (const auto& row : kAttentions)
    if ((pending & bit(row.attention)) != 0) return &row;
  return nullptr;
}

}  // namespace caisson::scsi
