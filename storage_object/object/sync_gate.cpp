// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/sync_gate.hpp"

#include <utility>

namespace caisson::object {

void SyncGate::begin(Ticket& ticket) {
  std::lock_guard lock(mutex_);
  ticket.number = ++last_number_;
  running_.push(ticket);
}

SyncGate::Ticket* SyncGate::take_released() {
  Ticket* chain = nullptr;
  auto** tail = &chain;
  while (waiting_.first &&
         (spoiled_ || !running_.first || waiting_.first->number < running_.first->number)) {
    auto* ticket = waiting_.first;
    waiting_.remove(*ticket);
    ticket->next = nullptr;
    *tail = ticket;
    tail = &ticket->next;
  }
  return chain;
}

SyncGate::Answer SyncGate::end(Ticket& ticket, bool spoiled) {
  Ticket* released;
  Answer answer;
  bool good;
  {
    std::lock_guard lock(mutex_);
    running_.remove(ticket);
    spoiled_ = spoiled_ || spoiled;
    good = !spoiled_;
    answer = !good ? Answer::bad : running_.first ? Answer::later : Answer::good;
    if (answer == Answer::later) {
      ticket.number = last_number_;
      waiting_.push(ticket);
    }
    released = take_released();
  }
  while (released) {
    auto* one = std::exchange(released, released->next);
    one->verdict(*one, good);
  }
  return answer;
}

void SyncGate::reopen() {
  std::lock_guard lock(mutex_);
  spoiled_ = false;
}

void SyncGate::spoil() {
  std::lock_guard lock(mutex_);
  spoiled_ = true;
}

}  // namespace caisson::object
