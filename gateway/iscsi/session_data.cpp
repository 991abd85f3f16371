// SPDX-License-Identifier: Apache-2.0
// Data transfer of a session: Data-Outs and R2Ts in, Data-Ins and responses out.
#include <algorithm>

#include "gateway/iscsi/connection.hpp"
#include "gateway/iscsi/session.hpp"
#include "gateway/scsi/command.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::iscsi {
namespace {

using scsi::Sense;
using scsi::SenseKey;

// RFC 7143 11.4.7.2
const Sense kIncorrectAmount{SenseKey::aborted_command, 0x0c, 0x0d, {}, {}};
const Sense kProtocolServiceCrc{SenseKey::aborted_command, 0x47, 0x05, {}, {}};

/// A transfer tag names the command's slot and the R2T; its top bit is clear,
/// so it is never the reserved tag.
std::uint32_t transfer_tag(const Command& command) noexcept {
  return command.slot | (command.r2t_sn & 0x7fff) << 16;
}

Burst* find_burst(Command& command, std::uint32_t tag) noexcept {
  auto end = command.bursts.begin() + command.burst_count;
  auto found = std::find_if(command.bursts.begin(), end,
                            [tag](const Burst& burst) { return burst.tag == tag; });
  return found == end ? nullptr : &*found;
}

void remove_burst(Command& command, Burst& burst) noexcept {
  std::move(&burst + 1, command.bursts.data() + command.burst_count, &burst);
  --command.burst_count;
}

}  // namespace

std::span<std::byte> Session::begin_data_out(const PduHeader& pdu) {
  auto data = header_cast<DataOutBhs>(pdu.bhs);
  std::uint32_t tag = data.target_transfer_tag;
  auto* command = tag == kNoTag ? find_command(data.initiator_task_tag) : table_.at(tag & 0xffff);
  bool known = command != nullptr && command->tag == data.initiator_task_tag &&
               (tag == kNoTag ? command->unsolicited : find_burst(*command, tag) != nullptr);
  // What belongs to no command may be the rest of an aborted one: it is dropped.
  connection_->incoming().command = known ? command : nullptr;
  if (!known) {
    if (!std::exchange(complained_, true))
      log::warning("session {}: {} sends data that belongs to no command", id_,
                   connection_->peer());
    return {};
  }
  std::uint32_t length = data.data_segment_length;
  auto error = tag == kNoTag ? check_unsolicited(*command, data)
                             : check_burst(*find_burst(*command, tag), data);
  if (error.present()) fail(*command, error);
  auto& buffer = command->task.data_out;
  if (command->answered || std::uint64_t{data.buffer_offset} + length > buffer.size()) return {};
  return buffer.span().subspan(data.buffer_offset, length);
}

/// In order and within FirstBurstLength (RFC 7143 11.7.1, 13.14); else why not.
Sense Session::check_unsolicited(Command& command, const DataOutBhs& data) const noexcept {
  auto limit = std::min(command.expected, login_.parameters.first_burst);
  if (data.data_sn != command.unsolicited_sn++) return kProtocolServiceCrc;
  bool good = data.buffer_offset == command.received &&
              data.data_segment_length <= limit - std::min(limit, command.received);
  return good ? Sense{} : kIncorrectAmount;
}

/// In order and exactly what the R2T asked for; else why not.
Sense Session::check_burst(const Burst& burst, const DataOutBhs& data) const noexcept {
  if (data.data_sn != burst.data_sn) return kProtocolServiceCrc;
  auto end = burst.received + data.data_segment_length;
  bool ends_early = (data.flags & kFinalBit) != std::byte{0} && end != burst.length;
  bool good = data.buffer_offset == burst.offset + burst.received && end <= burst.length;
  return good && !ends_early ? Sense{} : kIncorrectAmount;
}

void Session::data_out(const Bhs& bhs, bool intact) {
  auto* command = std::exchange(connection_->incoming().command, nullptr);
  if (command == nullptr) return;
  auto data = header_cast<DataOutBhs>(bhs);
  std::uint32_t length = data.data_segment_length;
  if (!intact) {
    reject(bhs, RejectReason::data_digest_error);
    fail(*command, kProtocolServiceCrc);
  }
  command->received += length;
  count(bytes_in_, length);
  if (command->aborted) return data_of_aborted(*command, data);
  if (data.target_transfer_tag == kNoTag) {
    auto limit = std::min(command->expected, login_.parameters.first_burst);
    command->unsolicited = !bhs.final() && (command->answered || command->received < limit);
    command->requested = command->received;
    return advance(*command);
  }
  if (burst_ended(*command, data)) advance(*command);
}

/// Counts what came for an R2T. True: that was the last of it.
bool Session::burst_ended(Command& command, const DataOutBhs& data) {
  auto& burst = *find_burst(command, data.target_transfer_tag);
  burst.received += data.data_segment_length;
  ++burst.data_sn;
  if ((data.flags & kFinalBit) == std::byte{0} && burst.received < burst.length) return false;
  remove_burst(command, burst);
  return true;
}

/// It is dropped. One that is held is in no table yet: it goes when its turn comes.
void Session::data_of_aborted(Command& command, const DataOutBhs& data) {
  if (!command.tabled) return;
  if (data.target_transfer_tag != kNoTag) burst_ended(command, data);
  if (command.lingers && command.burst_count != 0) return;
  end_aborted(command);
  settle();
}

void Session::request_data(Command& command) {
  const auto& agreed = login_.parameters;
  command.state = Command::State::collecting;
  auto limit = std::min(agreed.max_outstanding_r2t, kMaxBursts);
  while (command.burst_count < limit && command.requested < command.wanted) {
    auto length = std::min(agreed.max_burst, command.wanted - command.requested);
    auto& burst = command.bursts[command.burst_count++];
    burst = {transfer_tag(command), command.requested, length, 0, 0};
    auto header = make_header<ReadyToTransferBhs>(Opcode::ready_to_transfer);
    header.lun = command.header.lun;
    header.initiator_task_tag = command.tag;
    header.target_transfer_tag = burst.tag;
    header.r2t_sn = command.r2t_sn++;
    header.buffer_offset = burst.offset;
    header.desired_length = length;
    command.requested += length;
    auto& pdu = SendQueue::make();
    pdu.kind = PduKind::request;
    connection_->send(pdu, header, false);
  }
}

void Session::respond(Command& command) {
  auto& task = command.task;
  if (task.command != nullptr && task.command->moves_blocks())
    last_io_.store(connection_->heard(), std::memory_order_relaxed);
  // What the command would move against what the initiator expected.
  bool has_data = command.reads && task.data_in_length != 0;
  std::uint64_t actual = task.data_in_length != 0 ? task.data_in_length
                         : command.reads          ? 0
                                                  : command.planned;
  std::uint64_t expected =
      task.data_in_length != 0 && !command.reads ? 0 : std::uint64_t{command.expected};
  auto flags = actual > expected ? kOverflowBit : actual < expected ? kUnderflowBit : std::byte{0};
  auto residual =
      static_cast<std::uint32_t>(actual > expected ? actual - expected : expected - actual);
  auto length = has_data ? static_cast<std::uint32_t>(std::min(actual, expected)) : 0;
  bool with_status =
      length != 0 && !task.sense.present() &&
      (task.status == scsi::Status::good || task.status == scsi::Status::condition_met);
  table_.erase(command);
  command.numbered ? window_.closed() : static_cast<void>(--immediate_);
  command.state = Command::State::responding;
  if (length != 0) send_data_in(command, length, flags, residual, with_status);
  if (!with_status) send_response(command, flags, residual, length != 0);
  if (length == 0) free(command);
}

void Session::send_data_in(Command& command, std::uint32_t length, std::byte residual_flags,
                           std::uint32_t residual, bool with_status) {
  const auto& agreed = login_.parameters;
  auto header = make_header<DataInBhs>(Opcode::data_in);
  header.lun = command.header.lun;
  header.initiator_task_tag = command.tag;
  header.target_transfer_tag = kNoTag;
  std::uint32_t data_sn = 0;
  for (std::uint32_t offset = 0; offset < length;) {
    auto burst_left = agreed.max_burst - offset % agreed.max_burst;
    auto piece = std::min({agreed.peer_max_recv, burst_left, length - offset});
    bool last = offset + piece == length;
    auto& pdu = SendQueue::make();
    pdu.data = command.task.data_in.data() + offset;
    pdu.data_length = piece;
    header.flags = last || piece == burst_left ? kFinalBit : std::byte{0};
    header.data_sn = data_sn++;
    header.buffer_offset = offset;
    if (last && with_status) {
      pdu.command = &command;
      pdu.kind = PduKind::status;
      header.flags |= kStatusBit | residual_flags;
      header.status = static_cast<std::uint8_t>(command.task.status);
      header.residual = residual;
    } else {
      command.r2t_sn = data_sn;
    }
    connection_->send(pdu, header, last && with_status);
    offset += piece;
  }
  count(bytes_out_, length);
}

void Session::send_response(Command& command, std::byte residual_flags, std::uint32_t residual,
                            bool after_data) {
  auto header = make_header<ScsiResponseBhs>(Opcode::scsi_response, kFinalBit | residual_flags);
  header.status = static_cast<std::uint8_t>(command.task.status);
  header.initiator_task_tag = command.tag;
  header.residual = residual;
  header.exp_data_sn = command.r2t_sn;
  auto& pdu = SendQueue::make();
  pdu.kind = PduKind::status;
  if (command.task.sense.present()) {
    std::span<std::byte> room(pdu.small);
    auto length = scsi::encode(command.task.sense, command.task.descriptor_sense,
                               room.subspan<2, scsi::kMaxSense>());
    store(room, be16(static_cast<std::uint16_t>(length)));
    pdu.data = pdu.small.data();
    pdu.data_length = static_cast<std::uint32_t>(2 + length);
  }
  if (after_data) pdu.command = &command;
  connection_->send(pdu, header, true);
}

}  // namespace caisson::iscsi
