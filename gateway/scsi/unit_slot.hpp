// SPDX-License-Identifier: Apache-2.0
// One logical unit in one nexus: unit attentions, and that nexus' part of the
// unit's task set.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "gateway/scsi/directory.hpp"
#include "gateway/scsi/task.hpp"
#include "storage_object/base/linked_list.hpp"

namespace caisson::scsi {

class Nexus;

/// Slots are only ever appended to a nexus, and reused after a remap, so that
/// Nexus::raise() walks them without a lock.
struct UnitSlot {
  std::atomic<const LogicalUnit*> unit = nullptr;  ///< nullptr: free
  std::atomic<std::uint32_t> attentions = 0;
  std::atomic<UnitSlot*> next = nullptr;

  // The nexus' own thread only. The unit stays until the last task on it has
  // ended, without a shared count touched per command.
  LunMapping mapping;
  std::uint64_t serial = 0;  ///< of the mapping: a number given to another unit has another
  LinkedList<Task> tasks;    ///< prepared and not ended
  std::vector<std::uint64_t> draining;  ///< turns that wait for older tasks of this nexus
  /// Tasks are held back: an ordered one has no turn yet, because older ones of
  /// this nexus await their data.
  bool holds_back = false;
  Nexus* nexus = nullptr;  ///< whose view it is

  bool idle() const noexcept { return tasks.first == nullptr; }
  /// A view that was given up, and whose last task has ended: messages that are
  /// on their way find it no more.
  void forget() noexcept {
    mapping.unit.reset();
    serial = 0;
  }
  bool retired() const noexcept { return unit.load(std::memory_order_relaxed) == nullptr; }
};

}  // namespace caisson::scsi
