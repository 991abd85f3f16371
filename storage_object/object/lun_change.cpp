// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/lun_change.hpp"

#include <algorithm>
#include <utility>

namespace caisson::object {

LunObject::Change::Change(std::shared_ptr<LunObject> what, ChangeOrigin who)
    : object(std::move(what)), origin(who) {
  entry.end = kWholeEnd;
  entry.hold = Hold::all;
  entry.executor = Executor::current();
  entry.owner = this;
  entry.granted = granted;
}

void LunObject::Change::announce() {
  std::lock_guard lock(object->changes_mutex_);
  object->changes_.push_back(this);
}

void LunObject::Change::queue() {
  if (recalled) {
    forget();
    return refuse(recalled);
  }
  if (object->in_flight_.enter(entry)) granted(entry);
}

void LunObject::Change::forget() {
  std::lock_guard lock(object->changes_mutex_);
  std::erase(object->changes_, this);
}

void LunObject::Change::granted(InFlightEntry& entry) noexcept {
  auto& self = *static_cast<Change*>(entry.owner);
  self.forget();
  self.begun = true;
  if (!self.recalled) return self.start();
  self.leave();
  self.refuse(self.recalled);
}

void LunObject::recall_change(const void* task, block::BlockErrc why) noexcept {
  Change* change;  // stays: it begins on this thread
  {
    std::lock_guard lock(changes_mutex_);
    auto at = std::ranges::find_if(changes_, [&](const auto* one) {
      return one->origin.task == task && one->entry.executor != nullptr &&
             one->entry.executor == Executor::current();
    });
    if (at == changes_.end()) return;
    change = *at;
  }
  if (change->begun) return why == block::BlockErrc::busy ? change->hurry() : void();
  if (!in_flight_.withdraw(change->entry)) {
    change->recalled = why;
    return;
  }
  change->forget();
  change->refuse(why);
}

}  // namespace caisson::object
