// SPDX-License-Identifier: Apache-2.0
// The block requests of one command: one for most, and for all that change data, since
// a cut may come between two; a run of them for those that compare more than a buffer. Pooled per
// thread.
#pragma once

#include <memory>
#include <vector>

#include "gateway/scsi/command.hpp"

namespace caisson::scsi {

/// Most bytes of memory that a command takes besides its data.
inline constexpr std::uint64_t kStepBytes = std::uint64_t{1} << 20;

struct Task::Work {
  enum class Progress : std::uint8_t { submitting, pending, completed };

  /// Called when the request succeeded. True: `request` is set up anew, submit
  /// it. False: the function has ended the work by finish() or fail().
  using Step = bool (*)(Work&);

  block::IoRequest request;
  IoVec vector{};
  Task* task = nullptr;               ///< nullptr: answered already (IMMED)
  std::shared_ptr<LogicalUnit> kept;  ///< what keeps the unit when the task's slot no longer does
  LogicalUnit* unit = nullptr;
  Step step = nullptr;  ///< nullptr: one request is all
  Progress progress = Progress::pending;
  bool stopped = false;  ///< no further step is begun
  std::uint32_t rounds = 0;

  // The cursor of multi-step commands, in bytes of the disk.
  std::uint64_t position = 0;
  std::uint64_t end = 0;
  Buffer scratch;
  std::vector<IoVec> vectors;        ///< of a request with more than one
  std::vector<block::Range> ranges;  ///< of a request with more than one
  std::vector<block::StatusExtent> extents;
};

/// A work for this command with `request.context` filled in.
Task::Work& begin_work(const Command& command, Task::Work::Step step = nullptr);

/// The task is answered before the work has ended: it must not outlast the
/// nexus, the work may.
void detach(Task::Work& work);

/// Of a pending work: see Nexus::recall() and Nexus::abandon().
void recall(Task::Work& work, block::BlockErrc why) noexcept;
void abandon(Task::Work& work) noexcept;

/// Points the request at [offset, offset+length) and at `data` of that length.
void aim(Task::Work& work, block::IoOp op, std::uint64_t offset, std::uint64_t length,
         std::byte* data = nullptr) noexcept;

/// Runs requests until one is pending or the work has ended. After it, `work`
/// may be gone.
void submit(Task::Work& work);

/// Ends the work: gives it back, then answers the task.
void finish(Task::Work& work);
void fail(Task::Work& work, const Sense& sense);

}  // namespace caisson::scsi
