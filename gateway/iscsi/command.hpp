// SPDX-License-Identifier: Apache-2.0
// One numbered request on its way through a session; for SCSI commands with
// the task and the state of its data.
#pragma once

#include <array>
#include <cstdint>

#include "gateway/iscsi/body.hpp"
#include "gateway/iscsi/pdu.hpp"
#include "gateway/scsi/task.hpp"
#include "storage_object/base/pool.hpp"

namespace caisson::iscsi {

class Session;

/// A solicited burst that is under way: one R2T.
struct Burst {
  std::uint32_t tag = kNoTag;  ///< target transfer tag
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  std::uint32_t received = 0;
  std::uint32_t data_sn = 0;  ///< that the next Data-Out must carry
};

inline constexpr std::uint32_t kMaxBursts = 16;  ///< of one command at a time

/// Pooled per thread; belongs to its session until released, which for a READ
/// is when the last byte of its data was handed to the kernel.
struct Command {
  enum class State : std::uint8_t {
    arriving,    ///< its PDU, or one before it in CmdSN order, is not complete
    collecting,  ///< data-out is under way
    waiting,     ///< for memory
    executing,   ///< in the termination
    responding,  ///< answered; the data is being sent
  };

  scsi::Task task;
  Bhs header{};
  Session* session = nullptr;
  State state = State::arriving;
  std::uint32_t tag = 0;  ///< initiator task tag
  std::uint32_t cmd_sn = 0;
  std::uint32_t expected = 0;  ///< expected data transfer length
  std::uint16_t slot = 0;      ///< in the session's table
  bool tabled = false;         ///< has a slot
  bool numbered = false;       ///< counts against the CmdSN window
  bool reads = false, writes = false;
  bool answered = false;      ///< status is set; only data to discard is awaited
  bool aborted = false;       ///< no answer of its own will be sent
  bool task_aborted = false;  ///< but TASK ABORTED
  bool lingers = false;       ///< aborted, kept until what its R2Ts asked for has come
  std::uint32_t round = 0;    ///< of the session's watch, when it began to wait or to execute
  bool reserved = false;      ///< memory is accounted for
  bool unsolicited = false;   ///< unsolicited Data-Outs are still to come
  std::uint32_t immediate_length = 0;
  std::uint32_t unsolicited_sn = 0;
  std::uint64_t planned = 0;    ///< bytes the CDB moves
  std::uint32_t wanted = 0;     ///< bytes of data-out to take: not beyond `expected`
  std::uint32_t received = 0;   ///< of all kinds
  std::uint32_t requested = 0;  ///< end of what was asked for or came unasked
  std::uint32_t r2t_sn = 0;
  std::uint32_t burst_count = 0;
  std::array<Burst, kMaxBursts> bursts;
  std::size_t charge = 0;  ///< bytes accounted
  BodyCharge body_charge;  ///< of a held ping or text
  Command* next = nullptr;

  /// Nothing more is expected from the initiator.
  bool data_complete() const noexcept {
    return !unsolicited && burst_count == 0 && (answered || received >= wanted);
  }

  static Command* acquire() {
    auto* command = PerThreadPool<Command>::acquire();
    command->reset();
    return command;
  }
  static void release(Command* command) {
    command->task.data_in = {};
    command->task.data_out = {};
    command->body_charge.reset();
    PerThreadPool<Command>::release(command);
  }

 private:
  void reset() noexcept {
    state = State::arriving;
    header = {};
    slot = 0;
    tabled = numbered = reads = writes = answered = aborted = task_aborted = lingers = reserved =
        unsolicited = false;
    immediate_length = unsolicited_sn = wanted = received = requested = r2t_sn = burst_count = 0;
    planned = 0;
    charge = 0;
    next = nullptr;
    task.data_in_length = task.data_out_length = 0;
    task.status = scsi::Status::good;
    task.sense = {};
    task.descriptor_sense = false;
    task.owner = this;
  }
};

/// First in, first out, through Command::next.
class CommandList {
 public:
  bool empty() const noexcept { return head_ == nullptr; }
  Command& front() const noexcept { return *head_; }
  void push(Command& command) noexcept {
    command.next = nullptr;
    (head_ == nullptr ? head_ : tail_->next) = &command;
    tail_ = &command;
  }
  Command& pop() noexcept {
    auto& command = *head_;
    head_ = command.next;
    command.next = nullptr;
    return command;
  }
  void remove(Command& command) noexcept {
    Command* before = nullptr;
    for (auto* at = head_; at != nullptr; before = at, at = at->next) {
      if (at != &command) continue;
      (before == nullptr ? head_ : before->next) = at->next;
      if (tail_ == at) tail_ = before;
      at->next = nullptr;
      return;
    }
  }

 private:
  Command* head_ = nullptr;
  Command* tail_ = nullptr;
};

}  // namespace caisson::iscsi
