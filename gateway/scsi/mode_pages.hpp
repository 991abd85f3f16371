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
  std::uint8_t subpage;  ///< 0: page_0 format, a head of two bytes; else four (SPC-4 7.5.7)
  /// The whole page with its head, PS included: values, or a one for every bit
  /// that MODE SELECT may change.
  void (*write)(const Command&, PageControl, Reply&);
  /// Takes over from a page that differs from the current one in changeable bits
  /// only. nullptr: has none.
  void (*apply)(object::ModeChange&, std::span<const std::byte> page);
  Need need = Need::nothing;
};

/// Ascending by code, then subpage, as pages 3Fh return them.
std::span<const ModePage> mode_pages() noexcept;

/// Whether the unit has the page.
inline bool has(const Command& command, const ModePage& page) noexcept {
  return met(page.need, command.object().features());
}

/// Short or long, as MODE SENSE returns it.
void write_block_descriptor(const Command& command, bool long_lba, Reply& reply);

}  // namespace caisson::scsi
