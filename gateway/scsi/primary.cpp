// SPDX-License-Identifier: Apache-2.0
// TEST UNIT READY, REQUEST SENSE, REPORT LUNS, REPORT SUPPORTED OPERATION CODES
// (SPC-4 6.47, 6.39, 6.33, 6.35).
#include <algorithm>

#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/lun_address.hpp"
#include "gateway/scsi/reply.hpp"
#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

using u8 = std::uint8_t;

/// What REQUEST SENSE has to say: of a unit that is not there, of a pending
/// attention, which it takes, of a unit that is not ready, or nothing.
Sense current_sense(const Command& command) {
  if (!command.has_unit()) return kNoSuchLun;
  if (auto attention = command.take_attention(); attention.present()) return attention;
  return readiness(command.unit());
}

// SELECT REPORT of REPORT LUNS.
constexpr u8 kOnlyWellKnown = 1, kAllOfThem = 2;

// REPORTING OPTIONS.
constexpr u8 kAll = 0, kByOpcode = 1, kByAction = 2, kByEither = 3;
constexpr u8 kNoTimeout = 0;

bool has_actions(std::uint8_t opcode) {
  auto rows = rows_of(opcode);
  return !rows.empty() && rows.front().action != kNoAction;
}

block::Features features_of(const Command& command) { return command.object().features(); }

void put_timeouts(const CommandSpec& row, Reply& reply) {
  reply.put(wire::TimeoutsDescriptor{sizeof(wire::TimeoutsDescriptor) - 2, 0, 0, kNoTimeout,
                                     row.timeout});
}

void list_all(const Command& command, bool timeouts, Reply& reply) {
  reply.zeros(sizeof(be32));
  for (const auto& row : command_table()) {
    if (!available(row, features_of(command))) continue;
    wire::OpcodeDescriptor descriptor{};
    descriptor.opcode = row.opcode;
    if (row.action != kNoAction) {
      descriptor.action = row.action;
      descriptor.flags |= wire::kHasAction;
    }
    if (timeouts) descriptor.flags |= wire::kListTimeoutsPresent;
    descriptor.cdb_length = row.length;
    reply.put(descriptor);
    if (timeouts) put_timeouts(row, reply);
  }
  reply.patch(0, be32(static_cast<std::uint32_t>(reply.size() - sizeof(be32))));
}

const CommandSpec* requested_row(const Command& command, const wire::ReportOpcodesCdb& cdb) {
  auto action = has_actions(cdb.requested_opcode) ? std::uint16_t{cdb.requested_action}
                                                  : std::uint16_t{kNoAction};
  for (const auto& row : rows_of(cdb.requested_opcode))
    if (row.action == action && available(row, features_of(command))) return &row;
  return nullptr;
}

void describe_one(const Command& command, const wire::ReportOpcodesCdb& cdb, Reply& reply) {
  const auto* row = requested_row(command, cdb);
  if (row == nullptr) {
    reply.put(wire::OneOpcodeHeader{0, wire::kNotSupported, 0});
    return;
  }
  auto timeouts = (cdb.options & wire::kReturnTimeouts) != 0;
  auto support = static_cast<u8>(wire::kSupported | (timeouts ? wire::kOneTimeoutsPresent : 0));
  reply.put(wire::OneOpcodeHeader{0, support, row->length});
  reply.bytes(std::as_bytes(std::span(row->usage).first(row->length)));
  if (timeouts) put_timeouts(*row, reply);
}

}  // namespace

bool plan_nothing(Command&, DataPlan&) { return true; }

void run_test_unit_ready(Command& command) { command.finish(); }

bool plan_request_sense(Command& command, DataPlan& plan) {
  plan = parameter_data(command.cdb<wire::RequestSenseCdb>().allocation);
  return true;
}

void run_request_sense(Command& command) {
  auto cdb = command.cdb<wire::RequestSenseCdb>();
  std::array<std::byte, kMaxSense> bytes{};
  auto descriptor = (cdb.flags & wire::kDescriptorFormat) != 0;
  auto length = encode(current_sense(command), descriptor, bytes);
  command.answer(std::span(bytes).first(length), command.task().planned);
}

bool plan_report_luns(Command& command, DataPlan& plan) {
  auto cdb = command.cdb<wire::ReportLunsCdb>();
  plan = parameter_data(cdb.allocation);
  return cdb.select <= kAllOfThem || command.refuse_field(2, 7);
}

void run_report_luns(Command& command) {
  auto cdb = command.cdb<wire::ReportLunsCdb>();
  Reply reply;
  reply.zeros(sizeof(wire::ReportLunsHeader));
  if (cdb.select != kOnlyWellKnown)
    for (auto number : command.numbers()) reply.put(be64(lun_address(number)));
  auto length = static_cast<std::uint32_t>(reply.size() - sizeof(wire::ReportLunsHeader));
  reply.patch(0, wire::ReportLunsHeader{length, 0});
  command.clear_everywhere(UnitAttention::reported_luns_changed);
  command.answer(reply.data(), command.task().planned);
}

bool plan_report_opcodes(Command& command, DataPlan& plan) {
  auto cdb = command.cdb<wire::ReportOpcodesCdb>();
  plan = parameter_data(cdb.allocation);
  switch (cdb.options & wire::kReportingOptions) {
    case kAll:
    case kByEither: return true;
    case kByOpcode: return !has_actions(cdb.requested_opcode) || command.refuse_field(2, 2);
    case kByAction:
      return rows_of(cdb.requested_opcode).empty() || has_actions(cdb.requested_opcode) ||
             command.refuse_field(2, 2);
    default: return command.refuse_field(2, 2);
  }
}

void run_report_opcodes(Command& command) {
  auto cdb = command.cdb<wire::ReportOpcodesCdb>();
  Reply reply;
  if ((cdb.options & wire::kReportingOptions) == kAll)
    list_all(command, (cdb.options & wire::kReturnTimeouts) != 0, reply);
  else
    describe_one(command, cdb, reply);
  command.answer(reply.data(), command.task().planned);
}

}  // namespace caisson::scsi
