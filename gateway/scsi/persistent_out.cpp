// SPDX-License-Identifier: Apache-2.0
// PERSISTENT RESERVE OUT (SPC-4 6.15), RESERVE and RELEASE (SPC-2 7.20, 7.16).
#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/transport_id.hpp"
#include "gateway/scsi/wire.hpp"
#include "storage_object/base/executor.hpp"

namespace caisson::scsi {
namespace {

using object::ReservationAction;
using object::ReservationRequest;
using object::ReservationResult;
using object::ReservationType;
using Bytes = std::span<const std::byte>;

/// Longest parameter list: room for every TransportID that can be registered.
constexpr std::uint32_t kLongestList = 64 << 10;

struct ActionRow {
  std::uint8_t action;  ///< service action
  ReservationAction means;
  bool typed;  ///< scope and type of the CDB count
  bool registers;
};

constexpr ActionRow kActions[] = {
    {0x00, ReservationAction::register_key, false, true},
    {0x01, ReservationAction::reserve, true, false},
    {0x02, ReservationAction::release, true, false},
    {0x03, ReservationAction::clear, false, false},
    {0x04, ReservationAction::preempt, true, false},
    {0x05, ReservationAction::preempt_and_abort, true, false},
    {0x06, ReservationAction::register_and_ignore, false, true},
    {0x07, ReservationAction::register_and_move, false, false},
};

const ActionRow& action_of(const Command& command) {
  return *std::ranges::find(kActions, command.spec().action, &ActionRow::action);
}

struct ResultRow {
  ReservationResult result;
  Status status;
  Sense sense;  ///< present() with check_condition only
};

constexpr ResultRow kResults[] = {
    {ReservationResult::done, Status::good, {}},
    {ReservationResult::conflict, Status::reservation_conflict, {}},
    {ReservationResult::invalid_parameter, Status::check_condition, kInvalidParameter},
    {ReservationResult::invalid_release, Status::check_condition, kInvalidRelease},
    {ReservationResult::no_room, Status::check_condition, kNoRegistrationRoom},
    {ReservationResult::not_durable, Status::check_condition, kInternalTargetFailure},
    {ReservationResult::offline, Status::check_condition, kManualIntervention},
    {ReservationResult::busy, Status::busy, {}},
    // Not BUSY, on which hosts send it again without a word to who asked.
    {ReservationResult::not_kept_yet, Status::check_condition, kOperationInProgress},
};

bool refuse_parameter(const Command& command, std::size_t byte) {
  auto sense = kInvalidParameter;
  sense.field = FieldPointer{false, static_cast<std::uint16_t>(byte), std::nullopt};
  return command.refuse(sense);
}

/// Ends `task` on this thread, whichever calls it.
std::function<void()> ending(Task& task) {
  return [&task, executor = Executor::current()] {
    if (executor == nullptr || executor == Executor::current()) return task.end();
    executor->post([&task] { task.end(); });
  };
}

/// PREEMPT AND ABORT: what the preempted have open ends before it is answered (SPC-4
/// 5.13.11.2.7). What hangs is given up at `until`. Only who has won does that: of two
/// that preempt each other one is left.
void abort_preempted(const std::shared_ptr<LogicalUnit>& unit,
                     const std::vector<std::uint64_t>& preempted,
                     std::chrono::steady_clock::time_point until, Task& task) {
  Clearing clearing{.until = until, .task_aborted = unit->task_aborted_status(), .attention = true};
  unit->tasks().clear(unit, preempted, clearing, ending(task));
}

/// The unit stays until the object has answered, even if the nexus does not.
void change(Command& command, ReservationRequest request) {
  auto& task = command.task();
  auto kept = command.mapping().unit;
  auto preempted = std::make_shared<std::vector<std::uint64_t>>();
  // What is left is for giving up and answering.
  auto until = std::chrono::steady_clock::now() + command.identity().abort_limit * 4 / 5;
  if (request.action == ReservationAction::preempt_and_abort)
    request.preempted = [preempted](std::uint64_t nexus) { preempted->push_back(nexus); };
  kept->object().change_reservations({command.identity().id, &task}, std::move(request),
                                     [kept, preempted, until, &task](ReservationResult result) {
                                       const auto* row =
                                           std::ranges::find(kResults, result, &ResultRow::result);
                                       task.status = row->status;
                                       task.sense = row->sense;
                                       if (preempted->empty()) return task.end();
                                       abort_preempted(kept, *preempted, until, task);
                                     });
}

/// TransportIDs behind a length, `at` in the list; the list ends with them.
bool read_initiators(const Command& command, Bytes list, std::size_t at,
                     std::vector<std::string>& initiators) {
  auto rest = list.subspan(at);
  while (!rest.empty()) {
    auto parsed = parse_transport_id(rest);
    if (!parsed) return refuse_parameter(command, list.size() - rest.size());
    initiators.push_back(std::move(parsed->id));
    if (initiators.size() > object::kMaxRegistrations) return command.refuse(kNoRegistrationRoom);
    rest = rest.subspan(parsed->length);
  }
  return true;
}

bool read_also(const Command& command, Bytes list, ReservationRequest& request) {
  constexpr auto kAt = sizeof(wire::PersistentOutList);
  if (list.size() < kAt + sizeof(be32)) return command.refuse(kParameterListLength);
  if (load<be32>(list.subspan(kAt)) != list.size() - kAt - sizeof(be32))
    return command.refuse(kParameterListLength);
  return read_initiators(command, list, kAt + sizeof(be32), request.also);
}

bool read_list(const Command& command, Bytes list, ReservationRequest& request) {
  auto layout = load<wire::PersistentOutList>(list);
  const auto& action = action_of(command);
  request.key = layout.key;
  request.service_key = layout.service_key;
  if (!action.registers)
    return list.size() == sizeof layout || command.refuse(kParameterListLength);
  request.aptpl = (layout.flags & wire::kPersistThroughPowerLoss) != 0;
  request.all_ports = (layout.flags & wire::kAllTargetPortsAsked) != 0;
  if ((layout.flags & wire::kSpecifyPorts) == 0)
    return list.size() == sizeof layout || command.refuse(kParameterListLength);
  if (action.means != ReservationAction::register_key)
    return refuse_parameter(command, offsetof(wire::PersistentOutList, flags));
  if (command.mapping().read_only) return command.refuse(kWriteProtected);
  return read_also(command, list, request);
}

bool read_move(const Command& command, Bytes list, ReservationRequest& request) {
  auto layout = load<wire::RegisterAndMoveList>(list);
  request.key = layout.key;
  request.service_key = layout.service_key;
  request.unregister = (layout.flags & wire::kUnregister) != 0;
  request.aptpl = (layout.flags & wire::kPersistThroughPowerLoss) != 0;
  if (layout.id_length != list.size() - sizeof layout) return command.refuse(kParameterListLength);
  if (layout.relative_port != command.identity().relative_port)  // the unit has this one only
    return refuse_parameter(command, offsetof(wire::RegisterAndMoveList, relative_port));
  auto parsed = parse_transport_id(list.subspan(sizeof layout));
  if (!parsed || parsed->length != layout.id_length)
    return refuse_parameter(command, sizeof layout);
  request.destination = {std::move(parsed->id), layout.relative_port};
  return true;
}

}  // namespace

bool plan_persistent_out(Command& command, DataPlan& plan) {
  auto cdb = command.cdb<wire::PersistentOutCdb>();
  if (cdb.list_length < sizeof(wire::PersistentOutList) || cdb.list_length > kLongestList)
    return command.refuse(kParameterListLength);
  plan = {Direction::out, cdb.list_length};
  if (!action_of(command).typed) return true;
  if (cdb.scope_and_type >> 4 != 0) return command.refuse_field(2, 7);
  return object::is_reservation_type(cdb.scope_and_type & 0xfu) || command.refuse_field(2, 3);
}

void run_persistent_out(Command& command) {
  auto& task = command.task();
  if (task.data_out_length < task.planned) return command.fail(kParameterListLength);
  Bytes list = task.data_out.span().first(task.planned);
  const auto& action = action_of(command);
  ReservationRequest request;
  request.action = action.means;
  if (action.typed)
    request.type =
        static_cast<ReservationType>(command.cdb<wire::PersistentOutCdb>().scope_and_type & 0xfu);
  bool valid = action.means == ReservationAction::register_and_move
                   ? read_move(command, list, request)
                   : read_list(command, list, request);
  if (!valid) return command.finish();
  change(command, std::move(request));
}

void run_reserve_unit(Command& command) {
  change(command, {.action = ReservationAction::reserve_unit});
}

void run_release_unit(Command& command) {
  change(command, {.action = ReservationAction::release_unit});
}

}  // namespace caisson::scsi
