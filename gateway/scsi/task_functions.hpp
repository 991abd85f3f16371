// SPDX-License-Identifier: Apache-2.0
// Which task management functions a transport may ask of a nexus, as REPORT
// SUPPORTED TASK MANAGEMENT FUNCTIONS tells it (SPC-4 6.36).
#pragma once

#include <cstdint>

namespace caisson::scsi {

// Byte 0.
inline constexpr std::uint8_t kAbortTask = 0x80, kAbortTaskSet = 0x40, kClearTaskSet = 0x10,
                              kLogicalUnitReset = 0x08, kQueryTask = 0x04, kTargetReset = 0x02;

// Byte 1.
inline constexpr std::uint8_t kQueryTaskSet = 0x02;

/// No CLEAR ACA (NORMACA=0) and no WAKEUP.
inline constexpr std::uint8_t kTaskFunctions =
    kAbortTask | kAbortTaskSet | kClearTaskSet | kLogicalUnitReset | kQueryTask | kTargetReset;
inline constexpr std::uint8_t kNexusFunctions = kQueryTaskSet;

}  // namespace caisson::scsi
