// SPDX-License-Identifier: Apache-2.0
// Task management of a session (RFC 7143 11.5, 11.6; RFC 7144 5): which function
// asks for what, and its answer. How commands end: session_abort.cpp.
#include <algorithm>
#include <utility>

#include "gateway/iscsi/connection.hpp"
#include "gateway/iscsi/session.hpp"
#include "gateway/scsi/lun_address.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::iscsi {
namespace {

using std::chrono::steady_clock;
using Kind = PendingFunction::Kind;

// clang-format off
constexpr FunctionSpec kFunctions[] = {
    //                                                     ends   resets closes level
    {TaskFunction::abort_task,         Scope::task,        true,  false, false, 1, &Timers::abort,        "ABORT TASK"},
    {TaskFunction::abort_task_set,     Scope::own_set,     true,  false, false, 1, &Timers::abort,        "ABORT TASK SET"},
    {TaskFunction::clear_task_set,     Scope::unit_set,    true,  false, false, 1, &Timers::abort,        "CLEAR TASK SET"},
    {TaskFunction::logical_unit_reset, Scope::unit_set,    true,  true,  false, 1, &Timers::unit_reset,   "LOGICAL UNIT RESET"},
    {TaskFunction::target_warm_reset,  Scope::target,      true,  true,  false, 1, &Timers::target_reset, "TARGET WARM RESET"},
    {TaskFunction::target_cold_reset,  Scope::target,      true,  true,  true,  1, &Timers::target_reset, "TARGET COLD RESET"},
    {TaskFunction::query_task,         Scope::task,        false, false, false, 2, &Timers::abort,        "QUERY TASK"},
    {TaskFunction::query_task_set,     Scope::own_set,     false, false, false, 2, &Timers::abort,        "QUERY TASK SET"},
};
// clang-format on

TaskFunction code_of(const TaskManagementBhs& request) noexcept {
  return static_cast<TaskFunction>(std::to_integer<unsigned>(request.function) & 0x7f);
}

/// The same unit, whatever the addressing method.
bool same_lun(std::uint64_t a, std::uint64_t b) noexcept {
  return a == b || (scsi::lun_number(a) && scsi::lun_number(a) == scsi::lun_number(b));
}

}  // namespace

std::span<const FunctionSpec> task_functions() noexcept { return kFunctions; }

const FunctionSpec* find_function(TaskFunction code) noexcept {
  const auto* spec = std::ranges::find(kFunctions, code, &FunctionSpec::code);
  return spec == std::end(kFunctions) ? nullptr : spec;
}

void Session::task_management(const Bhs& bhs) {
  auto request = header_cast<TaskManagementBhs>(bhs);
  if (functions_.size() >= state_->options.limits.immediate)
    return reject(bhs, RejectReason::too_many_immediate);
  if (code_of(request) == TaskFunction::task_reassign)
    return answer_function(request, TaskFunctionResponse::reassign_unsupported);
  const auto* spec = find_function(code_of(request));
  if (spec == nullptr || spec->level > std::max(login_.parameters.protocol_level, 1u))
    return answer_function(request, TaskFunctionResponse::unsupported);
  if (spec->scope != Scope::target && !nexus_->has_unit(request.lun))
    return answer_function(request, TaskFunctionResponse::no_such_lun);
  if (!spec->ends) return answer_function(request, query(request, *spec));
  // Who may only read ends nothing of the others'.
  bool of_all = spec->scope == Scope::unit_set || spec->scope == Scope::target;
  auto denies = [&](const scsi::LunMapping& unit) {
    return unit.read_only &&
           (spec->scope == Scope::target || same_lun(scsi::lun_address(unit.number), request.lun));
  };
  if (of_all && std::ranges::any_of(units_, denies))
    return answer_function(request, TaskFunctionResponse::not_authorized);
  auto& function =
      begin_function(Kind::own, steady_clock::now(), state_->options.timers.*spec->limit);
  const auto id = function.id;  // a logout that is delivered now ends it before its time
  function.spec = spec;
  function.request = request;
  if (spec->scope == Scope::task) {
    if (auto response = abort_one(function); response != TaskFunctionResponse::complete) {
      std::erase_if(functions_, [&](const auto& one) { return one.id == id; });
      return answer_function(request, response);
    }
  } else {
    abort_sets(function);
  }
  end_part(id);
}

TaskFunctionResponse Session::query(const TaskManagementBhs& request, const FunctionSpec& spec) {
  auto open = [&](const Command& command) { return same_lun(command.header.lun, request.lun); };
  bool found = false;
  if (spec.scope == Scope::task) {
    auto* command = table_.find(request.referenced_task_tag);
    found = command != nullptr && open(*command);
  } else {
    each_command([&](Command& command) { found = found || open(command); });
  }
  return found ? TaskFunctionResponse::succeeded : TaskFunctionResponse::complete;
}

TaskFunctionResponse Session::abort_one(PendingFunction& function) {
  const auto& request = function.request;
  if (auto* command = table_.find(request.referenced_task_tag)) {
    if (!same_lun(command->header.lun, request.lun)) return TaskFunctionResponse::no_such_task;
    abort(*command, function, false);
    return TaskFunctionResponse::complete;
  }
  return plug(request.ref_cmd_sn, request.cmd_sn);
}

/// The task never came. Within the window its number counts as received from
/// now on, so that it has no effect if it still comes (RFC 7143 11.6.1).
TaskFunctionResponse Session::plug(std::uint32_t number, std::uint32_t before) {
  if (!window_.contains(number) || !serial_less(number, before))
    return TaskFunctionResponse::no_such_task;
  auto*& held = held_[number % window_.size()];
  if (held == nullptr) {
    held = Command::acquire();
    ++held_count_;
  }
  held->aborted = true;
  deliver_held();
  return TaskFunctionResponse::complete;
}

void Session::abort_sets(PendingFunction& function) {
  const auto& request = function.request;
  expect_numbers(function);
  if (function.spec->scope != Scope::target) return abort_set(function, request.lun);
  for (const auto& unit : units_) abort_set(function, scsi::lun_address(unit.number));
}

/// An immediate function came before commands with lower numbers, some of which
/// may be held. They belong to the set, and it is not whole before they are here;
/// a function of the target does not wait for them (RFC 7143 4.2.3.3 b).
void Session::expect_numbers(PendingFunction& function) {
  const auto& request = function.request;
  // No number beyond the window can be meant.
  auto before = serial_less(window_.max(), request.cmd_sn) ? window_.max() + 1
                                                           : std::uint32_t{request.cmd_sn};
  if (!serial_less(window_.expected(), before)) return;
  bool waits = function.spec->scope != Scope::target;
  if (waits) function.from_number = before;
  Forestalled added{!waits, request.lun, before};
  auto same = std::ranges::find_if(forestalled_, [&](const Forestalled& one) {
    return one.any_unit == added.any_unit && (one.any_unit || same_lun(one.lun, added.lun));
  });
  if (same == forestalled_.end())
    forestalled_.push_back(added);
  else if (serial_less(same->before, before))
    same->before = before;
}

bool Session::forestalled(const Command& command) const noexcept {
  return command.numbered && std::ranges::any_of(forestalled_, [&](const Forestalled& one) {
           return serial_less(command.cmd_sn, one.before) &&
                  (one.any_unit || same_lun(one.lun, command.header.lun));
         });
}

/// After ExpCmdSN has moved on.
void Session::numbers_came() {
  if (forestalled_.empty()) return;
  auto passed = [&](std::uint32_t number) { return !serial_less(window_.expected(), number); };
  std::erase_if(forestalled_, [&](const Forestalled& one) { return passed(one.before); });
  for (auto& function : functions_)
    if (function.from_number && passed(*function.from_number)) function.from_number.reset();
  settle();
}

/// The commands of one unit that came before the function.
void Session::abort_set(PendingFunction& function, std::uint64_t lun) {
  std::uint32_t before = function.request.cmd_sn;
  auto meant = [&](const Command& command) {
    bool earlier = !command.numbered || serial_less(command.cmd_sn, before);
    return same_lun(command.header.lun, lun) && earlier;
  };
  each_command([&](Command& command) {
    if (meant(command)) abort(command, function, false);
  });
  if (function.spec->scope == Scope::own_set) return;
  ++function.elsewhere;
  scsi::Clearing clearing{.until = function.give_up, .attention = !function.spec->resets};
  auto done = [self = weak_from_this(), id = function.id] {
    if (auto session = self.lock()) session->thread_.post([session, id] { session->end_part(id); });
  };
  if (!nexus_->clear_elsewhere(lun, clearing, std::move(done))) --function.elsewhere;
}

void Session::clear(std::shared_ptr<scsi::LogicalUnit> unit, scsi::Clearing clearing,
                    std::function<void()> done) {
  thread_.post(
      [self = shared_from_this(), unit = std::move(unit), clearing,
       done = std::move(done)]() mutable { self->clear_here(*unit, clearing, std::move(done)); });
}

/// What another session's function means here: what is in the task set ends.
void Session::clear_here(const scsi::LogicalUnit& unit, const scsi::Clearing& clearing,
                         std::function<void()> done) {
  if (!nexus_) return done();
  auto& function = begin_function(Kind::clearing, clearing.until, std::chrono::milliseconds(0));
  function.done = std::move(done);
  bool any = false;
  auto fields = nexus_->fields_of(unit);
  each_command([&](Command& command) {
    auto in_unit = [&](std::uint64_t field) { return same_lun(field, command.header.lun); };
    if (command.task.slot == nullptr || !std::ranges::any_of(fields, in_unit)) return;
    any = true;
    abort(command, function, clearing.task_aborted);
  });
  if (any && clearing.attention && !clearing.task_aborted)
    nexus_->raise(unit, scsi::UnitAttention::commands_cleared);
  end_part(function.id);
}

void Session::post(std::function<void(scsi::Nexus*)> work) {
  thread_.post([self = shared_from_this(), work = std::move(work)] { work(self->nexus_.get()); });
}

/// Counts itself among the parts it waits for until end_part(): commands may end
/// while it is being set up.
PendingFunction& Session::begin_function(Kind kind, steady_clock::time_point from,
                                         std::chrono::milliseconds within) {
  auto& function = functions_.emplace_back();
  function.kind = kind;
  function.id = ++last_function_;
  function.elsewhere = 1;
  // Initiators that fail fast send no data once they have asked for the function.
  function.data_by = from + within / 4;
  function.give_up = from + within * 4 / 5;  // what is left is for giving up and answering
  function.answer_by = from + within;
  return function;
}

void Session::end_part(std::uint64_t id) {
  auto function = std::ranges::find(functions_, id, &PendingFunction::id);
  if (function == functions_.end() || function->late) return;
  --function->elsewhere;
  settle();
}

/// Performs what has nothing to wait for any more, and wakes up for the rest.
void Session::settle() {
  for (;;) {
    auto ready = std::ranges::find_if(functions_, &PendingFunction::ready);
    if (ready == functions_.end()) break;
    auto function = std::move(*ready);
    functions_.erase(ready);
    finish_function(function);
  }
  if (connection_ == nullptr) return maybe_gone();
  if (logging_out_ && executing_ == 0) finish_logout();
  set_alarm();
}

void Session::finish_function(PendingFunction& function) {
  if (function.done) function.done();
  if (function.kind != Kind::own || connection_ == nullptr || logged_out_) return;
  const auto& request = function.request;
  auto response = function.late ? TaskFunctionResponse::rejected : TaskFunctionResponse::complete;
  if (function.spec->resets && !function.late) {
    if (function.spec->scope == Scope::target) {
      for (const auto& unit : units_) nexus_->reset(scsi::lun_address(unit.number));
    } else if (!nexus_->reset(request.lun)) {
      response = TaskFunctionResponse::no_such_lun;
    }
  }
  answer_function(request, response);
  if (function.spec->closes) close_target();
}

/// TARGET COLD RESET ends every session of the target (RFC 7143 11.5.1).
void Session::close_target() {
  auto& sessions = *state_->options.sessions;
  for (const auto& view : sessions.list())
    if (view.identity.target_name == login_.target_name && view.identity.id != id_)
      sessions.drop(view.identity.id, "the target was reset");
  connection_->finish("the target was reset");
}

void Session::answer_function(const TaskManagementBhs& request, TaskFunctionResponse response) {
  auto header = make_header<TaskManagementResponseBhs>(Opcode::task_management_response);
  header.response = static_cast<std::uint8_t>(response);
  header.initiator_task_tag = request.initiator_task_tag;
  auto& pdu = SendQueue::make();
  pdu.kind = PduKind::control;
  connection_->send(pdu, header, true);
}

}  // namespace caisson::iscsi
