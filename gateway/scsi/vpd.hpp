// SPDX-License-Identifier: Apache-2.0
// Vital product data pages (SPC-4 7.8, SBC-3 6.6), by a table.
#pragma once

#include <cstdint>
#include <string_view>

#include "gateway/scsi/command.hpp"
#include "gateway/scsi/reply.hpp"

namespace caisson::scsi {

inline constexpr std::string_view kVendor = "CAISSON ";
inline constexpr std::string_view kProduct = "VIRTUAL DISK";
inline constexpr std::string_view kRevision = "0001";

struct VpdPage {
  std::uint8_t code;
  Need need;
  void (*write)(const Command&, Reply&);  ///< what follows the 4-byte header
};

/// nullptr: the unit has no such page.
const VpdPage* find_vpd_page(const Command& command, std::uint8_t code) noexcept;

void write_vpd_page(const Command& command, const VpdPage& page, Reply& reply);

}  // namespace caisson::scsi
