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
    if (task->joined && task->turn < turn) return true;
  return false;
}

bool ordered(const Task& task) noexcept { return task.attribute == TaskAttribute::ordered; }
bool held_back(const Task& task) noexcept {
  return task.phase == TaskPhase::dormant && !task.joined;
}

/// The first that is held back; nullptr: none.
Task* first_held_back(const UnitSlot& slot) noexcept {
  auto* task = slot.tasks.first;
  while (task != nullptr && !held_back(*task)) task = task->next;
  return task;
}

/// An ordered task waits for the data of every older one of its nexus.
bool may_join(const UnitSlot& slot, const Task& task) noexcept {
  if (!ordered(task)) return true;
  for (const auto* older = slot.tasks.first; older != &task; older = older->next)
    if (older->phase == TaskPhase::received) return false;
  return true;
}

/// What moves blocks is checked by the object again; the rest has only this.
bool outlasted_its_check(const Task& task) noexcept {
  return task.phase == TaskPhase::dormant || task.command->data == Direction::out;
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
  task.slot = &slot;
  task.phase = TaskPhase::received;
  task.joined = task.granted = false;
  slot.tasks.push(task);
}

/// Gives it its place among the tasks of all nexuses. Not before its data has
/// come: nobody waits for what another host keeps back. An ordered task may have
/// run when this returns.
void Nexus::join(Task& task) {
  auto& set = task.slot->mapping.unit->tasks();
  task.joined = true;
  task.turn = set.turn();
  if (task.attribute == TaskAttribute::simple) [[likely]]
    return;
  if (task.attribute == TaskAttribute::head_of_queue) return set.head_came();
  set.announce(*task.slot, task);
}

/// Those that are held back join, in the order they came, as far as they may.
/// Each that runs may end others or bring new ones, so the search starts anew.
void Nexus::join_held_back(Slot& slot) {
  while (!slot.retired()) {
    auto* task = first_held_back(slot);
    slot.holds_back = task != nullptr;
    if (task == nullptr || !may_join(slot, *task)) return;
    bool runs_when_granted = ordered(*task);
    join(*task);
    if (!runs_when_granted && may_run(*task)) run(*task);
  }
}

/// As a message: whoever ends a task is not in the midst of another's.
void Nexus::resume(Slot& slot) {
  auto host = host_.lock();
  if (host == nullptr) return join_held_back(slot);
  host->post([&slot, serial = slot.serial](Nexus* nexus) {
    if (nexus != nullptr && slot.serial == serial) nexus->join_held_back(slot);
  });
}

bool Nexus::may_run(const Task& task) noexcept {
  if (task.attribute == TaskAttribute::head_of_queue) return true;
  if (task.attribute == TaskAttribute::ordered) return task.granted;
  return task.joined && task.slot->mapping.unit->tasks().open(task.turn);
}

void Nexus::execute(Task& task) {
  if (task.slot == nullptr || task.slot->retired()) return run(task);
  auto& slot = *task.slot;
  if (!ordered(task) && !slot.holds_back) [[likely]] {
    join(task);
    if (may_run(task)) [[likely]]
      return run(task);
    task.phase = TaskPhase::dormant;
    return;
  }
  task.phase = TaskPhase::dormant;
  if (task.attribute == TaskAttribute::head_of_queue) {
    join(task);
    run(task);
  }
  join_held_back(slot);
}

void Nexus::run(Task& task) {
  bool check = outlasted_its_check(task);
  task.phase = TaskPhase::running;
  auto* slot = find(task.lun);
  Command command(*this, task, slot);
  // Unmapped, or given to another unit, since prepare() checked it.
  if ((slot == nullptr ? 0 : slot->serial) != task.mapping) return command.fail(kNoSuchLun);
  if (check && !access_granted(command)) return command.finish();
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
    if (task.joined && ordered(task)) unit->tasks().ended(task.turn);
    if (task.joined && task.attribute == TaskAttribute::head_of_queue) unit->tasks().head_ended();
  }
  if (slot->holds_back) [[unlikely]]
    slot->nexus->resume(*slot);
  if (slot->retired() && slot->idle()) slot->forget();
}

void Nexus::withdraw(Task& task) noexcept { leave(task); }

void Nexus::recall(Task& task, block::BlockErrc why) noexcept {
  if (task.phase == TaskPhase::dormant) {
    task.phase = TaskPhase::running;
    task.status = why == block::BlockErrc::aborted ? Status::task_aborted : Status::busy;
    return task.end();
  }
  if (task.work != nullptr) return scsi::recall(*task.work, why);
  if (task.slot == nullptr) return;
  task.slot->mapping.unit->object().recall_change(&task, why);
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
    if (!task->joined || task->turn != turn || !ordered(*task)) continue;
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
