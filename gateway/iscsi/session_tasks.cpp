// SPDX-License-Identifier: Apache-2.0
// Task management of a session (RFC 7143 11.5, 11.6).
#include <algorithm>
#include <utility>

#include "gateway/iscsi/connection.hpp"
#include "gateway/iscsi/session.hpp"

namespace caisson::iscsi {

void Session::task_management(const Bhs& bhs) {
  PendingFunction function{header_cast<TaskManagementBhs>(bhs), {}};
  if (functions_.size() >= state_->options.limits.immediate)
    return reject(bhs, RejectReason::too_many_immediate);
  auto code =
      static_cast<TaskFunction>(std::to_integer<unsigned>(function.request.function) & 0x7f);
  switch (code) {
    case TaskFunction::abort_task:
      if (auto response = abort_one(function); response != TaskFunctionResponse::complete)
        return answer_function(function.request, response);
      break;
    case TaskFunction::abort_task_set:
    case TaskFunction::logical_unit_reset: abort_set(function); break;
    case TaskFunction::task_reassign:
      return answer_function(function.request, TaskFunctionResponse::reassign_unsupported);
    default: return answer_function(function.request, TaskFunctionResponse::unsupported);
  }
  functions_.push_back(std::move(function));
  progress_functions();
}

TaskFunctionResponse Session::abort_one(PendingFunction& function) {
  const auto& request = function.request;
  if (auto* command = table_.find(request.referenced_task_tag)) {
    abort(*command, function);
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

/// Takes back what can be; what the termination has is waited for.
void Session::abort(Command& command, PendingFunction& function) {
  if (command.state == Command::State::executing) {
    command.aborted = true;
    function.awaited.push_back(&command);
    return;
  }
  if (command.state == Command::State::waiting) waiting_.remove(command);
  retire(command);
}

void Session::abort_set(PendingFunction& function) {
  const auto& request = function.request;
  for (auto* command : table_.all())
    if (command->header.lun == request.lun && serial_less(command->cmd_sn, request.cmd_sn))
      abort(*command, function);
}

void Session::progress_functions() {
  while (connection_ != nullptr) {
    auto ready = std::ranges::find_if(functions_, &std::vector<const Command*>::empty,
                                      &PendingFunction::awaited);
    if (ready == functions_.end()) return;
    auto function = std::move(*ready);
    functions_.erase(ready);
    perform(std::move(function));
  }
}

void Session::perform(PendingFunction function) {
  auto request = function.request;
  auto code = static_cast<TaskFunction>(std::to_integer<unsigned>(request.function) & 0x7f);
  if (code != TaskFunction::logical_unit_reset)
    return answer_function(request, TaskFunctionResponse::complete);
  ++resets_;
  nexus_->reset(request.lun, [self = shared_from_this(), request](bool done) {
    --self->resets_;
    if (self->connection_ == nullptr) return self->maybe_gone();
    self->answer_function(
        request, done ? TaskFunctionResponse::complete : TaskFunctionResponse::no_such_lun);
  });
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
