// SPDX-License-Identifier: Apache-2.0
// Sense the termination itself finds reason for, by the names of SPC-4 annex D.
#pragma once

#include "gateway/scsi/sense.hpp"

namespace caisson::scsi {

inline constexpr Sense kInvalidOpcode{SenseKey::illegal_request, 0x20, 0x00};
inline constexpr Sense kLbaOutOfRange{SenseKey::illegal_request, 0x21, 0x00};
inline constexpr Sense kInvalidField{SenseKey::illegal_request, 0x24, 0x00};
inline constexpr Sense kNoSuchLun{SenseKey::illegal_request, 0x25, 0x00};
inline constexpr Sense kInvalidParameter{SenseKey::illegal_request, 0x26, 0x00};
inline constexpr Sense kInvalidRelease{SenseKey::illegal_request, 0x26, 0x04};
inline constexpr Sense kNoRegistrationRoom{SenseKey::illegal_request, 0x55, 0x04};
inline constexpr Sense kInternalTargetFailure{SenseKey::hardware_error, 0x44, 0x00};
inline constexpr Sense kParameterListLength{SenseKey::illegal_request, 0x1a, 0x00};
inline constexpr Sense kSavingNotSupported{SenseKey::illegal_request, 0x39, 0x00};
/// The transport brought another amount of data than the CDB speaks of.
inline constexpr Sense kInvalidInformationUnit{SenseKey::illegal_request, 0x0e, 0x03};
inline constexpr Sense kWriteProtected{SenseKey::data_protect, 0x27, 0x00};
inline constexpr Sense kManualIntervention{SenseKey::not_ready, 0x04, 0x03};
inline constexpr Sense kMiscompare{SenseKey::miscompare, 0x1d, 0x00};

}  // namespace caisson::scsi
