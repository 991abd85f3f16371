// SPDX-License-Identifier: Apache-2.0
// REPORT TARGET PORT GROUPS (SPC-4 6.37). Access is implicit (TPGS 01b): who
// serves a LUN is decided among gateways, SET TARGET PORT GROUPS is not offered.
#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/reply.hpp"
#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

using u8 = std::uint8_t;

constexpr u8 kLengthOnly = 0, kExtended = 1;  // PARAMETER DATA FORMAT
constexpr u8 kFormatShift = 5;
/// States that a group here may come to be in: all but LBA-dependent and offline.
constexpr u8 kSupported = wire::kTransitionSupported | wire::kUnavailableSupported |
                          wire::kStandbySupported | wire::kNonOptimizedSupported |
                          wire::kOptimizedSupported;
constexpr u8 kTransitionSeconds = 60;  // IMPLICIT TRANSITION TIME: none should take longer

u8 format_of(const wire::ReportCdb& cdb) { return static_cast<u8>(cdb.action >> kFormatShift); }

void put_group(const TargetPortGroup& group, AccessState state, Reply& reply) {
  wire::PortGroupDescriptor descriptor{};
  descriptor.state = static_cast<u8>(state);
  descriptor.supported = kSupported;
  descriptor.group = group.tag;
  descriptor.status = state == AccessState::active_optimized ? 0 : wire::kChangedImplicitly;
  descriptor.port_count = static_cast<u8>(group.ports.size());
  reply.put(descriptor);
  for (auto port : group.ports) reply.put(wire::PortDesignator{0, port});
}

}  // namespace

bool plan_report_port_groups(Command& command, DataPlan& plan) {
  auto cdb = command.cdb<wire::ReportCdb>();
  plan = parameter_data(cdb.allocation);
  return format_of(cdb) <= kExtended || command.refuse_field(1, 7);
}

void run_report_port_groups(Command& command) {
  Reply reply;
  reply.zeros(sizeof(be32));
  if (format_of(command.cdb<wire::ReportCdb>()) != kLengthOnly)
    reply.put(wire::PortGroupsExtension{kExtended << 4, kTransitionSeconds, 0});
  for (const auto& group : command.identity().port_groups)
    put_group(group, command.unit().access_state(), reply);
  reply.patch(0, be32(static_cast<std::uint32_t>(reply.size() - sizeof(be32))));
  command.answer(reply.data(), command.task().planned);
}

}  // namespace caisson::scsi
