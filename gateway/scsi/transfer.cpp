// SPDX-License-Identifier: Apache-2.0
// READ, WRITE, ORWRITE, COMPARE AND WRITE, SYNCHRONIZE CACHE and PRE-FETCH
// (SBC-3 5.11, 5.32, 5.7, 5.2, 5.23, 5.8).
#include "gateway/scsi/extent.hpp"
#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/wire.hpp"
#include "gateway/scsi/work.hpp"

namespace caisson::scsi {
namespace {

using block::Combine;
using block::IoOp;

/// FUA_NV without a non-volatile cache asks for the medium too. 6-byte CDBs
/// have no flags: their byte 1 belongs to the LBA.
bool wants_medium(const Command& command) {
  if (command.spec().length == 6) return false;
  auto flags = std::to_integer<std::uint8_t>(command.task().cdb[1]);
  return (flags & (wire::kFua | wire::kFuaNv)) != 0;
}

bool is_immediate(const Command& command) {
  return (std::to_integer<std::uint8_t>(command.task().cdb[1]) & wire::kImmediate) != 0;
}

/// An initiator that expected a shorter transfer than its CDB says gets what it
/// sent written, if that is whole blocks (FCP-4 9.4.2 gives the same choice to
/// its transport, RFC 7143 leaves it open); a torn block is refused untouched.
void write_blocks(Command& command, Combine combine) {
  auto& task = command.task();
  auto length = std::min(task.planned, task.data_out_length);
  if (length % logical_block(command) != 0) return command.fail(kInvalidInformationUnit);
  if (length == 0) return command.finish();
  auto& work = begin_work(command);
  aim(work, IoOp::write, task.lba * logical_block(command), length, task.data_out.data());
  work.request.combine = combine;
  work.request.fua = wants_medium(command);
  submit(work);
}

}  // namespace

bool plan_read(Command& command, DataPlan& plan) {
  Extent extent;
  if (!plan_transfer(command, extent)) return false;
  plan = {Direction::in, extent.blocks * logical_block(command)};
  return true;
}

void run_read(Command& command) {
  auto& task = command.task();
  if (task.planned == 0) return command.finish();
  auto& work = begin_work(command);
  task.data_in = Buffer(task.planned);
  task.data_in_length = task.planned;
  aim(work, IoOp::read, task.lba * logical_block(command), task.planned, task.data_in.data());
  work.request.fua = wants_medium(command);
  submit(work);
}

bool plan_write(Command& command, DataPlan& plan) {
  Extent extent;
  if (!plan_transfer(command, extent)) return false;
  plan = {Direction::out, extent.blocks * logical_block(command)};
  return true;
}

void run_write(Command& command) { write_blocks(command, Combine::replace); }

void run_or_write(Command& command) { write_blocks(command, Combine::set_bits); }

/// What must be there comes first, then as much that takes its place.
bool plan_compare_and_write(Command& command, DataPlan& plan) {
  Extent extent;
  if (!plan_extent(command, extent)) return false;
  if (extent.blocks > kMaxCompareAndWrite) return command.refuse_field(13, 7);
  plan = {Direction::out, 2 * extent.blocks * logical_block(command)};
  auto expected = command.task().expected_length;
  return expected == kLengthUnknown || expected == plan.length || command.refuse_field(13, 7);
}

void run_compare_and_write(Command& command) {
  auto& task = command.task();
  if (task.data_out_length < task.planned) return command.fail(kInvalidInformationUnit);
  if (task.planned == 0) return command.finish();
  auto& work = begin_work(command);
  aim(work, IoOp::write, task.lba * logical_block(command), task.planned, task.data_out.data());
  work.request.length = task.planned / 2;
  work.request.combine = Combine::replace_if_equal;
  work.request.fua = wants_medium(command);
  submit(work);
}

bool plan_synchronize_cache(Command& command, DataPlan&) {
  Extent extent;
  return plan_extent(command, extent);
}

/// The whole cache, whatever the range: more than asked for is allowed. With
/// IMMED the answer goes first; a failure then fails the object, which later
/// commands report.
void run_synchronize_cache(Command& command) {
  auto& work = begin_work(command);
  aim(work, IoOp::flush, 0, 0);
  auto immediate = is_immediate(command);
  if (immediate) detach(work);
  submit(work);
  if (immediate) command.finish();
}

bool plan_prefetch(Command& command, DataPlan&) {
  Extent extent;
  return plan_extent(command, extent);
}

/// GOOD claims nothing about what fits the cache; the kernel's own readahead
/// decides what to load.
void run_prefetch(Command& command) { command.finish(); }

}  // namespace caisson::scsi
