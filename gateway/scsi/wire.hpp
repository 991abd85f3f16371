// SPDX-License-Identifier: Apache-2.0
// Layouts of parameter lists and parameter data (SPC-4, SBC-3), byte for byte, and
// with them those of CDBs. Single bits are masks beside the field they belong to.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gateway/scsi/wire_cdb.hpp"
#include "storage_object/base/byte_order.hpp"

namespace caisson::scsi::wire {

// ---- Parameter lists (data-out) ----

struct FormatHeader {  // SBC-3 5.3.2.2
  u8 protection, flags;
  be16 defect_list_length;
};
static_assert(sizeof(FormatHeader) == 4);
inline constexpr u8 kFormatOptionsValid = 0x80, kFormatImmediate = 0x02;

struct FormatHeaderLong {
  u8 protection, flags, reserved, protection_interval;
  be32 defect_list_length;
};
static_assert(sizeof(FormatHeaderLong) == 8);

struct OverwriteList {  // SBC-3 5.24.2.2, before the pattern
  u8 flags, reserved;
  be16 pattern_length;
};
static_assert(sizeof(OverwriteList) == 4);
inline constexpr u8 kInvert = 0x80, kOverwriteTest = 0x60, kOverwriteCount = 0x1f;

struct PersistentOutList {  // SPC-4 6.15.3
  be64 key, service_key;
  be32 obsolete16;
  u8 flags, reserved21;
  be16 obsolete22;
};
static_assert(sizeof(PersistentOutList) == 24 && offsetof(PersistentOutList, flags) == 20);
inline constexpr u8 kSpecifyPorts = 0x08, kAllTargetPortsAsked = 0x04;
inline constexpr u8 kPersistThroughPowerLoss = 0x01;  // here and in the next

struct RegisterAndMoveList {  // SPC-4 6.15.4
  be64 key, service_key;
  u8 reserved, flags;
  be16 relative_port;
  be32 id_length;  ///< of the TransportID that follows
};
static_assert(sizeof(RegisterAndMoveList) == 24 && offsetof(RegisterAndMoveList, id_length) == 20);
inline constexpr u8 kUnregister = 0x02;

struct TransportIdHeader {  // SPC-4 7.6.4.6
  u8 format_and_protocol, reserved;
  be16 length;  ///< of the name that follows
};
static_assert(sizeof(TransportIdHeader) == 4);
inline constexpr u8 kIscsiPort = 0x45;  ///< format 01b, an initiator port

struct UnmapHeader {  // SBC-3 5.28.2
  be16 data_length, descriptors_length;
  be32 reserved;
};
static_assert(sizeof(UnmapHeader) == 8);

struct UnmapDescriptor {
  be64 lba;
  be32 blocks, reserved;
};
static_assert(sizeof(UnmapDescriptor) == 16);

// ---- Parameter data (data-in) ----

struct StandardInquiry {  // SPC-4 6.6.2
  u8 peripheral, removable, version, format, additional_length;
  u8 tpgs_and_protect, multiport, queueing;
  std::array<char, 8> vendor;
  std::array<char, 16> product;
  std::array<char, 4> revision;
  Reserved<22> vendor_specific;
  std::array<be16, 8> versions;
  Reserved<22> reserved;
};
static_assert(sizeof(StandardInquiry) == 96 && offsetof(StandardInquiry, versions) == 58);

struct VpdHeader {  // SPC-4 7.8.1
  u8 peripheral, page;
  be16 length;
};
static_assert(sizeof(VpdHeader) == 4);

struct DesignatorHeader {  // SPC-4 7.8.6
  u8 protocol_and_code_set, association_and_type, reserved, length;
};
static_assert(sizeof(DesignatorHeader) == 4);

struct PortDesignator {  // relative target port, target port group
  be16 reserved, number;
};
static_assert(sizeof(PortDesignator) == 4);

struct ExtendedInquiry {  // SPC-4 7.8.8, behind the header
  u8 checks, task_support, cache_support, clears;
  Reserved<56> reserved;
};
static_assert(sizeof(ExtendedInquiry) == 60);

struct BlockLimits {  // SBC-3 6.6.3, behind the header
  u8 wsnz, max_compare_and_write;
  be16 transfer_granularity;
  be32 max_transfer, optimal_transfer, max_prefetch;
  be32 max_unmap, max_unmap_descriptors, unmap_granularity, unmap_alignment;
  be64 max_write_same;
  Reserved<20> reserved;
};
static_assert(sizeof(BlockLimits) == 60 && offsetof(BlockLimits, max_write_same) == 32);
inline constexpr u8 kWriteSameNonZero = 0x01;
inline constexpr std::uint32_t kUnmapAlignmentValid = 0x80000000;

struct BlockCharacteristics {  // SBC-3 6.6.2, behind the header
  be16 rotation_rate;
  u8 product_type, form_factor, flags;
  Reserved<55> reserved;
};
static_assert(sizeof(BlockCharacteristics) == 60);
/// WABEREQ 01b: what was block erased reads without error before it is written.
inline constexpr u8 kErasedReadsComplete = 0x40;

struct Provisioning {  // SBC-3 6.6.4, behind the header
  u8 threshold_exponent, flags, type, reserved;
};
static_assert(sizeof(Provisioning) == 4);
inline constexpr u8 kLbpu = 0x80, kLbpws = 0x40, kLbpws10 = 0x20, kLbprz = 0x04;

struct ProvisioningModePage {  // SBC-3 6.5.9; threshold descriptors follow
  u8 page, subpage;
  be16 length;
  u8 flags;  ///< SITUA
  Reserved<11> reserved;
};
static_assert(sizeof(ProvisioningModePage) == 16);

/// Threshold type 000b (soft), arming 000b (for a decreasing resource).
struct ThresholdDescriptor {
  u8 flags, resource;
  be16 reserved;
  be32 count;  ///< threshold sets
};
static_assert(sizeof(ThresholdDescriptor) == 8);
inline constexpr u8 kThresholdEnabled = 0x80;
inline constexpr u8 kAvailableResource = 0x01, kUsedResource = 0x02;

struct ResourceLog {  // SBC-3 6.4.4, behind the head of a parameter
  be32 count;         ///< threshold sets
  u8 scope;
  Reserved<3> reserved;
};
static_assert(sizeof(ResourceLog) == 8);
inline constexpr u8 kDedicated = 0x01, kShared = 0x02;

struct Capacity10 {  // SBC-3 5.15.2
  be32 last_lba, block_length;
};
static_assert(sizeof(Capacity10) == 8);

struct Capacity16 {  // SBC-3 5.16.2
  be64 last_lba;
  be32 block_length;
  u8 protection, exponents;
  be16 provisioning;
  Reserved<16> reserved;
};
static_assert(sizeof(Capacity16) == 32 && offsetof(Capacity16, provisioning) == 14);
inline constexpr std::uint16_t kLbpme = 0x8000, kCapacityLbprz = 0x4000;

struct LbaStatusHeader {  // SBC-3 5.5.2
  be32 length, reserved;
};
static_assert(sizeof(LbaStatusHeader) == 8);

struct LbaStatusDescriptor {
  be64 lba;
  be32 blocks;
  u8 status;
  Reserved<3> reserved;
};
static_assert(sizeof(LbaStatusDescriptor) == 16);

struct DefectHeader10 {  // SBC-3 5.19.2
  u8 reserved, format;
  be16 length;
};
static_assert(sizeof(DefectHeader10) == 4);

struct DefectHeader12 {  // SBC-3 5.20.2
  u8 reserved, format;
  be16 generation;
  be32 length;
};
static_assert(sizeof(DefectHeader12) == 8);
/// Which lists were asked for, and the format: byte 2 of the (10), 1 of the (12).
inline constexpr u8 kDefectSelection = 0x1f;

struct ReservationHeader {  // SPC-4 6.14.2
  be32 generation, length;
};
static_assert(sizeof(ReservationHeader) == 8);

struct ReservationDescriptor {  // SPC-4 6.14.3
  be64 key;
  be32 obsolete;
  u8 reserved, scope_and_type;
  be16 obsolete14;
};
static_assert(sizeof(ReservationDescriptor) == 16);

struct ReservationCapabilities {  // SPC-4 6.14.4
  be16 length;
  u8 flags, state;
  be16 types, reserved;
};
static_assert(sizeof(ReservationCapabilities) == 8);
inline constexpr u8 kCompatibleHandling = 0x10, kSpecifyInitiatorPorts = 0x08;
inline constexpr u8 kAllTargetPorts = 0x04, kPersistCapable = 0x01;
inline constexpr u8 kTypeMaskValid = 0x80, kPersistActive = 0x01;
/// WR_EX_AR, EX_AC_RO, WR_EX_RO, EX_AC, WR_EX; EX_AC_AR.
inline constexpr std::uint16_t kEveryReservationType = 0xea01;

struct FullStatusDescriptor {  // SPC-4 6.14.5
  be64 key;
  be32 reserved;
  u8 flags, scope_and_type;
  be32 reserved14;
  be16 relative_port;
  be32 length;  ///< of the TransportID that follows
};
static_assert(sizeof(FullStatusDescriptor) == 24 && offsetof(FullStatusDescriptor, length) == 20);
inline constexpr u8 kAllTargetPortsStatus = 0x02, kHolder = 0x01;

struct ReportLunsHeader {  // SPC-4 6.33
  be32 length, reserved;
};
static_assert(sizeof(ReportLunsHeader) == 8);

struct ModeHeader6 {  // SPC-4 7.5.4
  u8 length, medium, device, descriptor_length;
};
static_assert(sizeof(ModeHeader6) == 4);

struct ModeHeader10 {
  be16 length;
  u8 medium, device, long_lba, reserved;
  be16 descriptor_length;
};
static_assert(sizeof(ModeHeader10) == 8);
inline constexpr u8 kWriteProtected = 0x80, kDpoFua = 0x10;

struct ShortBlockDescriptor {  // SBC-3 6.4.2.2
  be32 blocks;
  u8 reserved;
  be24 block_length;
};
static_assert(sizeof(ShortBlockDescriptor) == 8);

struct LongBlockDescriptor {  // SBC-3 6.4.2.3
  be64 blocks;
  be32 reserved, block_length;
};
static_assert(sizeof(LongBlockDescriptor) == 16);

inline constexpr u8 kSubpageFormat = 0x40;

struct ErrorRecoveryPage {  // SBC-3 6.4.8
  u8 page, length, flags, read_retries;
  Reserved<3> obsolete;
  u8 provisioning, write_retries, reserved9;
  be16 time_limit;
};
static_assert(sizeof(ErrorRecoveryPage) == 12);
inline constexpr u8 kAutomaticWriteReallocation = 0x80;
inline constexpr u8 kThresholdReporting = 0x80;  // LBPERE, in `provisioning`

struct CachingPage {  // SBC-3 6.4.5
  u8 page, length, flags;
  Reserved<17> reserved;
};
static_assert(sizeof(CachingPage) == 20);
inline constexpr u8 kWce = 0x04;

struct ControlPage {  // SPC-4 7.5.8
  u8 page, length, flags, queueing, protection, aborts;
  be16 obsolete, busy_timeout, self_test_time;
};
static_assert(sizeof(ControlPage) == 12);
inline constexpr u8 kDescriptorSense = 0x04, kGlobalLoggingDisabled = 0x02;
inline constexpr u8 kUnrestrictedReordering = 0x10;
inline constexpr u8 kSoftwareWriteProtect = 0x08, kTaskAbortedStatus = 0x40;

struct ControlExtensionPage {  // SPC-4 7.5.9
  u8 page, subpage;
  be16 length;
  u8 flags, priority, max_sense_length;
  Reserved<25> reserved;
};
static_assert(sizeof(ControlExtensionPage) == 32);

struct ExceptionsPage {  // SPC-4 7.5.14
  u8 page, length, flags, method;
  be32 interval, count;
};
static_assert(sizeof(ExceptionsPage) == 12);
inline constexpr u8 kExceptionsDisabled = 0x08;

struct PortGroupsExtension {  // SPC-4 6.37, behind the length
  u8 format, transition_time;
  be16 reserved;
};
static_assert(sizeof(PortGroupsExtension) == 4);

struct PortGroupDescriptor {
  u8 state, supported;
  be16 group;
  u8 reserved, status, vendor_specific, port_count;
};
static_assert(sizeof(PortGroupDescriptor) == 8);
inline constexpr u8 kTransitionSupported = 0x80, kUnavailableSupported = 0x08;
inline constexpr u8 kStandbySupported = 0x04, kNonOptimizedSupported = 0x02;
inline constexpr u8 kOptimizedSupported = 0x01;
inline constexpr u8 kChangedImplicitly = 0x02;

struct PriorityDescriptor {  // SPC-4 6.34
  u8 priority, reserved;
  be16 relative_port, reserved4;
  be16 length;  ///< of the TransportID that follows
};
static_assert(sizeof(PriorityDescriptor) == 8);

struct Timestamp {  // SPC-4 6.38
  be16 length;
  u8 origin, reserved;
  be48 milliseconds;  ///< since 1970
  be16 reserved10;
};
static_assert(sizeof(Timestamp) == 12);

struct TaskFunctions {  // SPC-4 6.36
  u8 functions, nexus_functions, reserved, additional_length;
};
static_assert(sizeof(TaskFunctions) == 4);

/// Zero: no timeout is given.
struct TaskFunctionTimeouts {
  u8 valid;
  Reserved<3> reserved;
  be32 longest, shortest;
};
static_assert(sizeof(TaskFunctionTimeouts) == 12);

struct LogHeader {  // SPC-4 7.3.2
  u8 page, subpage;
  be16 length;
};
static_assert(sizeof(LogHeader) == 4);
inline constexpr u8 kNotSaved = 0x80;

struct LogParameter {
  be16 code;
  u8 control, length;
};
static_assert(sizeof(LogParameter) == 4);

struct AccessStatistics {  // SPC-4 7.3.10
  be64 reads, writes, blocks_written, blocks_read;
  be64 read_intervals, write_intervals, weighted, idle;
};
static_assert(sizeof(AccessStatistics) == 64);

struct ExceptionsLog {  // SPC-4 7.3.13
  u8 asc, ascq, temperature;
};
static_assert(sizeof(ExceptionsLog) == 3);

struct OpcodeDescriptor {  // SPC-4 6.35.2
  u8 opcode, reserved1;
  be16 action;
  u8 reserved4, flags;
  be16 cdb_length;
};
static_assert(sizeof(OpcodeDescriptor) == 8);
inline constexpr u8 kListTimeoutsPresent = 0x02, kHasAction = 0x01;

struct OneOpcodeHeader {  // SPC-4 6.35.3
  u8 reserved, support;
  be16 cdb_length;
};
static_assert(sizeof(OneOpcodeHeader) == 4);
inline constexpr u8 kOneTimeoutsPresent = 0x80, kNotSupported = 0x01, kSupported = 0x03;

struct TimeoutsDescriptor {  // SPC-4 6.35.4
  be16 length;
  u8 reserved, command_specific;
  be32 nominal, recommended;  ///< seconds; 0: not said
};
static_assert(sizeof(TimeoutsDescriptor) == 12);

}  // namespace caisson::scsi::wire
