// SPDX-License-Identifier: Apache-2.0
// VERIFY and WRITE AND VERIFY (SBC-3 5.29, 5.37). Blocks are read back in
// steps, compared with the data-out or only read.
#include <algorithm>
#include <cstring>

#include "gateway/scsi/extent.hpp"
#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/wire.hpp"
#include "gateway/scsi/work.hpp"

namespace caisson::scsi {
namespace {

using block::IoOp;

// BYTCHK.
enum class ByteCheck : std::uint8_t { none = 0, every = 1, reserved = 2, one_for_all = 3 };

ByteCheck byte_check(const Task& task) {
  auto flags = std::to_integer<std::uint8_t>(task.cdb[1]);
  return static_cast<ByteCheck>((flags & wire::kBytchk) >> wire::kBytchkShift);
}

/// What [position, position+length) of the command must equal.
bool matches(const Task::Work& work, std::uint64_t start, std::uint64_t length) {
  const auto& task = *work.task;
  const auto* read = work.scratch.data();
  const auto* wanted = task.data_out.data();
  if (byte_check(task) == ByteCheck::every)
    return std::memcmp(read, wanted + (work.position - start), length) == 0;
  for (std::uint64_t at = 0; at < length; at += task.planned)
    if (std::memcmp(read + at, wanted, task.planned) != 0) return false;
  return true;
}

void aim_next(Task::Work& work) {
  auto length = std::min<std::uint64_t>(work.end - work.position, work.scratch.size());
  aim(work, IoOp::read, work.position, length, work.scratch.data());
}

bool verified_step(Task::Work& work) {
  const auto& task = *work.task;
  auto start = task.lba * work.unit->object().geometry().logical_block;
  auto length = work.request.length;
  if (byte_check(task) != ByteCheck::none && !matches(work, start, length)) {
    fail(work, kMiscompare);
    return false;
  }
  work.position += length;
  if (work.position == work.end) {
    finish(work);
    return false;
  }
  aim_next(work);
  return true;
}

void prepare_reading(Task::Work& work) {
  work.scratch = Buffer(std::min(work.end - work.position, kStepBytes));
  work.step = verified_step;
  work.request.fua = false;
  aim_next(work);
}

bool written(Task::Work& work) {
  prepare_reading(work);
  return true;
}

void set_cursor(Task::Work& work, std::uint64_t offset, std::uint64_t length) {
  work.position = offset;
  work.end = offset + length;
}

}  // namespace

bool plan_verify(Command& command, DataPlan& plan) {
  Extent extent;
  auto check = byte_check(command.task());
  if (check == ByteCheck::reserved) return command.refuse_field(1, 2);
  if (check != ByteCheck::every ? !plan_extent(command, extent) : !plan_transfer(command, extent))
    return false;
  auto block = logical_block(command);
  if (check == ByteCheck::every) plan = {Direction::out, extent.blocks * block};
  if (check == ByteCheck::one_for_all && extent.blocks != 0) plan = {Direction::out, block};
  return true;
}

void run_verify(Command& command) {
  auto& task = command.task();
  if (task.data_out_length < task.planned) return command.fail(kInvalidInformationUnit);
  if (task.blocks == 0) return command.finish();
  auto block = logical_block(command);
  auto& work = begin_work(command);
  set_cursor(work, task.lba * block, task.blocks * block);
  prepare_reading(work);
  submit(work);
}

bool plan_write_and_verify(Command& command, DataPlan& plan) {
  auto check = byte_check(command.task());
  if (check == ByteCheck::reserved || check == ByteCheck::one_for_all)
    return command.refuse_field(1, 2);
  Extent extent;
  if (!plan_transfer(command, extent)) return false;
  plan = {Direction::out, extent.blocks * logical_block(command)};
  return true;
}

void run_write_and_verify(Command& command) {
  auto& task = command.task();
  auto block = logical_block(command);
  auto length = std::min(task.planned, task.data_out_length);
  if (length % block != 0) return command.fail(kInvalidInformationUnit);
  if (length == 0) return command.finish();
  auto& work = begin_work(command, written);
  set_cursor(work, task.lba * block, length);
  aim(work, IoOp::write, work.position, length, task.data_out.data());
  work.request.fua = true;  // it is the medium that is verified
  submit(work);
}

}  // namespace caisson::scsi
