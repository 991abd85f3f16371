// SPDX-License-Identifier: Apache-2.0
// SCSI commands of a session: from the header to the termination and back.
#include <algorithm>
#include <utility>

#include "gateway/iscsi/connection.hpp"
#include "gateway/iscsi/iscsi_errc.hpp"
#include "gateway/iscsi/session.hpp"

namespace caisson::iscsi {
namespace {

using scsi::SenseKey;
using scsi::Status;

/// Even a command without data holds some memory until it is answered.
constexpr std::size_t kMinimumCharge = 1024;

// RFC 7143 11.4.7.2
const scsi::Sense kUnexpectedUnsolicited{SenseKey::aborted_command, 0x0c, 0x0c, {}, {}};

constexpr scsi::TaskAttribute kAttributes[] = {
    scsi::TaskAttribute::simple,         // untagged
    scsi::TaskAttribute::simple,         // 1
    scsi::TaskAttribute::ordered,        // 2
    scsi::TaskAttribute::head_of_queue,  // 3
    scsi::TaskAttribute::aca,            // 4
};

scsi::TaskAttribute attribute_of(std::byte flags) noexcept {
  auto code = std::to_integer<std::size_t>(flags & kAttributeMask);
  return code < std::size(kAttributes) ? kAttributes[code] : scsi::TaskAttribute::simple;
}

}  // namespace

std::span<std::byte> Session::begin_command(const PduHeader& pdu, Error& error) {
  auto bhs = header_cast<ScsiCommandBhs>(pdu.bhs);
  auto* command = Command::acquire();
  connection_->incoming().command = command;
  command->header = pdu.bhs;
  command->session = this;
  command->tag = bhs.initiator_task_tag;
  command->cmd_sn = bhs.cmd_sn;
  command->expected = bhs.expected_length;
  command->numbered = !pdu.bhs.immediate();
  command->reads = (bhs.flags & kReadBit) != std::byte{0};
  command->writes = (bhs.flags & kWriteBit) != std::byte{0};
  command->unsolicited = command->writes && !pdu.bhs.final();
  auto& task = command->task;
  task.lun = bhs.lun;
  task.tag = command->tag;
  task.attribute = attribute_of(bhs.flags);
  task.expected_length = command->expected;
  task.complete = &Session::completed;
  std::ranges::copy(bhs.cdb, task.cdb.begin());
  task.cdb_length = static_cast<std::uint8_t>(bhs.cdb.size());
  if (!pdu.ahs.empty()) error = read_ahs(*command, pdu.ahs);
  if (error) return {};
  return place_immediate(*command, bhs.data_segment_length);
}

Error Session::read_ahs(Command& command, std::span<const std::byte> ahs) {
  while (!ahs.empty()) {
    if (ahs.size() < 4) return IscsiErrc::bad_ahs;
    std::size_t length = load<be16>(ahs);
    auto type = std::to_integer<std::uint8_t>(ahs[2]);
    auto whole = (3 + length + 3) / 4 * 4;
    if (length == 0 || whole > ahs.size()) return IscsiErrc::bad_ahs;
    if (type == kAhsExtendedCdb) {
      auto more = ahs.subspan(4, length - 1);
      if (command.task.cdb_length + more.size() > scsi::kMaxCdb) return IscsiErrc::bad_ahs;
      std::ranges::copy(more, command.task.cdb.begin() + command.task.cdb_length);
      command.task.cdb_length = static_cast<std::uint8_t>(command.task.cdb_length + more.size());
    }
    ahs = ahs.subspan(whole);
  }
  return {};
}

/// Memory for the data that comes unasked, which is all that comes before the
/// command's turn; what its CDB wants is not looked at yet.
std::span<std::byte> Session::place_immediate(Command& command, std::uint32_t length) {
  const auto& agreed = login_.parameters;
  bool unasked = (length != 0 && agreed.immediate_data == 0) ||
                 (command.unsolicited && agreed.initial_r2t != 0) ||
                 length > std::min(command.expected, agreed.first_burst) ||
                 (length != 0 && !command.writes);
  if (unasked) {
    if (agreed.initial_r2t != 0) command.unsolicited = false;  // what comes belongs to nothing
    fail(command, kUnexpectedUnsolicited);
    return {};
  }
  if (length == 0 && !command.unsolicited) return {};
  auto bytes = std::min<std::uint64_t>(command.expected, scsi::kMaxTransfer);
  const auto& limits = state_->options.limits;
  if (bytes_ + bytes > limits.session_bytes_hard ||
      state_->bytes.load(std::memory_order_relaxed) + bytes > limits.total_bytes) {
    command.task.status = Status::task_set_full;
    command.answered = true;
    return {};
  }
  charge(command, bytes);
  command.task.data_out = Buffer(bytes);
  command.immediate_length = length;
  command.received = length;
  return command.task.data_out.span().first(std::min<std::size_t>(length, bytes));
}

void Session::fail(Command& command, const scsi::Sense& sense) noexcept {
  if (command.answered) return;
  nexus_->withdraw(command.task);
  command.task.status = Status::check_condition;
  command.task.sense = sense;
  command.answered = true;
}

/// The command's turn in CmdSN order has come.
void Session::begin(Command& command) {
  auto refused = table_.find(command.tag) != nullptr ? RejectReason::task_in_progress
                 : !command.numbered && immediate_ >= state_->options.limits.immediate
                     ? RejectReason::too_many_immediate
                     : RejectReason{};
  if (refused != RejectReason{}) {
    reject(command.header, refused);
    return free(command);
  }
  if (forestalled(command)) return free(command);
  table_.insert(command);
  command.numbered ? window_.opened() : static_cast<void>(++immediate_);
  command.state = Command::State::collecting;
  count(commands_, 1);
  count(bytes_in_, command.immediate_length);
  if (!command.answered) plan(command);
  advance(command);
}

void Session::plan(Command& command) {
  scsi::DataPlan plan;
  if (!nexus_->prepare(command.task, plan)) {
    command.answered = true;
    return;
  }
  command.planned = plan.direction == scsi::Direction::none ? 0 : plan.length;
  if (plan.direction == scsi::Direction::out && command.writes)
    command.wanted =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(plan.length, command.expected));
  command.requested = command.received;
}

/// After anything about the command's data has changed.
void Session::advance(Command& command) {
  if (command.state == Command::State::arriving) return;
  if (command.answered) {
    if (command.data_complete()) respond(command);
  } else if (!command.unsolicited) {
    schedule(command);
  }
}

void Session::schedule(Command& command) {
  if (!command.reserved && (!waiting_.empty() || !reserve(command))) {
    if (command.answered) return advance(command);
    command.state = Command::State::waiting;
    command.round = rounds_;
    return waiting_.push(command);
  }
  command.data_complete() ? execute(command) : request_data(command);
}

/// Accounts for the memory the command will need. False: not now; or never, and
/// then the command is answered.
bool Session::reserve(Command& command) {
  bool writes = command.wanted != 0;
  bool placed = !command.task.data_out.empty();
  std::size_t need = writes ? (placed ? 0 : command.wanted) : command.planned;
  const auto& limits = state_->options.limits;
  bool in_vain = orphaned_bytes_ != 0 && need + orphaned_bytes_ > limits.session_bytes;
  if (need != 0 && in_vain) return refuse_memory(command);
  if (need != 0 && bytes_ != 0 && bytes_ + need > limits.session_bytes) return false;
  if (state_->bytes.load(std::memory_order_relaxed) + need > limits.total_bytes)
    return refuse_memory(command);
  charge(command, std::max(need, kMinimumCharge));
  if (writes && !placed) command.task.data_out = Buffer(command.wanted);
  command.reserved = true;
  return true;
}

/// There is none, and none will be free soon.
bool Session::refuse_memory(Command& command) noexcept {
  nexus_->withdraw(command.task);
  command.task.status = Status::task_set_full;
  command.answered = true;
  return false;
}

void Session::charge(Command& command, std::size_t bytes) noexcept {
  command.charge += bytes;
  bytes_ += bytes;
  state_->bytes.fetch_add(bytes, std::memory_order_relaxed);
}

void Session::execute(Command& command) {
  command.state = Command::State::executing;
  command.task.data_out_length = std::min(command.received, command.wanted);
  command.round = rounds_;
  if (executing_++ == 0 && !watching_) watch();
  nexus_->execute(command.task);
}

void Session::completed(scsi::Task& task) noexcept {
  auto& command = *static_cast<Command*>(task.owner);
  command.session->on_complete(command);
}

void Session::on_complete(Command& command) {
  --executing_;
  if (!command.aborted) return respond(command);
  for (auto& function : functions_) std::erase(function.awaited, &command);
  end_aborted(command);
  settle();
}

/// The command is over as far as numbering goes.
void Session::retire(Command& command) noexcept {
  table_.erase(command);
  command.numbered ? window_.closed() : static_cast<void>(--immediate_);
  free(command);
}

void Session::free(Command& command) noexcept {
  bytes_ -= command.charge;
  if (command.charge != 0) state_->bytes.fetch_sub(command.charge, std::memory_order_relaxed);
  Command::release(&command);
  if (!waiting_.empty()) wake_waiting();
}

void Session::wake_waiting() {
  if (std::exchange(waking_, true)) return;  // what it starts may end at once and come here
  while (connection_ != nullptr && !connection_->ending() && !waiting_.empty()) {
    auto& command = waiting_.front();
    if (!reserve(command) && !command.answered) break;
    waiting_.pop();
    command.state = Command::State::collecting;
    if (command.answered)
      advance(command);
    else
      command.data_complete() ? execute(command) : request_data(command);
  }
  waking_ = false;
}

Command* Session::find_command(std::uint32_t tag) const noexcept {
  if (auto* command = table_.find(tag)) return command;
  if (held_count_ == 0) return nullptr;
  auto found = std::ranges::find_if(held_, [tag](const Command* held) {
    return held != nullptr &&
           held->header.code() == static_cast<std::uint8_t>(Opcode::scsi_command) &&
           held->tag == tag;
  });
  return found == held_.end() ? nullptr : *found;
}

void Session::on_sent(Command& command) noexcept { free(command); }

}  // namespace caisson::iscsi
