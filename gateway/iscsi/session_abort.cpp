// SPDX-License-Identifier: Apache-2.0
// How the commands of a session end before their time: at once where that can
// be, else when the termination gives them back, else by being given up.
#include <algorithm>
#include <utility>

#include "gateway/iscsi/connection.hpp"
#include "gateway/iscsi/session.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::iscsi {
namespace {

using block::BlockErrc;
using std::chrono::steady_clock;
using Kind = PendingFunction::Kind;

/// A command that hangs below and that its session has given up: keeps its
/// memory, and the account of it, until it ends.
struct Orphan {
  std::shared_ptr<ServerState> state;
  std::weak_ptr<Session> session;
  Command* command = nullptr;
};

}  // namespace

/// `answer`: with TASK ABORTED, else with nothing.
void Session::abort(Command& command, PendingFunction& function, bool answer) {
  bool executing = command.state == Command::State::executing;
  bool first = !std::exchange(command.aborted, true);  // who says what is answered
  if (first) command.task_aborted = answer;
  if (executing) {
    function.awaited.push_back(&command);
    if (first) nexus_->recall(command.task, BlockErrc::aborted);
    return;
  }
  if (command.state == Command::State::waiting) waiting_.remove(command);
  if (linger(command, function)) return;
  if (connection_ != nullptr && connection_->incoming().command == &command)
    return;  // its data is arriving: data_out() ends it
  end_aborted(command);
}

/// The initiator that ends a set still sends what R2Ts of its commands asked for,
/// and is not answered before (RFC 7143 4.2.3.3 a). Others need not wait for that.
bool Session::linger(Command& command, PendingFunction& function) {
  bool own = function.kind == Kind::own;
  bool set = own && function.spec->scope != Scope::task;
  command.lingers =
      command.lingers ? function.kind != Kind::leaving : set && command.burst_count != 0;
  if (!command.lingers) return false;
  nexus_->withdraw(command.task);
  if (own) function.awaited.push_back(&command);
  return true;
}

/// Not, or no longer, in the termination.
void Session::end_aborted(Command& command) {
  for (auto& function : functions_) std::erase(function.awaited, &command);
  nexus_->withdraw(command.task);
  if (!command.task_aborted || connection_ == nullptr) return retire(command);
  command.task.status = scsi::Status::task_aborted;
  command.task.sense = {};
  command.task.data_in_length = 0;
  command.planned = 0;
  respond(command);
}

/// It hangs. Its number, its tag and its place are free from now on.
void Session::abandon(Command& command) {
  for (auto& function : functions_) std::erase(function.awaited, &command);
  nexus_->abandon(command.task);
  --executing_;
  table_.erase(command);
  command.numbered ? window_.closed() : static_cast<void>(--immediate_);
  if (command.task_aborted && connection_ != nullptr) {
    command.task.status = scsi::Status::task_aborted;
    command.task.sense = {};
    send_response(command, std::byte{0}, 0, false);
  }
  orphaned_bytes_ += command.charge;
  command.session = nullptr;
  command.task.owner = new Orphan{state_, weak_from_this(), &command};
  command.task.complete = &Session::orphan_completed;
}

void Session::orphan_completed(scsi::Task& task) noexcept {
  std::unique_ptr<Orphan> orphan(static_cast<Orphan*>(task.owner));
  auto& command = *orphan->command;
  if (auto session = orphan->session.lock()) {
    session->orphaned_bytes_ -= command.charge;
    return session->free(command);
  }
  orphan->state->bytes.fetch_sub(command.charge, std::memory_order_relaxed);
  Command::release(&command);
}

/// The session ends, or the initiator asked for that: so does all it has open,
/// without answers. Functions of other sessions go on.
void Session::end_commands() {
  std::erase_if(functions_, [](const auto& function) { return function.kind == Kind::own; });
  while (!waiting_.empty()) waiting_.pop();
  auto& function = begin_function(Kind::leaving, steady_clock::now(), state_->options.timers.abort);
  each_command([&](Command& command) { abort(command, function, false); });
  end_part(function.id);
}

void Session::set_alarm() {
  if (functions_.empty()) return;
  auto next = steady_clock::time_point::max();
  for (const auto& function : functions_) next = std::min(next, function.wakes());
  if (!alarm_) alarm_ = std::make_unique<Alarm>(thread_, [this] { on_alarm(); });
  alarm_->set(next);
}

void Session::on_alarm() {
  auto now = steady_clock::now();
  std::vector<Command*> hung;
  for (auto& function : functions_) {
    for (auto* command : function.awaited)
      if ((command->lingers ? function.data_by : function.give_up) <= now) hung.push_back(command);
    if (function.give_up <= now) function.from_number.reset();
    if (function.answer_by <= now && function.kind == Kind::own && function.elsewhere != 0) {
      log::warning("session {}: {} is rejected: other sessions have not ended their commands", id_,
                   function.spec->name);
      function.late = true;
      function.elsewhere = 0;
    }
  }
  std::ranges::sort(hung);
  hung.erase(std::unique(hung.begin(), hung.end()), hung.end());
  for (auto* command : hung) command->lingers ? stop_lingering(*command) : abandon(*command);
  if (!hung.empty()) wake_waiting();  // for memory that is not coming back soon
  settle();
}

/// Its data does not come.
void Session::stop_lingering(Command& command) {
  command.lingers = false;
  for (auto& function : functions_) std::erase(function.awaited, &command);
  if (connection_ == nullptr || connection_->incoming().command != &command) end_aborted(command);
}

/// While commands are in the termination: those that have waited for others'
/// ranges for too long end BUSY, those that have waited for memory TASK SET FULL, so
/// that nobody waits for what hangs.
void Session::watch() {
  watching_ = true;
  if (!watch_) watch_ = std::make_unique<Alarm>(thread_, [this] { on_watch(); });
  watch_->set(steady_clock::now() + state_->options.timers.range_wait / 2);
}

void Session::stop_waiting(Command& command) {
  waiting_.remove(command);
  command.state = Command::State::collecting;
  refuse_memory(command);
  advance(command);
}

void Session::on_watch() {
  ++rounds_;
  each_command([&](Command& command) {
    if (command.aborted || rounds_ - command.round < 2) return;
    if (command.state == Command::State::executing)
      nexus_->recall(command.task, BlockErrc::busy);
    else if (command.state == Command::State::waiting)
      stop_waiting(command);
  });
  watching_ = false;
  if (executing_ != 0) watch();
}

}  // namespace caisson::iscsi
