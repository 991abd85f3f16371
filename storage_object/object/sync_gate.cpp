// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/sync_gate.hpp"

#include <utility>

namespace caisson::object {

void SyncGate::begin(Ticket& ticket) {
  std::lock_guard lock(mutex_);
  enter(ticket, failures_, spoiled_);
}

void SyncGate::begin(Ticket& ticket, std::uint64_t known) {
  std::lock_guard lock(mutex_);
  enter(ticket, known, false);
}

void SyncGate::enter(Ticket& ticket, std::uint64_t known, bool bad) {
  ticket.failures = known;
  ticket.bad = bad;
  ticket.number = ++last_number_;
  running_.push(ticket);
}

/// Decides whether it is bad, and from then on it knows of all failures.
bool SyncGate::judge(Ticket& ticket) const {
  ticket.bad = ticket.bad || ticket.failures != failures_;
  ticket.failures = failures_;
  return !ticket.bad;
}

SyncGate::Ticket* SyncGate::take_released(bool all) {
  Ticket* chain = nullptr;
  auto** tail = &chain;
  while (waiting_.first &&
         (all || !running_.first || waiting_.first->number < running_.first->number)) {
    auto* ticket = waiting_.first;
    waiting_.remove(*ticket);
    judge(*ticket);
    ticket->next = nullptr;
    *tail = ticket;
    tail = &ticket->next;
  }
  return chain;
}

void SyncGate::tell(Ticket* chain) {
  while (chain) {
    auto* one = std::exchange(chain, chain->next);
    one->verdict(*one, !one->bad);
  }
}

SyncGate::Answer SyncGate::end(Ticket& ticket, bool spoiled) {
  Ticket* released;
  Answer answer;
  {
    std::lock_guard lock(mutex_);
    running_.remove(ticket);
    if (spoiled) ++failures_, spoiled_ = true;
    answer = !judge(ticket) ? Answer::bad : running_.first ? Answer::later : Answer::good;
    if (answer == Answer::later) {
      ticket.number = last_number_;
      waiting_.push(ticket);
    }
    released = take_released(spoiled);
  }
  tell(released);
  return answer;
}

bool SyncGate::reopen(std::uint64_t failures) {
  std::lock_guard lock(mutex_);
  if (failures != failures_) return false;
  spoiled_ = false;
  return true;
}

std::uint64_t SyncGate::spoil() {
  Ticket* released;
  std::uint64_t number;
  {
    std::lock_guard lock(mutex_);
    number = ++failures_;
    spoiled_ = true;
    released = take_released(true);
  }
  tell(released);
  return number;
}

std::uint64_t SyncGate::failures() const {
  std::lock_guard lock(mutex_);
  return failures_;
}

}  // namespace caisson::object
