// SPDX-License-Identifier: Apache-2.0
// PERSISTENT RESERVE IN (SPC-4 6.14).
#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/reply.hpp"
#include "gateway/scsi/wire.hpp"

namespace caisson::scsi {
namespace {

using object::Registration;
using object::ReservationState;
using object::ReservationType;
using u8 = std::uint8_t;

constexpr u8 kScopeUnit = 0;

u8 scope_and_type(ReservationType type) {
  return static_cast<u8>(kScopeUnit << 4 | static_cast<u8>(type));
}

void put_header(const ReservationState& state, Reply& reply) {
  reply.put(wire::ReservationHeader{state.generation, 0});
}

/// The length of what follows the header, which is complete, of what may be cut.
void answer_list(Command& command, const ReservationState& state, Reply& reply) {
  auto length = static_cast<std::uint32_t>(reply.size() - sizeof(wire::ReservationHeader));
  reply.patch(0, wire::ReservationHeader{state.generation, length});
  command.answer(reply.data(), command.task().planned);
}

void put_status(const ReservationState& state, const Registration& one, Reply& reply) {
  wire::FullStatusDescriptor descriptor{};
  descriptor.key = one.key;
  if (one.all_ports) descriptor.flags |= wire::kAllTargetPortsStatus;
  if (state.type != ReservationType::none && state.holds(one)) {
    descriptor.flags |= wire::kHolder;
    descriptor.scope_and_type = scope_and_type(state.type);
  }
  descriptor.relative_port = one.nexus.port;
  descriptor.length = static_cast<std::uint32_t>(one.nexus.initiator.size());
  reply.put(descriptor).text(one.nexus.initiator);
}

/// Zero where every registrant holds it.
std::uint64_t holders_key(const ReservationState& state) {
  for (const auto& one : state.registrations)
    if (one.holder) return one.key;
  return 0;
}

}  // namespace

bool plan_persistent_in(Command& command, DataPlan& plan) {
  plan = parameter_data(std::uint16_t{command.cdb<wire::PersistentInCdb>().allocation});
  return true;
}

void run_read_keys(Command& command) {
  auto state = command.object().reservations().state();
  Reply reply;
  put_header(state, reply);
  for (const auto& one : state.registrations) reply.put(be64(one.key));
  answer_list(command, state, reply);
}

void run_read_reservation(Command& command) {
  auto state = command.object().reservations().state();
  Reply reply;
  put_header(state, reply);
  if (state.type != ReservationType::none) {
    wire::ReservationDescriptor descriptor{};
    descriptor.key = holders_key(state);
    descriptor.scope_and_type = scope_and_type(state.type);
    reply.put(descriptor);
  }
  answer_list(command, state, reply);
}

void run_report_capabilities(Command& command) {
  wire::ReservationCapabilities data{};
  data.length = sizeof data;
  data.flags = wire::kCompatibleHandling | wire::kSpecifyInitiatorPorts | wire::kAllTargetPorts |
               wire::kPersistCapable;
  data.state = wire::kTypeMaskValid;
  if (command.object().reservations().state().aptpl) data.state |= wire::kPersistActive;
  data.types = wire::kEveryReservationType;
  command.answer(bytes_of(data), command.task().planned);
}

void run_read_full_status(Command& command) {
  auto state = command.object().reservations().state();
  Reply reply;
  put_header(state, reply);
  for (const auto& one : state.registrations) put_status(state, one, reply);
  answer_list(command, state, reply);
}

}  // namespace caisson::scsi
