// SPDX-License-Identifier: Apache-2.0
// A nexus' part in the task sets of its units: when a task may run (SAM-5 8),
// and how one is ended before its time (SAM-5 7).
#include <algorithm>
#include <utility>

#include "gateway/scsi/command.hpp"
#include "gateway/scsi/counters.hpp"
#include "gateway/scsi/lun_address.hpp"
#include "gateway/scsi/nexus.hpp"
#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/work.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::scsi {
namespace {

bool has_older(const UnitSlot& slot, std::uint64_t turn) noexcept {
  for (const auto* task = slot.tasks.first; task != nullptr; task = task->next)
    if (task->turn < turn) return true;
  return false;
}

/// A task has left: turns that waited for it may find none older now.
void tell_drained(UnitSlot& slot, TaskSet& set) {
  auto drained = slot.draining;
  std::erase_if(drained, [&](std::uint64_t turn) { return has_older(slot, turn); });
  std::erase_if(slot.draining, [&](std::uint64_t turn) { return !has_older(slot, turn); });
  for (auto turn : drained) set.drained(slot, turn);
}

/// The first dormant task that `may_run`; nullptr: none.
template <class Check>
Task* first_dormant(const UnitSlot& slot, Check may_run) noexcept {
  for (auto* task = slot.tasks.first; task != nullptr; task = task->next)
    if (task->phase == TaskPhase::dormant && may_run(*task)) return task;
  return nullptr;
}

}  // namespace

void Task::end() noexcept {
  Nexus::leave(*this);
  complete(*this);
}

void Nexus::enter(Task& task, Slot& slot) {
  auto& set = slot.mapping.unit->tasks();
  task.slot = &slot;
  task.phase = TaskPhase::received;
  task.granted = false;
  task.turn = set.turn();
  slot.tasks.push(task);
  if (task.attribute == TaskAttribute::simple) [[likely]]
    return;
  if (task.attribute == TaskAttribute::head_of_queue) return set.head_came();
  set.announce(slot, task);
}

bool Nexus::may_run(const Task& task) noexcept {
  if (task.slot == nullptr || task.attribute == TaskAttribute::head_of_queue) return true;
  if (task.attribute == TaskAttribute::ordered) return task.granted;
  return task.slot->mapping.unit->tasks().open(task.turn);
}

void Nexus::execute(Task& task) {
  if (may_run(task)) [[likely]]
    return run(task);
  task.phase = TaskPhase::dormant;
}

void Nexus::run(Task& task) {
  task.phase = TaskPhase::running;
  auto* slot = find(task.lun);
  Command command(*this, task, slot);
  // Unmapped, or given to another unit, since prepare() checked it.
  if ((slot == nullptr ? 0 : slot->serial) != task.mapping) return command.fail(kNoSuchLun);
  count_started(task);
  task.command->run(command);
}

void Nexus::leave(Task& task) noexcept {
  auto* slot = std::exchange(task.slot, nullptr);
  if (slot == nullptr) return;
  slot->tasks.remove(task);
  if (task.attribute != TaskAttribute::simple || !slot->draining.empty()) [[unlikely]] {
    auto unit = slot->mapping.unit;  // what is told below may unmap it
    tell_drained(*slot, unit->tasks());
    if (task.attribute == TaskAttribute::ordered) unit->tasks().ended(task.turn);
    if (task.attribute == TaskAttribute::head_of_queue) unit->tasks().head_ended();
  }
  if (slot->retired() && slot->idle()) slot->mapping.unit.reset();
}

void Nexus::withdraw(Task& task) noexcept { leave(task); }

void Nexus::recall(Task& task, block::BlockErrc why) noexcept {
  if (task.phase == TaskPhase::dormant) {
    if (why != block::BlockErrc::aborted) return;
    task.phase = TaskPhase::running;
    task.status = Status::task_aborted;
    return task.end();
  }
  if (task.work != nullptr) return scsi::recall(*task.work, why);
  if (task.slot != nullptr) task.slot->mapping.unit->object().recall_change(identity_.id);
}

void Nexus::abandon(Task& task) noexcept {
  if (task.slot != nullptr)
    log::warning("LUN {} of {}: {} of {} hangs and was given up; what overlaps it waits",
                 task.slot->mapping.number, identity_.target_name, task.command->name,
                 identity_.initiator_port);
  if (task.work != nullptr) scsi::abandon(*task.work);
  leave(task);
}

bool Nexus::clear_elsewhere(std::uint64_t lun, Clearing clearing, std::function<void()> done) {
  auto* slot = find(lun);
  if (slot == nullptr) return false;
  auto unit = slot->mapping.unit;
  clearing.task_aborted = unit->task_aborted_status();
  unit->tasks().clear_elsewhere(unit, *this, clearing, std::move(done));
  return true;
}

bool Nexus::reset(std::uint64_t lun) {
  auto* slot = find(lun);
  if (slot == nullptr) return false;
  log::info("LUN {} of {}: reset by {}", slot->mapping.number, identity_.target_name,
            identity_.initiator_port);
  auto unit = slot->mapping.unit;
  return !unit->object().reset();
}

std::vector<std::uint64_t> Nexus::fields_of(const LogicalUnit& unit) const {
  std::vector<std::uint64_t> fields;
  for (const auto* slot : by_number_)
    if (slot->mapping.unit.get() == &unit) fields.push_back(lun_address(slot->mapping.number));
  return fields;
}

void Nexus::drain(Slot& slot, std::uint64_t turn) {
  if (!has_older(slot, turn)) return slot.mapping.unit->tasks().drained(slot, turn);
  slot.draining.push_back(turn);
}

void Nexus::grant(Slot& slot, std::uint64_t turn) {
  for (auto* task = slot.tasks.first; task != nullptr; task = task->next) {
    if (task->turn != turn || task->attribute != TaskAttribute::ordered) continue;
    task->granted = true;
    if (task->phase == TaskPhase::dormant) run(*task);
    return;
  }
}

/// Each that runs may end others or bring new ones, so the search starts anew.
void Nexus::wake(Slot& slot) {
  while (auto* task = first_dormant(slot, may_run)) run(*task);
}

/// Nobody tells a view that was given up when its tasks' turns have come: they
/// fail at once.
void Nexus::fail_dormant() {
  for (auto* slot = slots_.load(std::memory_order_relaxed); slot != nullptr;
       slot = slot->next.load(std::memory_order_relaxed))
    while (slot->retired()) {
      auto* task = first_dormant(*slot, [](const Task&) { return true; });
      if (task == nullptr) break;
      run(*task);
    }
}

}  // namespace caisson::scsi
