// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/work.hpp"

#include "gateway/scsi/sense_table.hpp"
#include "storage_object/base/executor.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/base/pool.hpp"

namespace caisson::scsi {
namespace {

using Work = Task::Work;
using Progress = Work::Progress;

/// Steps that complete at once before others on the thread get their turn.
constexpr std::uint32_t kRoundsPerTurn = 8;

Task* release(Work& work) {
  auto* task = work.task;
  if (task != nullptr) task->work = nullptr;
  work.kept.reset();
  work.scratch = Buffer();
  work.vectors.clear();
  work.ranges.clear();
  PerThreadPool<Work>::release(&work);
  return task;
}

void end_with(Work& work, const Error& error) {
  const auto& row = sense_row(error);
  if (error.category() != block::block_category())
    log::warning("LUN {}: a request failed with {}", work.unit->object().identity()->name,
                 error.message());
  auto mismatch = work.request.mismatch;
  auto* task = release(work);
  if (task == nullptr) return;
  task->status = row.status;
  task->sense = row.sense;
  if (error == block::BlockErrc::miscompare) task->sense.information = mismatch;
  task->data_in_length = 0;
  task->end();
}

/// After a completion: true when another request is to be submitted.
bool advance(Work& work) {
  if (work.request.error) {
    end_with(work, work.request.error);
    return false;
  }
  if (work.step != nullptr && work.stopped) {
    end_with(work, block::BlockErrc::aborted);
    return false;
  }
  if (work.step != nullptr) return work.step(work);
  finish(work);
  return false;
}

void on_complete(block::IoRequest& request) noexcept {
  auto& work = *static_cast<Work*>(request.owner);
  auto inline_completion = work.progress == Progress::submitting;
  work.progress = Progress::completed;
  if (!inline_completion && advance(work)) submit(work);
}

bool turn_is_over(Work& work) {
  if (++work.rounds % kRoundsPerTurn != 0) return false;
  auto* executor = Executor::current();
  if (executor == nullptr) return false;
  executor->post([&work] { submit(work); });
  return true;
}

}  // namespace

Work& begin_work(const Command& command, Work::Step step) {
  auto& work = *PerThreadPool<Work>::acquire();
  auto& slot = command.slot();
  work.request = {};
  work.request.context.host = command.identity().host;
  work.request.context.nexus = command.identity().id;
  work.request.context.read_only =
      slot.mapping.read_only || command.unit().software_write_protect();
  work.request.owner = &work;
  work.request.complete = on_complete;
  work.task = &command.task();
  work.task->work = &work;
  work.unit = slot.mapping.unit.get();
  work.stopped = false;
  work.step = step;
  work.rounds = 0;
  work.position = work.end = 0;
  return work;
}

void detach(Work& work) {
  work.kept = work.task->slot->mapping.unit;
  work.task->work = nullptr;
  work.task = nullptr;
}

void recall(Work& work, block::BlockErrc why) noexcept {
  work.stopped = work.stopped || why == block::BlockErrc::aborted;
  if (work.progress == Progress::pending) work.unit->object().recall(work.request, why);
}

void abandon(Work& work) noexcept {
  work.stopped = true;
  work.kept = work.task->slot->mapping.unit;
  if (work.progress == Progress::pending) work.unit->object().abandon(work.request);
}

void aim(Work& work, block::IoOp op, std::uint64_t offset, std::uint64_t length,
         std::byte* data) noexcept {
  auto& request = work.request;
  request.op = op;
  request.offset = offset;
  request.length = length;
  work.vector = {data, length};
  request.buffers = data == nullptr ? std::span<const IoVec>{} : std::span(&work.vector, 1);
}

void submit(Work& work) {
  if (work.stopped) return end_with(work, block::BlockErrc::aborted);
  do {
    work.progress = Progress::submitting;
    work.request.error = {};
    work.unit->object().submit(work.request);
    if (work.progress == Progress::submitting) {
      work.progress = Progress::pending;
      return;
    }
  } while (advance(work) && !turn_is_over(work));
}

void finish(Work& work) {
  if (auto* task = release(work)) task->end();
}

void fail(Work& work, const Sense& sense) {
  auto* task = release(work);
  if (task == nullptr) return;
  task->status = Status::check_condition;
  task->sense = sense;
  task->data_in_length = 0;
  task->end();
}

}  // namespace caisson::scsi
