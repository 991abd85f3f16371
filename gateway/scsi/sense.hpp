// SPDX-License-Identifier: Apache-2.0
// Sense data (SPC-4 4.5): what went wrong, in the initiator's words.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "storage_object/base/result.hpp"

namespace caisson::scsi {

enum class SenseKey : std::uint8_t {
  no_sense = 0x0,
  recovered_error = 0x1,
  not_ready = 0x2,
  medium_error = 0x3,
  hardware_error = 0x4,
  illegal_request = 0x5,
  unit_attention = 0x6,
  data_protect = 0x7,
  aborted_command = 0xb,
  miscompare = 0xe,
};

/// Where in a CDB or parameter list the error lies (SPC-4 4.5.2.4.2).
struct FieldPointer {
  bool in_cdb = true;
  std::uint16_t byte = 0;
  std::optional<std::uint8_t> bit;
};

struct Sense {
  SenseKey key = SenseKey::no_sense;
  std::uint8_t asc = 0;
  std::uint8_t ascq = 0;
  std::optional<std::uint64_t> information;  ///< an LBA, or bytes not moved
  std::optional<FieldPointer> field;         ///< with illegal_request
  std::optional<std::uint16_t> progress;     ///< with not_ready: 65,536ths (SPC-4 4.5.2.4.4)

  bool present() const noexcept { return key != SenseKey::no_sense || asc != 0 || ascq != 0; }
  bool operator==(const Sense& other) const noexcept {
    return key == other.key && asc == other.asc && ascq == other.ascq;
  }
};

/// Longest encoding either format produces here.
inline constexpr std::size_t kMaxSense = 64;

/// Writes fixed (70h) or descriptor (72h) format into `out`; returns the length.
std::size_t encode(const Sense& sense, bool descriptor, std::span<std::byte, kMaxSense> out);

/// The one place where block errors become sense (decision 3, EXAMPLES "An error").
Sense sense_for(const Error& error);

}  // namespace caisson::scsi
