// SPDX-License-Identifier: Apache-2.0
// Every basic header segment of iSCSI (RFC 7143 11), as it lies on the wire.
// Each is 48 bytes; the common part is at the same place in all of them.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "storage_object/base/byte_order.hpp"

namespace caisson::iscsi {

inline constexpr std::size_t kBhsLength = 48;
inline constexpr std::size_t kDigestLength = 4;
inline constexpr std::size_t kMaxAhsLength = 255 * 4;
inline constexpr std::uint32_t kNoTag = 0xffffffff;  ///< reserved task tag
/// Data segments are padded to this.
constexpr std::uint32_t padded(std::uint32_t length) noexcept { return (length + 3) & ~3u; }

enum class Opcode : std::uint8_t {  // RFC 7143 11.2.1.2
  nop_out = 0x00,
  scsi_command = 0x01,
  task_management = 0x02,
  login_request = 0x03,
  text_request = 0x04,
  data_out = 0x05,
  logout_request = 0x06,
  snack = 0x10,
  nop_in = 0x20,
  scsi_response = 0x21,
  task_management_response = 0x22,
  login_response = 0x23,
  text_response = 0x24,
  data_in = 0x25,
  logout_response = 0x26,
  ready_to_transfer = 0x31,
  async_message = 0x32,
  reject = 0x3f,
};

/// One row per opcode an initiator may send.
struct OpcodeSpec {
  Opcode opcode;
  std::string_view name;
  bool numbered;   ///< carries a CmdSN, and the I bit means immediate delivery
  bool data;       ///< may have a data segment
  bool discovery;  ///< allowed in a discovery session (RFC 7143 4.3)
};

/// The row of an initiator's opcode; nullptr for one no initiator may send.
const OpcodeSpec* find_opcode(std::uint8_t opcode) noexcept;
/// The printable name of any opcode of the RFC; "unknown" otherwise.
std::string_view opcode_name(std::uint8_t opcode) noexcept;

inline constexpr std::byte kImmediateBit{0x40};
inline constexpr std::byte kOpcodeMask{0x3f};
inline constexpr std::byte kFinalBit{0x80};

/// What all headers share, and the tags at their usual places (RFC 7143 11.2.1).
struct Bhs {
  std::byte opcode, flags;
  std::array<std::byte, 2> specific;
  std::uint8_t total_ahs_length;  ///< words of 4 bytes
  be24 data_segment_length;
  be64 lun;
  be32 initiator_task_tag;
  std::array<std::byte, 28> rest;

  std::uint8_t code() const noexcept { return std::to_integer<std::uint8_t>(opcode & kOpcodeMask); }
  bool immediate() const noexcept { return (opcode & kImmediateBit) != std::byte{0}; }
  bool final() const noexcept { return (flags & kFinalBit) != std::byte{0}; }
};
static_assert(sizeof(Bhs) == kBhsLength && alignof(Bhs) == 1);
static_assert(offsetof(Bhs, data_segment_length) == 5);
static_assert(offsetof(Bhs, initiator_task_tag) == 16);

struct ScsiCommandBhs {  // RFC 7143 11.3
  std::byte opcode, flags;
  be16 reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 lun;
  be32 initiator_task_tag, expected_length, cmd_sn, exp_stat_sn;
  std::array<std::byte, 16> cdb;
};
static_assert(sizeof(ScsiCommandBhs) == kBhsLength && alignof(ScsiCommandBhs) == 1);
static_assert(offsetof(ScsiCommandBhs, cmd_sn) == 24 && offsetof(ScsiCommandBhs, cdb) == 32);
inline constexpr std::byte kReadBit{0x40};
inline constexpr std::byte kWriteBit{0x20};
inline constexpr std::byte kAttributeMask{0x07};

inline constexpr std::uint8_t kAhsExtendedCdb = 1;    // RFC 7143 11.2.2.1
inline constexpr std::uint8_t kAhsBidirectional = 2;  // RFC 7143 11.2.2.4

struct ScsiResponseBhs {  // RFC 7143 11.4
  std::byte opcode, flags;
  std::uint8_t response, status;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 reserved;
  be32 initiator_task_tag, snack_tag, stat_sn, exp_cmd_sn, max_cmd_sn, exp_data_sn,
      bidirectional_residual, residual;
};
static_assert(sizeof(ScsiResponseBhs) == kBhsLength && alignof(ScsiResponseBhs) == 1);
static_assert(offsetof(ScsiResponseBhs, stat_sn) == 24);
static_assert(offsetof(ScsiResponseBhs, residual) == 44);
inline constexpr std::byte kOverflowBit{0x04};
inline constexpr std::byte kUnderflowBit{0x02};

struct TaskManagementBhs {  // RFC 7143 11.5
  std::byte opcode, function;
  be16 reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 lun;
  be32 initiator_task_tag, referenced_task_tag, cmd_sn, exp_stat_sn, ref_cmd_sn, exp_data_sn;
  be64 reserved_2;
};
static_assert(sizeof(TaskManagementBhs) == kBhsLength && alignof(TaskManagementBhs) == 1);
static_assert(offsetof(TaskManagementBhs, ref_cmd_sn) == 32);

enum class TaskFunction : std::uint8_t {
  abort_task = 1,
  abort_task_set = 2,
  clear_aca = 3,
  clear_task_set = 4,
  logical_unit_reset = 5,
  target_warm_reset = 6,
  target_cold_reset = 7,
  task_reassign = 8,
  query_task = 9,  // RFC 7144 5.1
  query_task_set = 10,
};

enum class TaskFunctionResponse : std::uint8_t {  // RFC 7143 11.6.1
  complete = 0,
  no_such_task = 1,
  no_such_lun = 2,
  still_allegiant = 3,
  reassign_unsupported = 4,
  unsupported = 5,
  not_authorized = 6,
  succeeded = 7,  // RFC 7144 5.2
  rejected = 255,
};

/// Responses without a body of their own: task management, and the common part
/// of logout (RFC 7143 11.6, 11.15).
struct TaskManagementResponseBhs {
  std::byte opcode, flags;
  std::uint8_t response, reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 reserved_2;
  be32 initiator_task_tag, reserved_3, stat_sn, exp_cmd_sn, max_cmd_sn;
  std::array<std::byte, 12> reserved_4;
};
static_assert(sizeof(TaskManagementResponseBhs) == kBhsLength);
static_assert(alignof(TaskManagementResponseBhs) == 1);
static_assert(offsetof(TaskManagementResponseBhs, stat_sn) == 24);

struct DataOutBhs {  // RFC 7143 11.7
  std::byte opcode, flags;
  be16 reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 lun;
  be32 initiator_task_tag, target_transfer_tag, reserved_2, exp_stat_sn, reserved_3, data_sn,
      buffer_offset, reserved_4;
};
static_assert(sizeof(DataOutBhs) == kBhsLength && alignof(DataOutBhs) == 1);
static_assert(offsetof(DataOutBhs, data_sn) == 36 && offsetof(DataOutBhs, buffer_offset) == 40);

struct DataInBhs {  // RFC 7143 11.7
  std::byte opcode, flags;
  std::uint8_t reserved, status;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 lun;
  be32 initiator_task_tag, target_transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn, data_sn,
      buffer_offset, residual;
};
static_assert(sizeof(DataInBhs) == kBhsLength && alignof(DataInBhs) == 1);
static_assert(offsetof(DataInBhs, data_sn) == 36 && offsetof(DataInBhs, residual) == 44);
inline constexpr std::byte kStatusBit{0x01};

struct ReadyToTransferBhs {  // RFC 7143 11.8
  std::byte opcode, flags;
  be16 reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 lun;
  be32 initiator_task_tag, target_transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn, r2t_sn,
      buffer_offset, desired_length;
};
static_assert(sizeof(ReadyToTransferBhs) == kBhsLength && alignof(ReadyToTransferBhs) == 1);
static_assert(offsetof(ReadyToTransferBhs, r2t_sn) == 36);

enum class AsyncEvent : std::uint8_t {  // RFC 7143 11.9.1
  scsi = 0,
  request_logout = 1,
  drop_connection = 2,
  drop_session = 3,
  negotiate = 4,
};

struct AsyncMessageBhs {  // RFC 7143 11.9
  std::byte opcode, flags;
  be16 reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 lun;
  be32 initiator_task_tag, reserved_2, stat_sn, exp_cmd_sn, max_cmd_sn;
  AsyncEvent event;
  std::uint8_t vendor_code;
  be16 parameter_1, parameter_2, parameter_3;
  be32 reserved_3;
};
static_assert(sizeof(AsyncMessageBhs) == kBhsLength && alignof(AsyncMessageBhs) == 1);
static_assert(offsetof(AsyncMessageBhs, event) == 36);

struct TextRequestBhs {  // RFC 7143 11.10
  std::byte opcode, flags;
  be16 reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 lun;
  be32 initiator_task_tag, target_transfer_tag, cmd_sn, exp_stat_sn;
  std::array<std::byte, 16> reserved_2;
};
static_assert(sizeof(TextRequestBhs) == kBhsLength && alignof(TextRequestBhs) == 1);

struct TextResponseBhs {  // RFC 7143 11.11
  std::byte opcode, flags;
  be16 reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 lun;
  be32 initiator_task_tag, target_transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn;
  std::array<std::byte, 12> reserved_2;
};
static_assert(sizeof(TextResponseBhs) == kBhsLength && alignof(TextResponseBhs) == 1);
inline constexpr std::byte kContinueBit{0x40};

using Isid = std::array<std::byte, 6>;

struct LoginRequestBhs {  // RFC 7143 11.12
  std::byte opcode, flags;
  std::uint8_t version_max, version_min;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  Isid isid;
  be16 tsih;
  be32 initiator_task_tag;
  be16 cid, reserved;
  be32 cmd_sn, exp_stat_sn;
  std::array<std::byte, 16> reserved_2;
};
static_assert(sizeof(LoginRequestBhs) == kBhsLength && alignof(LoginRequestBhs) == 1);
static_assert(offsetof(LoginRequestBhs, tsih) == 14 && offsetof(LoginRequestBhs, cmd_sn) == 24);
inline constexpr std::byte kTransitBit{0x80};

struct LoginResponseBhs {  // RFC 7143 11.13
  std::byte opcode, flags;
  std::uint8_t version_max, version_active;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  Isid isid;
  be16 tsih;
  be32 initiator_task_tag, reserved, stat_sn, exp_cmd_sn, max_cmd_sn;
  std::uint8_t status_class, status_detail;
  std::array<std::byte, 10> reserved_2;
};
static_assert(sizeof(LoginResponseBhs) == kBhsLength && alignof(LoginResponseBhs) == 1);
static_assert(offsetof(LoginResponseBhs, status_class) == 36);

struct LogoutRequestBhs {  // RFC 7143 11.14
  std::byte opcode, reason;
  be16 reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 reserved_2;
  be32 initiator_task_tag;
  be16 cid, reserved_3;
  be32 cmd_sn, exp_stat_sn;
  std::array<std::byte, 16> reserved_4;
};
static_assert(sizeof(LogoutRequestBhs) == kBhsLength && alignof(LogoutRequestBhs) == 1);

struct LogoutResponseBhs {  // RFC 7143 11.15
  std::byte opcode, flags;
  std::uint8_t response, reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 reserved_2;
  be32 initiator_task_tag, reserved_3, stat_sn, exp_cmd_sn, max_cmd_sn, reserved_4;
  be16 time_to_wait, time_to_retain;
  be32 reserved_5;
};
static_assert(sizeof(LogoutResponseBhs) == kBhsLength && alignof(LogoutResponseBhs) == 1);
static_assert(offsetof(LogoutResponseBhs, time_to_wait) == 40);

enum class RejectReason : std::uint8_t {  // RFC 7143 11.17.1
  data_digest_error = 0x02,
  snack_rejected = 0x03,
  protocol_error = 0x04,
  command_not_supported = 0x05,
  too_many_immediate = 0x06,
  task_in_progress = 0x07,
  invalid_data_ack = 0x08,
  invalid_pdu_field = 0x09,
  long_operation = 0x0a,
  negotiation_reset = 0x0b,
  waiting_for_logout = 0x0c,
};

struct RejectBhs {  // RFC 7143 11.17; the data segment is the offending header
  std::byte opcode, flags;
  RejectReason reason;
  std::uint8_t reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 reserved_2;
  be32 initiator_task_tag, reserved_3, stat_sn, exp_cmd_sn, max_cmd_sn, data_sn;
  be64 reserved_4;
};
static_assert(sizeof(RejectBhs) == kBhsLength && alignof(RejectBhs) == 1);
static_assert(offsetof(RejectBhs, data_sn) == 36);

struct NopOutBhs {  // RFC 7143 11.18
  std::byte opcode, flags;
  be16 reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 lun;
  be32 initiator_task_tag, target_transfer_tag, cmd_sn, exp_stat_sn;
  std::array<std::byte, 16> reserved_2;
};
static_assert(sizeof(NopOutBhs) == kBhsLength && alignof(NopOutBhs) == 1);

struct NopInBhs {  // RFC 7143 11.19
  std::byte opcode, flags;
  be16 reserved;
  std::uint8_t total_ahs_length;
  be24 data_segment_length;
  be64 lun;
  be32 initiator_task_tag, target_transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn;
  std::array<std::byte, 12> reserved_2;
};
static_assert(sizeof(NopInBhs) == kBhsLength && alignof(NopInBhs) == 1);

template <class T>
concept HeaderLayout = WireLayout<T> && sizeof(T) == kBhsLength;

/// The same 48 bytes under another name.
template <HeaderLayout To, HeaderLayout From>
To header_cast(const From& from) noexcept {
  return std::bit_cast<To>(from);
}

/// A target's header of this kind, everything else zero.
template <HeaderLayout T>
T make_header(Opcode opcode, std::byte flags = kFinalBit) noexcept {
  T header{};
  header.opcode = static_cast<std::byte>(opcode);
  if constexpr (requires { header.flags = flags; }) header.flags = flags;
  return header;
}

/// Serial number arithmetic (RFC 1982) over 32 bits: a comes before b.
constexpr bool serial_less(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b) < 0;
}

}  // namespace caisson::iscsi
