// SPDX-License-Identifier: Apache-2.0
// UNMAP and WRITE SAME (SBC-3 5.28, 5.43, 5.44).
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

bool refuse_parameter(const Command& command, std::size_t byte) {
  auto sense = kInvalidParameter;
  sense.field = FieldPointer{false, static_cast<std::uint16_t>(byte), 7};
  return command.refuse(sense);
}

std::size_t descriptor_offset(std::size_t index) {
  return sizeof(wire::UnmapHeader) + index * sizeof(wire::UnmapDescriptor);
}

wire::UnmapDescriptor descriptor_at(const Task& task, std::size_t index) {
  return load<wire::UnmapDescriptor>(task.data_out.span().subspan(descriptor_offset(index)));
}

/// Checks the whole list before anything is unmapped; the number of
/// descriptors goes to task.blocks. An incomplete last one is ignored.
bool check_unmap_list(const Command& command) {
  auto& task = command.task();
  auto header = load<wire::UnmapHeader>(task.data_out.span());
  auto room = task.planned - sizeof header;
  if (header.descriptors_length > room) return command.refuse(kParameterListLength);
  task.blocks = header.descriptors_length / sizeof(wire::UnmapDescriptor);
  if (task.blocks > kMaxUnmapDescriptors)
    return refuse_parameter(command, offsetof(wire::UnmapHeader, descriptors_length));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < task.blocks; ++i) {
    auto descriptor = descriptor_at(task, i);
    if (!in_range(command, descriptor.lba, descriptor.blocks)) return false;
    sum += descriptor.blocks;
    if (sum > kMaxUnmapBlocks)
      return refuse_parameter(command,
                              descriptor_offset(i) + offsetof(wire::UnmapDescriptor, blocks));
  }
  return true;
}

/// What the descriptors name, those of no blocks left out.
void read_ranges(const Command& command, std::vector<block::Range>& ranges) {
  const auto& task = command.task();
  auto block = logical_block(command);
  for (std::size_t i = 0; i < task.blocks; ++i) {
    auto descriptor = descriptor_at(task, i);
    if (descriptor.blocks == 0) continue;
    ranges.push_back({descriptor.lba * block, std::uint64_t{descriptor.blocks} * block});
  }
}

bool has_data_out(const Command& command, const Extent& extent) {
  return command.spec().length != 16 || (extent.flags & wire::kNoDataOut) == 0;
}

/// There is a limit, and 0 blocks does not mean "to the end", which would seldom
/// be within it: VPD B0 says WSNZ.
bool plan_length(Command& command, Extent& extent) {
  command.task().blocks = extent.blocks;
  return (extent.blocks != 0 && extent.blocks <= kMaxWriteSame / logical_block(command)) ||
         command.refuse_field(length_field(command.spec()), 7);
}

/// One request, so that a snapshot has all of it or nothing.
void write_pattern(const Command& command, std::uint64_t offset, std::uint64_t length) {
  auto& work = begin_work(command);
  auto pattern = command.task().data_out.span().first(logical_block(command));
  work.scratch = Buffer(std::min(length, kStepBytes));
  for (std::size_t at = 0; at < work.scratch.size(); at += pattern.size())
    std::memcpy(work.scratch.data() + at, pattern.data(), pattern.size());
  for (auto left = length; left != 0; left -= work.vectors.back().iov_len)
    work.vectors.push_back({work.scratch.data(), std::min(left, kStepBytes)});
  aim(work, IoOp::write, offset, length);
  work.request.buffers = work.vectors;
  submit(work);
}

/// Zeros. Blocks may only lose their space where they read as zeros afterwards,
/// so UNMAP with another pattern is a plain write.
void write_zeros(const Command& command, std::uint64_t offset, std::uint64_t length, bool unmap) {
  auto& work = begin_work(command);
  aim(work, IoOp::write_zeroes, offset, length);
  work.request.may_unmap = unmap;
  submit(work);
}

}  // namespace

bool plan_unmap(Command& command, DataPlan& plan) {
  auto length = std::uint16_t{command.cdb<wire::UnmapCdb>().list_length};
  plan = {length == 0 ? Direction::none : Direction::out, length};
  return length == 0 || length >= sizeof(wire::UnmapHeader) || command.refuse(kParameterListLength);
}

void run_unmap(Command& command) {
  auto& task = command.task();
  if (task.planned == 0) return command.finish();
  if (task.data_out_length < task.planned) return command.fail(kInvalidInformationUnit);
  if (!check_unmap_list(command)) return command.finish();
  auto& work = begin_work(command);
  read_ranges(command, work.ranges);
  if (work.ranges.empty()) return finish(work);
  auto begin = std::ranges::min(work.ranges, {}, &block::Range::offset).offset;
  auto end = std::ranges::max(work.ranges, {}, &block::Range::end).end();
  aim(work, IoOp::unmap, begin, end - begin);
  if (work.ranges.size() > 1) work.request.ranges = work.ranges;
  submit(work);
}

bool plan_write_same(Command& command, DataPlan& plan) {
  Extent extent;
  if (!plan_extent(command, extent) || !plan_length(command, extent)) return false;
  if ((extent.flags & wire::kUnmap) != 0 && !command.object().features().unmap)
    return command.refuse_field(1, 3);
  if (!has_data_out(command, extent)) return true;
  plan = {Direction::out, logical_block(command)};
  return command.task().expected_length == kLengthUnknown ||
         command.task().expected_length == plan.length || command.refuse(kInvalidInformationUnit);
}

void run_write_same(Command& command) {
  auto& task = command.task();
  if (task.data_out_length < task.planned) return command.fail(kInvalidInformationUnit);
  if (task.blocks == 0) return command.finish();
  auto flags = std::to_integer<std::uint8_t>(task.cdb[1]);
  auto block = logical_block(command);
  auto offset = task.lba * block, length = task.blocks * block;
  if (task.planned != 0 && !all_zero(task.data_out.span().first(block)))
    write_pattern(command, offset, length);
  else
    write_zeros(command, offset, length, (flags & wire::kUnmap) != 0);
}

}  // namespace caisson::scsi
