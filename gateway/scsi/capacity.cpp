// SPDX-License-Identifier: Apache-2.0
// READ CAPACITY, READ DEFECT DATA and GET LBA STATUS (SBC-3 5.15, 5.16, 5.19,
// 5.20, 5.5).
#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

#include "gateway/scsi/extent.hpp"
#include "gateway/scsi/handlers.hpp"
#include "gateway/scsi/wire.hpp"
#include "gateway/scsi/work.hpp"

namespace caisson::scsi {
namespace {

using block::StatusExtent;

constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint8_t kDeallocated = 1;
constexpr std::size_t kMaxStatusExtents = 256;

std::uint64_t last_lba(const block::Geometry& geometry) {
  auto blocks = geometry.capacity / geometry.logical_block;
  return blocks == 0 ? 0 : blocks - 1;
}

/// Extents of bytes as runs of whole blocks: a block that is allocated in part
/// counts as mapped.
class StatusWriter {
 public:
  StatusWriter(std::vector<std::byte>& out, std::uint32_t block, std::size_t room)
      : out_(out), block_(block), room_(room) {}

  void add(const StatusExtent& extent) {
    auto end = extent.offset + extent.length;
    auto upto = extent.allocated ? (end + block_ - 1) / block_ : end / block_;
    auto from = std::max(
        next_, extent.allocated ? extent.offset / block_ : (extent.offset + block_ - 1) / block_);
    if (from > next_) emit(next_, from, 0);
    if (upto > from) emit(from, upto, extent.allocated ? 0 : kDeallocated);
  }
  void start_at(std::uint64_t lba) { next_ = lba; }

 private:
  void emit(std::uint64_t from, std::uint64_t upto, std::uint8_t status) {
    while (from < upto && room_ != 0) {
      auto blocks = static_cast<std::uint32_t>(std::min<std::uint64_t>(upto - from, kMax32));
      wire::LbaStatusDescriptor descriptor{from, blocks, status, {}};
      auto bytes = bytes_of(descriptor);
      out_.insert(out_.end(), bytes.begin(), bytes.end());
      from += blocks;
      --room_;
    }
    next_ = from;
  }

  std::vector<std::byte>& out_;
  std::uint64_t block_;
  std::size_t room_;
  std::uint64_t next_ = 0;
};

std::size_t descriptors_in(std::uint64_t allocation) {
  constexpr auto kHeader = sizeof(wire::LbaStatusHeader);
  if (allocation <= kHeader) return 1;
  auto fitting = (allocation - kHeader) / sizeof(wire::LbaStatusDescriptor);
  return std::clamp<std::uint64_t>(fitting, 1, kMaxStatusExtents);
}

void answer_status(Task& task, std::uint32_t block, std::span<const StatusExtent> extents) {
  std::vector<std::byte> out(sizeof(wire::LbaStatusHeader));
  StatusWriter writer(out, block, descriptors_in(task.planned));
  writer.start_at(task.lba);
  for (const auto& extent : extents) writer.add(extent);
  store(std::span(out), wire::LbaStatusHeader{static_cast<std::uint32_t>(out.size() - 4), 0});
  task.data_in_length = std::min<std::uint64_t>(out.size(), task.planned);
  if (task.data_in_length == 0) return;
  task.data_in = Buffer(task.data_in_length);
  std::copy_n(out.begin(), task.data_in_length, task.data_in.data());
}

bool status_known(Task::Work& work) {
  answer_status(*work.task, work.unit->object().geometry().logical_block,
                work.request.status.first(work.request.status_count));
  finish(work);
  return false;
}

}  // namespace

bool plan_read_capacity_10(Command&, DataPlan& plan) {
  plan = {Direction::in, sizeof(wire::Capacity10)};
  return true;
}

void run_read_capacity_10(Command& command) {
  const auto& geometry = command.geometry();
  auto last = static_cast<std::uint32_t>(std::min<std::uint64_t>(last_lba(geometry), kMax32));
  command.answer(bytes_of(wire::Capacity10{last, geometry.logical_block}),
                 sizeof(wire::Capacity10));
}

bool plan_read_capacity_16(Command& command, DataPlan& plan) {
  plan = parameter_data(command.cdb<wire::Cdb16>().length);
  return true;
}

void run_read_capacity_16(Command& command) {
  const auto& geometry = command.geometry();
  wire::Capacity16 data{};
  data.last_lba = last_lba(geometry);
  data.block_length = geometry.logical_block;
  data.exponents = static_cast<std::uint8_t>(
      std::countr_zero(std::max(geometry.physical_block / geometry.logical_block, 1u)));
  if (command.object().features().unmap) data.provisioning = wire::kLbpme | wire::kCapacityLbprz;
  command.answer(bytes_of(data), command.task().planned);
}

bool plan_read_defect_data(Command& command, DataPlan& plan) {
  plan = parameter_data(command.spec().length == 10
                            ? std::uint32_t{command.cdb<wire::Cdb10>().length}
                            : std::uint32_t{command.cdb<wire::Cdb12>().length});
  return true;
}

/// Both lists are empty, in whatever format: files have no defects of their own.
void run_read_defect_data(Command& command) {
  auto ten = command.spec().length == 10;
  auto selection = std::to_integer<std::uint8_t>(command.task().cdb[ten ? 2 : 1]);
  auto format = static_cast<std::uint8_t>(selection & wire::kDefectSelection);
  if (ten)
    command.answer(bytes_of(wire::DefectHeader10{0, format, 0}), command.task().planned);
  else
    command.answer(bytes_of(wire::DefectHeader12{0, format, 0, 0}), command.task().planned);
}

bool plan_get_lba_status(Command& command, DataPlan& plan) {
  auto cdb = command.cdb<wire::Cdb16>();
  command.task().lba = cdb.lba;
  plan = parameter_data(cdb.length);
  return in_range(command, cdb.lba, 1);
}

void run_get_lba_status(Command& command) {
  auto& task = command.task();
  if (!in_range(command, task.lba, 1)) return command.finish();  // shrunk since prepare()
  const auto& geometry = command.geometry();
  auto offset = task.lba * geometry.logical_block;
  if (!command.object().features().unmap) {  // fully provisioned: all is mapped
    StatusExtent all{offset, geometry.capacity - offset, true};
    answer_status(task, geometry.logical_block, std::span(&all, 1));
    return command.finish();
  }
  auto& work = begin_work(command, status_known);
  work.extents.assign(descriptors_in(task.planned), {});
  aim(work, block::IoOp::status, offset, geometry.capacity - offset);
  work.request.status = work.extents;
  submit(work);
}

}  // namespace caisson::scsi
