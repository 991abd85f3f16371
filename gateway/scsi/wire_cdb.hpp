// SPDX-License-Identifier: Apache-2.0
// Layouts of CDBs (SPC-4, SBC-3), byte for byte. Single bits are masks beside the
// field they belong to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "storage_object/base/byte_order.hpp"

namespace caisson::scsi::wire {

using u8 = std::uint8_t;
template <std::size_t N>
using Reserved = std::array<u8, N>;

// Commands on blocks share one layout per length (SBC-3 5).

struct Cdb6 {
  u8 opcode;
  be24 lba;  ///< 21 bits
  u8 length;
  u8 control;
};
static_assert(sizeof(Cdb6) == 6);

struct Cdb10 {
  u8 opcode, flags;
  be32 lba;
  u8 group;
  be16 length;
  u8 control;
};
static_assert(sizeof(Cdb10) == 10 && offsetof(Cdb10, length) == 7);

struct Cdb12 {
  u8 opcode, flags;
  be32 lba, length;
  u8 group, control;
};
static_assert(sizeof(Cdb12) == 12 && offsetof(Cdb12, length) == 6);

struct Cdb16 {
  u8 opcode, flags;
  be64 lba;
  be32 length;
  u8 group, control;
};
static_assert(sizeof(Cdb16) == 16 && offsetof(Cdb16, length) == 10);

// Flags of Cdb10, Cdb12 and Cdb16, by command.
inline constexpr u8 kFua = 0x08, kFuaNv = 0x02;        // READ, WRITE
inline constexpr u8 kUnmap = 0x08, kNoDataOut = 0x01;  // WRITE SAME
inline constexpr u8 kBytchk = 0x06, kBytchkShift = 1;  // VERIFY
inline constexpr u8 kImmediate = 0x02;                 // SYNCHRONIZE CACHE, PRE-FETCH

struct InquiryCdb {  // SPC-4 6.6
  u8 opcode, flags, page;
  be16 allocation;
  u8 control;
};
static_assert(sizeof(InquiryCdb) == 6);
inline constexpr u8 kEvpd = 0x01;

struct RequestSenseCdb {  // SPC-4 6.39
  u8 opcode, flags;
  be16 reserved;
  u8 allocation, control;
};
static_assert(sizeof(RequestSenseCdb) == 6);
inline constexpr u8 kDescriptorFormat = 0x01;

struct ModeSense6Cdb {  // SPC-4 6.14
  u8 opcode, flags, page, subpage, allocation, control;
};
static_assert(sizeof(ModeSense6Cdb) == 6);

struct ModeSense10Cdb {  // SPC-4 6.15
  u8 opcode, flags, page, subpage;
  Reserved<3> reserved;
  be16 allocation;
  u8 control;
};
static_assert(sizeof(ModeSense10Cdb) == 10);
struct ModeSelect6Cdb {  // SPC-4 6.12
  u8 opcode, flags;
  be16 reserved;
  u8 list_length, control;
};
static_assert(sizeof(ModeSelect6Cdb) == 6);
inline constexpr u8 kPageFormat = 0x10, kSavePages = 0x01;

inline constexpr u8 kLongLba = 0x10, kNoBlockDescriptor = 0x08;

struct ReportLunsCdb {  // SPC-4 6.33
  u8 opcode, reserved1, select;
  Reserved<3> reserved3;
  be32 allocation;
  u8 reserved10, control;
};
static_assert(sizeof(ReportLunsCdb) == 12 && offsetof(ReportLunsCdb, allocation) == 6);

struct ReportOpcodesCdb {  // SPC-4 6.35
  u8 opcode, action, options, requested_opcode;
  be16 requested_action;
  be32 allocation;
  u8 reserved10, control;
};
static_assert(sizeof(ReportOpcodesCdb) == 12 && offsetof(ReportOpcodesCdb, allocation) == 6);
inline constexpr u8 kReturnTimeouts = 0x80, kReportingOptions = 0x07;

struct UnmapCdb {  // SBC-3 5.28
  u8 opcode, flags;
  be32 reserved;
  u8 group;
  be16 list_length;
  u8 control;
};
static_assert(sizeof(UnmapCdb) == 10 && offsetof(UnmapCdb, list_length) == 7);

struct PersistentInCdb {  // SPC-4 6.14
  u8 opcode, action;
  Reserved<5> reserved;
  be16 allocation;
  u8 control;
};
static_assert(sizeof(PersistentInCdb) == 10 && offsetof(PersistentInCdb, allocation) == 7);

struct PersistentOutCdb {  // SPC-4 6.15
  u8 opcode, action, scope_and_type;
  be16 reserved;
  be32 list_length;
  u8 control;
};
static_assert(sizeof(PersistentOutCdb) == 10 && offsetof(PersistentOutCdb, list_length) == 5);

struct ReportCdb {  // SPC-4 6.34, 6.36 to 6.38
  u8 opcode, action, options;
  Reserved<3> reserved;
  be32 allocation;
  u8 reserved10, control;
};
static_assert(sizeof(ReportCdb) == 12 && offsetof(ReportCdb, allocation) == 6);

struct LogSenseCdb {  // SPC-4 6.8
  u8 opcode, flags, page, subpage, reserved;
  be16 parameter, allocation;
  u8 control;
};
static_assert(sizeof(LogSenseCdb) == 10 && offsetof(LogSenseCdb, allocation) == 7);

struct StartStopCdb {  // SBC-3 5.25; PREVENT ALLOW MEDIUM REMOVAL: 5.9
  u8 opcode, immediate, reserved, modifier, flags, control;
};
static_assert(sizeof(StartStopCdb) == 6);
inline constexpr u8 kPowerCondition = 0xf0, kNoFlush = 0x04, kLoadEject = 0x02, kStart = 0x01;
inline constexpr u8 kPrevent = 0x03;

struct FormatUnitCdb {  // SBC-3 5.3
  u8 opcode, flags, vendor_specific;
  be16 obsolete;
  u8 control;
};
static_assert(sizeof(FormatUnitCdb) == 6);
inline constexpr u8 kLongList = 0x20, kFormatData = 0x10;

struct SanitizeCdb {  // SBC-3 5.24
  u8 opcode, flags;
  Reserved<5> reserved;
  be16 list_length;
  u8 control;
};
static_assert(sizeof(SanitizeCdb) == 10 && offsetof(SanitizeCdb, list_length) == 7);
inline constexpr u8 kSanitizeImmediate = 0x80, kUnrestrictedExit = 0x20;
inline constexpr u8 kSanitizeOverwrite = 0x01;

}  // namespace caisson::scsi::wire
