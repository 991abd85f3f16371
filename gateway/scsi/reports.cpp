// SPDX-License-Identifier: Apache-2.0
// REPORT PRIORITY, REPORT TIMESTAMP and REPORT SUPPORTED TASK MANAGEMENT
// FUNCTIONS (SPC-4 6.34, 6.38, 6.36).
#include <chrono>

#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/reply.hpp"
#include "gateway/scsi/task_functions.hpp"
#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

using u8 = std::uint8_t;

constexpr u8 kThisNexus = 0, kEveryNexus = 1;  // PRIORITY REPORTED
constexpr u8 kPriorityShift = 6;
constexpr u8 kReturnExtended = 0x80;  // REPD
constexpr u8 kSetFromOutside = 0x03;  // TIMESTAMP ORIGIN: the gateway's clock

wire::Timestamp now() {
  using namespace std::chrono;
  auto since = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  wire::Timestamp data{};
  data.length = sizeof data - 2;
  data.origin = kSetFromOutside;
  data.milliseconds = static_cast<std::uint64_t>(since);
  return data;
}

}  // namespace

bool plan_report(Command& command, DataPlan& plan) {
  plan = parameter_data(command.cdb<wire::ReportCdb>().allocation);
  return true;
}

bool plan_report_priority(Command& command, DataPlan& plan) {
  auto which = command.cdb<wire::ReportCdb>().options >> kPriorityShift;
  plan_report(command, plan);
  return which == kThisNexus || which == kEveryNexus || command.refuse_field(2, 7);
}

/// No priority was ever set: SET PRIORITY is not offered. Of every nexus that is
/// an empty list, of this one its own default.
void run_report_priority(Command& command) {
  auto which = command.cdb<wire::ReportCdb>().options >> kPriorityShift;
  Reply reply;
  reply.zeros(sizeof(be32));
  if (which == kThisNexus) {
    const auto& port = command.transport_id();
    reply.put(wire::PriorityDescriptor{0, 0, command.identity().relative_port, 0,
                                       static_cast<std::uint16_t>(port.size())});
    reply.text(port);
  }
  reply.patch(0, be32(static_cast<std::uint32_t>(reply.size() - sizeof(be32))));
  command.answer(reply.data(), command.task().planned);
}

void run_report_timestamp(Command& command) {
  command.answer(bytes_of(now()), command.task().planned);
}

void run_report_task_functions(Command& command) {
  wire::TaskFunctions data{kTaskFunctions, kNexusFunctions, 0, 0};
  Reply reply;
  auto extended = (command.cdb<wire::ReportCdb>().options & kReturnExtended) != 0;
  if (extended) data.additional_length = sizeof(wire::TaskFunctionTimeouts);
  reply.put(data);
  if (extended) reply.put(wire::TaskFunctionTimeouts{});
  command.answer(reply.data(), command.task().planned);
}

}  // namespace caisson::scsi
