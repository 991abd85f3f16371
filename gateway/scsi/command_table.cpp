// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "gateway/scsi/command.hpp"
#include "gateway/scsi/handlers.hpp"

namespace caisson::scsi {
namespace {

using Usage = std::array<std::uint8_t, kMaxRowCdb>;

consteval std::uint8_t hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
  throw "not a hexadecimal digit";
}

/// "28 1A FF …": one byte each, separated by one blank.
consteval Usage usage(std::string_view text) {
  Usage bytes{};
  for (std::size_t i = 0; i < text.size(); i += 3)
    bytes[i / 3] = static_cast<std::uint8_t>(hex_digit(text[i]) << 4 | hex_digit(text[i + 1]));
  return bytes;
}

using enum Access;
using D = Direction;
using G = object::CommandClass;
constexpr std::uint8_t kAlways = 0x7f;
/// Tells of the unit, or sets what is not the medium's.
constexpr std::uint8_t kReport =
    kWhenOffline | kInStandby | kWhenUnavailable | kDuringUpkeep | kWithoutMedium;
constexpr std::uint8_t kSetting = kWhenOffline | kInStandby | kWithoutMedium;
constexpr std::uint8_t kReserving = kInStandby | kWithoutMedium;
constexpr auto kNone = kNoAction;
constexpr auto kAny = Need::nothing;

// Seconds: answered from memory; one transfer; a transfer that reaches the
// medium; one that may cover much of it.
constexpr std::uint32_t kQuick = 10, kIo = 30, kSync = 60, kLong = 300;

// Byte 1 of READ, WRITE and kin evaluates DPO, FUA and the obsolete FUA_NV, not
// RDPROTECT, WRPROTECT (no protection information) nor RARC. A group number is
// taken and has no effect (GROUP_SUP is zero). Byte 1 of rows with a service
// action names the action.
// clang-format off
constexpr CommandSpec kCommands[] = {
//   op    action len  data     access guard           allow          need         usage                                               plan                    run                     name                              timeout
    {0x00, kNone,  6, D::none, none,  G::status,      kNever,        kAny,        usage("00 00 00 00 00 00"),                         plan_nothing,           run_test_unit_ready,    "TEST UNIT READY",                kQuick},
    {0x03, kNone,  6, D::in,   none,  G::always,      kAlways,       kAny,        usage("03 01 00 00 FF 00"),                         plan_request_sense,     run_request_sense,      "REQUEST SENSE",                  kQuick},
    {0x04, kNone,  6, D::out,  write, G::write,       kDuringUpkeep, kAny,        usage("04 3F 00 00 00 00"),                         plan_format_unit,       run_format_unit,        "FORMAT UNIT",                    kLong},
    {0x08, kNone,  6, D::in,   read,  G::read,        kNever,        kAny,        usage("08 1F FF FF FF 00"),                         plan_read,              run_read,               "READ(6)",                        kIo},
    {0x0a, kNone,  6, D::out,  write, G::write,       kNever,        kAny,        usage("0A 1F FF FF FF 00"),                         plan_write,             run_write,              "WRITE(6)",                       kIo},
    {0x12, kNone,  6, D::in,   none,  G::always,      kAlways,       kAny,        usage("12 01 FF FF FF 00"),                         plan_inquiry,           run_inquiry,            "INQUIRY",                        kQuick},
    {0x15, kNone,  6, D::out,  govern,G::write,       kSetting,      kAny,        usage("15 11 00 00 FF 00"),                         plan_mode_select,       run_mode_select,        "MODE SELECT(6)",                 kQuick},
    {0x16, kNone,  6, D::none, govern,G::always,      kReserving,    kAny,        usage("16 00 00 00 00 00"),                         plan_nothing,           run_reserve_unit,       "RESERVE(6)",                     kQuick},
    {0x17, kNone,  6, D::none, none,  G::always,      kReserving,    kAny,        usage("17 00 00 00 00 00"),                         plan_nothing,           run_release_unit,       "RELEASE(6)",                     kQuick},
    {0x1a, kNone,  6, D::in,   none,  G::read,        kSetting,      kAny,        usage("1A 08 FF FF FF 00"),                         plan_mode_sense,        run_mode_sense,         "MODE SENSE(6)",                  kQuick},
    {0x1b, kNone,  6, D::none, none,  G::status,      kWithoutMedium,kAny,        usage("1B 01 00 0F F7 00"),                         plan_start_stop,        run_start_stop,         "START STOP UNIT",                kSync},
    {0x1e, kNone,  6, D::none, none,  G::status,      kWithoutMedium,kAny,        usage("1E 00 00 00 03 00"),                         plan_prevent_allow,     run_prevent_allow,      "PREVENT ALLOW MEDIUM REMOVAL",   kQuick},
    {0x25, kNone, 10, D::in,   none,  G::always,      kNever,        kAny,        usage("25 00 00 00 00 00 00 00 00 00"),             plan_read_capacity_10,  run_read_capacity_10,   "READ CAPACITY(10)",              kQuick},
    {0x28, kNone, 10, D::in,   read,  G::read,        kNever,        kAny,        usage("28 1A FF FF FF FF 1F FF FF 00"),             plan_read,              run_read,               "READ(10)",                       kIo},
    {0x2a, kNone, 10, D::out,  write, G::write,       kNever,        kAny,        usage("2A 1A FF FF FF FF 1F FF FF 00"),             plan_write,             run_write,              "WRITE(10)",                      kIo},
    {0x2e, kNone, 10, D::out,  write, G::write,       kNever,        kAny,        usage("2E 16 FF FF FF FF 1F FF FF 00"),             plan_write_and_verify,  run_write_and_verify,   "WRITE AND VERIFY(10)",           kSync},
    {0x2f, kNone, 10, D::out,  read,  G::read,        kNever,        kAny,        usage("2F 16 FF FF FF FF 1F FF FF 00"),             plan_verify,            run_verify,             "VERIFY(10)",                     kLong},
    {0x34, kNone, 10, D::none, read,  G::read,        kNever,        kAny,        usage("34 02 FF FF FF FF 1F FF FF 00"),             plan_prefetch,          run_prefetch,           "PRE-FETCH(10)",                  kQuick},
    {0x35, kNone, 10, D::none, read,  G::write,       kNever,        kAny,        usage("35 06 FF FF FF FF 1F FF FF 00"),             plan_synchronize_cache, run_synchronize_cache,  "SYNCHRONIZE CACHE(10)",          kSync},
    {0x37, kNone, 10, D::in,   none,  G::read,        kNever,        kAny,        usage("37 00 1F 00 00 00 00 FF FF 00"),             plan_read_defect_data,  run_read_defect_data,   "READ DEFECT DATA(10)",           kQuick},
    {0x41, kNone, 10, D::out,  write, G::write,       kNever,        kAny,        usage("41 08 FF FF FF FF 1F FF FF 00"),             plan_write_same,        run_write_same,         "WRITE SAME(10)",                 kLong},
    {0x42, kNone, 10, D::out,  write, G::write,       kNever,        Need::unmap, usage("42 00 00 00 00 00 1F FF FF 00"),             plan_unmap,             run_unmap,              "UNMAP",                          kLong},
    {0x48, 0x01,  10, D::out,  write, G::write,       kDuringUpkeep, kAny,        usage("48 A1 00 00 00 00 00 FF FF 00"),             plan_sanitize,          run_sanitize,           "SANITIZE, OVERWRITE",            kLong},
    {0x48, 0x02,  10, D::none, write, G::write,       kDuringUpkeep, kAny,        usage("48 A2 00 00 00 00 00 FF FF 00"),             plan_sanitize,          run_sanitize,           "SANITIZE, BLOCK ERASE",            kLong},
    {0x48, 0x1f,  10, D::none, write, G::write,       kDuringUpkeep, kAny,        usage("48 1F 00 00 00 00 00 FF FF 00"),             plan_sanitize,          run_exit_failure_mode,           "SANITIZE, EXIT FAILURE MODE",            kLong},
    {0x4d, kNone, 10, D::in,   none,  G::read,        kSetting,      kAny,        usage("4D 00 FF FF 00 FF FF FF FF 00"),             plan_log_sense,         run_log_sense,          "LOG SENSE",                      kQuick},
    {0x55, kNone, 10, D::out,  govern,G::write,       kSetting,      kAny,        usage("55 11 00 00 00 00 00 FF FF 00"),             plan_mode_select,       run_mode_select,        "MODE SELECT(10)",                kQuick},
    {0x56, kNone, 10, D::none, govern,G::always,      kReserving,    kAny,        usage("56 00 00 00 00 00 00 00 00 00"),             plan_nothing,           run_reserve_unit,       "RESERVE(10)",                    kQuick},
    {0x57, kNone, 10, D::none, none,  G::always,      kReserving,    kAny,        usage("57 00 00 00 00 00 00 00 00 00"),             plan_nothing,           run_release_unit,       "RELEASE(10)",                    kQuick},
    {0x5a, kNone, 10, D::in,   none,  G::read,        kSetting,      kAny,        usage("5A 18 FF FF 00 00 00 FF FF 00"),             plan_mode_sense,        run_mode_sense,         "MODE SENSE(10)",                 kQuick},
    {0x5e, 0x00,  10, D::in,   none,  G::reservation, kReserving,    kAny,        usage("5E 00 00 00 00 00 00 FF FF 00"),             plan_persistent_in,     run_read_keys,          "PERSISTENT RESERVE IN, READ KEYS",kQuick},
    {0x5e, 0x01,  10, D::in,   none,  G::reservation, kReserving,    kAny,        usage("5E 01 00 00 00 00 00 FF FF 00"),             plan_persistent_in,     run_read_reservation,   "PERSISTENT RESERVE IN, READ RESERVATION",kQuick},
    {0x5e, 0x02,  10, D::in,   none,  G::reservation, kReserving,    kAny,        usage("5E 02 00 00 00 00 00 FF FF 00"),             plan_persistent_in,     run_report_capabilities,"PERSISTENT RESERVE IN, REPORT CAPABILITIES",kQuick},
    {0x5e, 0x03,  10, D::in,   none,  G::reservation, kReserving,    kAny,        usage("5E 03 00 00 00 00 00 FF FF 00"),             plan_persistent_in,     run_read_full_status,   "PERSISTENT RESERVE IN, READ FULL STATUS",kQuick},
    {0x5f, 0x00,  10, D::out,  none,  G::reservation, kReserving,    kAny,        usage("5F 00 FF 00 00 FF FF FF FF 00"),             plan_persistent_out,    run_persistent_out,     "PERSISTENT RESERVE OUT, REGISTER",kIo},
    {0x5f, 0x01,  10, D::out,  govern,G::reservation, kReserving,    kAny,        usage("5F 01 FF 00 00 FF FF FF FF 00"),             plan_persistent_out,    run_persistent_out,     "PERSISTENT RESERVE OUT, RESERVE",kIo},
    {0x5f, 0x02,  10, D::out,  govern,G::reservation, kReserving,    kAny,        usage("5F 02 FF 00 00 FF FF FF FF 00"),             plan_persistent_out,    run_persistent_out,     "PERSISTENT RESERVE OUT, RELEASE",kIo},
    {0x5f, 0x03,  10, D::out,  govern,G::reservation, kReserving,    kAny,        usage("5F 03 FF 00 00 FF FF FF FF 00"),             plan_persistent_out,    run_persistent_out,     "PERSISTENT RESERVE OUT, CLEAR",  kIo},
    {0x5f, 0x04,  10, D::out,  govern,G::reservation, kReserving,    kAny,        usage("5F 04 FF 00 00 FF FF FF FF 00"),             plan_persistent_out,    run_persistent_out,     "PERSISTENT RESERVE OUT, PREEMPT",kIo},
    {0x5f, 0x05,  10, D::out,  govern,G::reservation, kReserving,    kAny,        usage("5F 05 FF 00 00 FF FF FF FF 00"),             plan_persistent_out,    run_persistent_out,     "PERSISTENT RESERVE OUT, PREEMPT AND ABORT",kIo},
    {0x5f, 0x06,  10, D::out,  none,  G::reservation, kReserving,    kAny,        usage("5F 06 FF 00 00 FF FF FF FF 00"),             plan_persistent_out,    run_persistent_out,     "PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY",kIo},
    {0x5f, 0x07,  10, D::out,  govern,G::reservation, kReserving,    kAny,        usage("5F 07 FF 00 00 FF FF FF FF 00"),             plan_persistent_out,    run_persistent_out,     "PERSISTENT RESERVE OUT, REGISTER AND MOVE",kIo},
    {0x88, kNone, 16, D::in,   read,  G::read,        kNever,        kAny,        usage("88 1A FF FF FF FF FF FF FF FF FF FF FF FF 1F 00"), plan_read,        run_read,               "READ(16)",                       kIo},
    {0x89, kNone, 16, D::out,  write, G::write,       kNever,        kAny,        usage("89 1A FF FF FF FF FF FF FF FF 00 00 00 FF 1F 00"), plan_compare_and_write, run_compare_and_write, "COMPARE AND WRITE",          kIo},
    {0x8a, kNone, 16, D::out,  write, G::write,       kNever,        kAny,        usage("8A 1A FF FF FF FF FF FF FF FF FF FF FF FF 1F 00"), plan_write,       run_write,              "WRITE(16)",                      kIo},
    {0x8b, kNone, 16, D::out,  write, G::write,       kNever,        kAny,        usage("8B 1A FF FF FF FF FF FF FF FF FF FF FF FF 1F 00"), plan_write,       run_or_write,           "ORWRITE(16)",                    kIo},
    {0x8e, kNone, 16, D::out,  write, G::write,       kNever,        kAny,        usage("8E 16 FF FF FF FF FF FF FF FF FF FF FF FF 1F 00"), plan_write_and_verify, run_write_and_verify, "WRITE AND VERIFY(16)",        kSync},
    {0x8f, kNone, 16, D::out,  read,  G::read,        kNever,        kAny,        usage("8F 16 FF FF FF FF FF FF FF FF FF FF FF FF 1F 00"), plan_verify,      run_verify,             "VERIFY(16)",                     kLong},
    {0x90, kNone, 16, D::none, read,  G::read,        kNever,        kAny,        usage("90 02 FF FF FF FF FF FF FF FF FF FF FF FF 1F 00"), plan_prefetch,    run_prefetch,           "PRE-FETCH(16)",                  kQuick},
    {0x91, kNone, 16, D::none, read,  G::write,       kNever,        kAny,        usage("91 06 FF FF FF FF FF FF FF FF FF FF FF FF 1F 00"), plan_synchronize_cache, run_synchronize_cache, "SYNCHRONIZE CACHE(16)",     kSync},
    {0x93, kNone, 16, D::out,  write, G::write,       kNever,        kAny,        usage("93 09 FF FF FF FF FF FF FF FF FF FF FF FF 1F 00"), plan_write_same,  run_write_same,         "WRITE SAME(16)",                 kLong},
    {0x9e, 0x10,  16, D::in,   none,  G::always,      kNever,        kAny,        usage("9E 10 00 00 00 00 00 00 00 00 FF FF FF FF 00 00"), plan_read_capacity_16, run_read_capacity_16, "READ CAPACITY(16)",           kQuick},
    {0x9e, 0x12,  16, D::in,   none,  G::read,        kNever,        kAny,        usage("9E 12 FF FF FF FF FF FF FF FF FF FF FF FF 00 00"), plan_get_lba_status, run_get_lba_status,  "GET LBA STATUS",                 kIo},
    {0xa0, kNone, 12, D::in,   none,  G::always,      kAlways,       kAny,        usage("A0 00 FF 00 00 00 FF FF FF FF 00 00"),       plan_report_luns,       run_report_luns,        "REPORT LUNS",                    kQuick},
    {0xa3, 0x0a,  12, D::in,   none,  G::always,      kReport,       kAny,        usage("A3 EA 00 00 00 00 FF FF FF FF 00 00"),       plan_report_port_groups,run_report_port_groups, "REPORT TARGET PORT GROUPS",      kQuick},
    {0xa3, 0x0c,  12, D::in,   none,  G::read,        kReport,       kAny,        usage("A3 0C 87 FF FF FF FF FF FF FF 00 00"),       plan_report_opcodes,    run_report_opcodes,     "REPORT SUPPORTED OPERATION CODES", kQuick},
    {0xa3, 0x0d,  12, D::in,   none,  G::read,        kReport,       kAny,        usage("A3 0D 80 00 00 00 FF FF FF FF 00 00"),       plan_report,            run_report_task_functions,"REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",kQuick},
    {0xa3, 0x0e,  12, D::in,   none,  G::always,      kReserving,    kAny,        usage("A3 0E C0 00 00 00 FF FF FF FF 00 00"),       plan_report_priority,   run_report_priority,    "REPORT PRIORITY",                kQuick},
    {0xa3, 0x0f,  12, D::in,   none,  G::always,      kReserving,    kAny,        usage("A3 0F 00 00 00 00 FF FF FF FF 00 00"),       plan_report,            run_report_timestamp,   "REPORT TIMESTAMP",               kQuick},
    {0xa8, kNone, 12, D::in,   read,  G::read,        kNever,        kAny,        usage("A8 1A FF FF FF FF FF FF FF FF 1F 00"),       plan_read,              run_read,               "READ(12)",                       kIo},
    {0xaa, kNone, 12, D::out,  write, G::write,       kNever,        kAny,        usage("AA 1A FF FF FF FF FF FF FF FF 1F 00"),       plan_write,             run_write,              "WRITE(12)",                      kIo},
    {0xae, kNone, 12, D::out,  write, G::write,       kNever,        kAny,        usage("AE 16 FF FF FF FF FF FF FF FF 1F 00"),       plan_write_and_verify,  run_write_and_verify,   "WRITE AND VERIFY(12)",           kSync},
    {0xaf, kNone, 12, D::out,  read,  G::read,        kNever,        kAny,        usage("AF 16 FF FF FF FF FF FF FF FF 1F 00"),       plan_verify,            run_verify,             "VERIFY(12)",                     kLong},
    {0xb7, kNone, 12, D::in,   none,  G::read,        kNever,        kAny,        usage("B7 1F FF FF FF FF FF FF FF FF 00 00"),       plan_read_defect_data,  run_read_defect_data,   "READ DEFECT DATA(12)",           kQuick},
};
// clang-format on

static_assert(std::ranges::is_sorted(kCommands, [](const CommandSpec& a, const CommandSpec& b) {
  return a.opcode != b.opcode ? a.opcode < b.opcode : a.action < b.action;
}));
static_assert(std::ranges::all_of(kCommands, [](const CommandSpec& row) {
  return row.usage[0] == row.opcode &&
         (row.action == kNoAction || (row.usage[1] & 0x1f) == row.action);
}));

struct Rows {
  std::uint8_t first = 0, count = 0;
};

constexpr auto kIndex = [] {
  std::array<Rows, 256> index{};
  for (std::size_t i = 0; i < std::size(kCommands); ++i) {
    auto& rows = index[kCommands[i].opcode];
    if (rows.count++ == 0) rows.first = static_cast<std::uint8_t>(i);
  }
  return index;
}();

}  // namespace

std::span<const CommandSpec> command_table() noexcept { return kCommands; }

std::span<const CommandSpec> rows_of(std::uint8_t opcode) noexcept {
  return command_table().subspan(kIndex[opcode].first, kIndex[opcode].count);
}

const CommandSpec* find_command(std::span<const std::byte> cdb,
                                const block::Features& features) noexcept {
  auto action = std::to_integer<std::uint8_t>(cdb[1]) & 0x1f;
  for (const auto& row : rows_of(std::to_integer<std::uint8_t>(cdb[0])))
    if ((row.action == kNoAction || row.action == action) && available(row, features)) return &row;
  return nullptr;
}

}  // namespace caisson::scsi
