// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/in_flight.hpp"

#include <algorithm>
#include <cassert>
#include <semaphore>
#include <utility>

namespace caisson::object {
namespace {

constexpr bool exclusive(Hold hold) { return hold >= Hold::rewrite; }

constexpr bool changes(Hold hold) { return hold == Hold::write || hold == Hold::rewrite; }

/// How it holds its range, its fence included.
Hold hold_of(const InFlightEntry& entry) { return entry.fenced ? Hold::given_up : entry.hold; }
bool announces(const InFlightEntry& entry) { return exclusive(hold_of(entry)); }

/// Has one that enters to wait for one that is there?
bool waits(Hold entering, Hold there) {
  if (entering == Hold::rules) return there == Hold::rules || there == Hold::all;
  if (there == Hold::rules) return true;
  auto [a, b] = std::minmax(entering, there);
  if (b == Hold::given_up) return a != Hold::given_up_read;
  if (b == Hold::all) return true;
  return b == Hold::rewrite && a >= Hold::write;
}

bool waits(const InFlightEntry& entering, const InFlightEntry& there) {
  return waits(entering.hold, hold_of(there)) && entering.begin < there.end &&
         there.begin < entering.end;
}

}  // namespace

InFlight::Shard::Shard() {
  for (std::uint16_t i = 0; i < kFastSlots; ++i) free[i] = i;
}

InFlight::~InFlight() { assert(held_.first == nullptr && waiting_.first == nullptr); }

bool InFlight::enter(InFlightEntry& entry) {
  assert(entry.end <= kWholeEnd);
  entry.fenced = false;
  if (!exclusive(entry.hold) && enter_fast(entry)) return true;
  return enter_slow(entry);
}

// The order that makes this safe: a shared entry publishes its range, then looks
// for an announcement; an exclusive one announces itself, then looks at the
// ranges. All four are sequentially consistent, so one of them sees the other.
bool InFlight::enter_fast(InFlightEntry& entry) {
  if (announced_.load(std::memory_order_relaxed) != 0) return false;
  auto* shard = shards_.mine();
  if (shard == nullptr || shard->free_count == 0) return false;
  auto index = shard->free[--shard->free_count];
  auto& slot = shard->slots[index];
  slot.end_and_read.store(entry.end * 2 + (entry.hold == Hold::read), std::memory_order_relaxed);
  slot.begin.store(entry.begin, std::memory_order_seq_cst);
  if (announced_.load(std::memory_order_seq_cst) == 0) {
    entry.place = InFlightEntry::Place::fast;
    entry.slot = index;
    entry.shard = shard;
    return true;
  }
  slot.begin.store(kFree, std::memory_order_seq_cst);
  shard->free[shard->free_count++] = index;
  return false;
}

bool InFlight::enter_slow(InFlightEntry& entry) {
  InFlightEntry* granted;
  bool entered;
  {
    std::lock_guard lock(mutex_);
    if (exclusive(entry.hold)) announced_.fetch_add(1, std::memory_order_seq_cst);
    entry.place = InFlightEntry::Place::waiting;
    waiting_.push(entry);
    // Others may be granted too: a range that enter_fast published and took
    // back may have kept them waiting.
    granted = advance();
    entered = entry.place == InFlightEntry::Place::held;
  }
  notify(granted, &entry);
  return entered;
}

bool InFlight::enter_within(InFlightEntry& entry, std::chrono::milliseconds limit) {
  std::binary_semaphore entered(0);
  entry.executor = nullptr;
  entry.owner = &entered;
  entry.granted = [](InFlightEntry& self) noexcept {
    static_cast<std::binary_semaphore*>(self.owner)->release();
  };
  if (enter(entry)) return true;
  if (limit != std::chrono::milliseconds::max()) {
    if (entered.try_acquire_for(limit)) return true;
    if (withdraw(entry)) return false;  // else the news is on its way
  }
  entered.acquire();
  return true;
}

void InFlight::leave(InFlightEntry& entry) {
  InFlightEntry* granted;
  if (entry.place == InFlightEntry::Place::fast) {
    auto* shard = static_cast<Shard*>(entry.shard);
    entry.place = InFlightEntry::Place::none;
    shard->slots[entry.slot].begin.store(kFree, std::memory_order_seq_cst);
    shard->free[shard->free_count++] = entry.slot;
    if (announced_.load(std::memory_order_seq_cst) == 0) return;
    std::lock_guard lock(mutex_);
    granted = advance();
  } else {
    std::lock_guard lock(mutex_);
    held_.remove(entry);
    entry.place = InFlightEntry::Place::none;
    if (announces(entry)) announced_.fetch_sub(1, std::memory_order_seq_cst);
    granted = advance();
  }
  notify(granted);
}

bool InFlight::withdraw(InFlightEntry& entry) {
  InFlightEntry* granted;
  {
    std::lock_guard lock(mutex_);
    if (entry.place != InFlightEntry::Place::waiting) return false;
    waiting_.remove(entry);
    entry.place = InFlightEntry::Place::none;
    if (exclusive(entry.hold)) announced_.fetch_sub(1, std::memory_order_seq_cst);
    granted = advance();
  }
  notify(granted);
  return true;
}

void InFlight::give_up(InFlightEntry& entry) {
  using Place = InFlightEntry::Place;
  InFlightEntry* granted;
  {
    std::lock_guard lock(mutex_);
    if (entry.place != Place::fast && entry.place != Place::held) return;
    bool announced = announces(entry);
    entry.hold = entry.hold <= Hold::given_up_read ? Hold::given_up_read : Hold::given_up;
    if (announces(entry) && !announced) announced_.fetch_add(1, std::memory_order_seq_cst);
    if (entry.place == Place::fast) move_to_held(entry);
    granted = advance();
  }
  notify(granted);
}

// It is announced before its fast slot is given up: whoever finds the slot free also
// finds the announcement, and looks at what is held.
void InFlight::move_to_held(InFlightEntry& entry) {
  held_.push(entry);
  entry.place = InFlightEntry::Place::held;
  auto* shard = static_cast<Shard*>(entry.shard);
  shard->slots[entry.slot].begin.store(kFree, std::memory_order_seq_cst);
  shard->free[shard->free_count++] = entry.slot;
}

bool InFlight::fast_conflict(const InFlightEntry& entry) const {
  bool found = false;
  shards_.for_each([&](const Shard& shard) {
    for (std::size_t i = 0; i < kFastSlots; ++i) {
      const auto& slot = shard.slots[i];
      auto begin = slot.begin.load(std::memory_order_seq_cst);
      if (begin == kFree) continue;
      auto packed = slot.end_and_read.load(std::memory_order_relaxed);
      auto hold = shard.fenced[i] ? Hold::given_up : packed & 1 ? Hold::read : Hold::write;
      found = found || (waits(entry.hold, hold) && entry.begin < packed / 2 && begin < entry.end);
    }
  });
  return found;
}

/// Whoever asks is announced, and so is what it leaves behind before it leaves: no fast
/// slot that is fenced is used again before lift_fences() was there.
void InFlight::fence() {
  for (auto* entry = held_.first; entry; entry = entry->next) {
    if (!changes(entry->hold) || entry->fenced) continue;
    if (!announces(*entry)) announced_.fetch_add(1, std::memory_order_seq_cst);
    entry->fenced = true;
  }
  shards_.for_each([this](Shard& shard) {
    for (std::size_t i = 0; i < kFastSlots; ++i) {
      const auto& slot = shard.slots[i];
      if (shard.fenced[i] || slot.begin.load(std::memory_order_seq_cst) == kFree) continue;
      if (slot.end_and_read.load(std::memory_order_relaxed) & 1) continue;
      shard.fenced[i] = true;
      ++fenced_slots_;
      announced_.fetch_add(1, std::memory_order_seq_cst);
    }
  });
}

void InFlight::lift_fences() {
  if (fenced_slots_ == 0) return;
  shards_.for_each([this](Shard& shard) {
    for (std::size_t i = 0; i < kFastSlots; ++i) {
      if (!shard.fenced[i] || shard.slots[i].begin.load(std::memory_order_seq_cst) != kFree)
        continue;
      shard.fenced[i] = false;
      --fenced_slots_;
      announced_.fetch_sub(1, std::memory_order_seq_cst);
    }
  });
}

bool InFlight::blocked(const InFlightEntry& entry) const {
  for (auto* other = held_.first; other; other = other->next)
    if (waits(entry, *other)) return true;
  for (auto* earlier = waiting_.first; earlier != &entry; earlier = earlier->next)
    if (waits(entry, *earlier)) return true;
  return (exclusive(entry.hold) || fenced_slots_ != 0) && fast_conflict(entry);
}

InFlightEntry* InFlight::advance() {
  lift_fences();
  InFlightEntry* chain = nullptr;
  auto** tail = &chain;
  for (auto* entry = waiting_.first; entry;) {
    auto* later = entry->next;
    if (!blocked(*entry)) {
      if (entry->hold == Hold::rules) fence();
      waiting_.remove(*entry);
      held_.push(*entry);
      entry->place = InFlightEntry::Place::held;
      entry->also_granted = nullptr;
      *tail = entry;
      tail = &entry->also_granted;
    }
    entry = later;
  }
  return chain;
}

void InFlight::notify(InFlightEntry* chain, const InFlightEntry* except) {
  while (chain) {
    auto* entry = std::exchange(chain, chain->also_granted);  // may be gone once told
    if (entry == except) continue;
    if (entry->executor)
      entry->executor->post([entry] { entry->granted(*entry); });
    else
      entry->granted(*entry);
  }
}

}  // namespace caisson::object
