// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/pdu.hpp"

#include <algorithm>
#include <utility>

namespace caisson::iscsi {
namespace {

constexpr OpcodeSpec kInitiatorOpcodes[] = {
    //  opcode                   name                       numbered data  discovery
    {Opcode::nop_out, "NOP-Out", true, true, true},
    {Opcode::scsi_command, "SCSI Command", true, true, false},
    {Opcode::task_management, "Task Management Request", true, false, false},
    {Opcode::login_request, "Login Request", true, true, false},
    {Opcode::text_request, "Text Request", true, true, true},
    {Opcode::data_out, "SCSI Data-Out", false, true, false},
    {Opcode::logout_request, "Logout Request", true, false, true},
    {Opcode::snack, "SNACK Request", false, false, false},
};
static_assert(std::ranges::is_sorted(kInitiatorOpcodes, {}, &OpcodeSpec::opcode));

constexpr std::pair<Opcode, std::string_view> kTargetOpcodes[] = {
    {Opcode::nop_in, "NOP-In"},
    {Opcode::scsi_response, "SCSI Response"},
    {Opcode::task_management_response, "Task Management Response"},
    {Opcode::login_response, "Login Response"},
    {Opcode::text_response, "Text Response"},
    {Opcode::data_in, "SCSI Data-In"},
    {Opcode::logout_response, "Logout Response"},
    {Opcode::ready_to_transfer, "Ready To Transfer"},
    {Opcode::async_message, "Asynchronous Message"},
    {Opcode::reject, "Reject"},
};

}  // namespace

const OpcodeSpec* find_opcode(std::uint8_t opcode) noexcept {
  for (const auto& row : kInitiatorOpcodes)
    if (static_cast<std::uint8_t>(row.opcode) == opcode) return &row;
  return nullptr;
}

std::string_view opcode_name(std::uint8_t opcode) noexcept {
  if (const auto* row = find_opcode(opcode)) return row->name;
  for (const auto& [code, name] : kTargetOpcodes)
    if (static_cast<std::uint8_t>(code) == opcode) return name;
  return "unknown";
}

}  // namespace caisson::iscsi
