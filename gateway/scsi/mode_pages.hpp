// SPDX-License-Identifier: Apache-2.0
// Mode pages (SPC-4 7.5, SBC-3 6.4): one row drives MODE SENSE and MODE SELECT.
#pragma once

#include <cstdint>
#include <span>

#include "gateway/scsi/command.hpp"
#include "gateway/scsi/reply.hpp"

namespace caisson::scsi {

enum class PageControl : std::uint8_t { current = 0, changeable = 1, defaults = 2, saved = 3 };

struct ModePage {
  std::uint8_t code;
  /// The whole page with its two-byte head: values, or a one for every bit
  /// that MODE SELECT may change.
  void (*write)(const Command&, PageControl, Reply&);
  /// Takes over a page that differs from the current one in changeable bits
  /// only. nullptr: has none.
  void (*apply)(const Command&, std::span<const std::byte> page);
};

/// Ascending by code, as page 3Fh returns them.
std::span<const ModePage> mode_pages() noexcept;

/// Short or long, as MODE SENSE returns it.
void write_block_descriptor(const Command& command, bool long_lba, Reply& reply);

}  // namespace caisson::scsi
