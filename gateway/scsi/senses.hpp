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
/// An ACA task while there is no ACA condition (SAM-5 8.6), and there never is one.
inline constexpr Sense kInvalidMessage{SenseKey::illegal_request, 0x49, 0x00};
inline constexpr Sense kWriteProtected{SenseKey::data_protect, 0x27, 0x00};
inline constexpr Sense kManualIntervention{SenseKey::not_ready, 0x04, 0x03};
inline constexpr Sense kPathTransition{SenseKey::not_ready, 0x04, 0x0a};
inline constexpr Sense kPathStandby{SenseKey::not_ready, 0x04, 0x0b};
inline constexpr Sense kPathUnavailable{SenseKey::not_ready, 0x04, 0x0c};
inline constexpr Sense kFormatInProgress{SenseKey::not_ready, 0x04, 0x04};
inline constexpr Sense kOperationInProgress{SenseKey::not_ready, 0x04, 0x07};
inline constexpr Sense kSanitizeInProgress{SenseKey::not_ready, 0x04, 0x1b};
inline constexpr Sense kFormatCorrupted{SenseKey::medium_error, 0x31, 0x00};
inline constexpr Sense kFormatFailed{SenseKey::medium_error, 0x31, 0x01};
inline constexpr Sense kSanitizeFailed{SenseKey::medium_error, 0x31, 0x03};
inline constexpr Sense kMediumNotPresent{SenseKey::not_ready, 0x3a, 0x00};
inline constexpr Sense kRemovalPrevented{SenseKey::illegal_request, 0x53, 0x02};
inline constexpr Sense kCommandSequence{SenseKey::illegal_request, 0x2c, 0x00};
inline constexpr Sense kMiscompare{SenseKey::miscompare, 0x1d, 0x00};

}  // namespace caisson::scsi
