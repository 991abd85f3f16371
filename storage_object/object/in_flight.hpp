// SPDX-License-Identifier: Apache-2.0
// Which ranges of an object are being worked on. Shared operations (reads,
// writes, flushes) enter a table of their own thread without a lock; only while
// an exclusive one (a read-modify-write, a reset, a resize) is announced are
// ranges compared, and operations that conflict with it wait.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <mutex>

#include "storage_object/base/executor.hpp"
#include "storage_object/base/linked_list.hpp"
#include "storage_object/object/per_thread.hpp"

namespace caisson::object {

enum class Hold : std::uint8_t {
  read,           ///< shared
  given_up_read,  ///< a read after give_up(): excludes `all` only
  write,          ///< shared: overlapping writes are unordered (BlockDevice)
  rewrite,        ///< excludes writes and rewrites; reads see old or new bytes, both right
  all,            ///< excludes everything
  given_up,       ///< a change after give_up(): excludes everything but `rules`
  rules,          ///< excludes what comes later; what is there and changes data is fenced
};

/// A range that is, or waits to be, worked on. Owned by the caller, unmoved
/// from enter() to leave().
///
/// Fenced: it excludes whatever overlaps, as after give_up(), but its sender still
/// waits for it. So a change of rules waits for nobody: nothing can be read or written
/// any more that would tell whether an older change came before it or after.
struct InFlightEntry {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  ///< at most 2^63
  Hold hold = Hold::read;
  Executor* executor = nullptr;  ///< where `granted` is called; nullptr: on any thread
  void (*granted)(InFlightEntry&) noexcept = nullptr;  ///< ends a wait
  void* owner = nullptr;

  // The table's own.
  enum class Place : std::uint8_t { none, fast, held, waiting };
  Place place = Place::none;
  bool fenced = false;
  std::uint16_t slot = 0;
  void* shard = nullptr;
  InFlightEntry* prev = nullptr;
  InFlightEntry* next = nullptr;
  InFlightEntry* also_granted = nullptr;
};

/// The range that stands for a flush: beyond every byte, so that only what
/// holds the whole object waits for it.
inline constexpr std::uint64_t kFlushRange = (std::uint64_t{1} << 63) - 1;
inline constexpr std::uint64_t kWholeEnd = std::uint64_t{1} << 63;

class InFlight {
 public:
  InFlight() = default;
  ~InFlight();

  /// True: entered, go on. False: it waits, and `granted` is called once it has
  /// entered. Waiters that overlap are served in the order they came.
  bool enter(InFlightEntry& entry);
  /// On the thread that entered, if that is an I/O thread; else on any.
  void leave(InFlightEntry& entry);

  /// Takes an entry back that still waits. True: it is never granted. False: it
  /// has entered, and `granted` may still be on its way.
  bool withdraw(InFlightEntry& entry);

  /// Of an entry that has entered and that nobody speaks for any more: a change from
  /// now on excludes all that overlaps, reads too, until it leaves; a read excludes
  /// hardly anything. On the thread that entered. What entered before is not affected.
  void give_up(InFlightEntry& entry);

  /// Enters and waits, for `limit` at most (max(): for ever). False: it has not
  /// entered. Control threads only.
  bool enter_within(InFlightEntry& entry, std::chrono::milliseconds limit);

 private:
  static constexpr std::uint16_t kFastSlots = 128;
  static constexpr std::uint64_t kFree = std::numeric_limits<std::uint64_t>::max();
  struct FastSlot {
    std::atomic<std::uint64_t> begin{kFree};
    std::atomic<std::uint64_t> end_and_read{0};  // end * 2 + (read ? 1 : 0)
  };
  struct alignas(64) Shard {
    Shard();
    std::array<FastSlot, kFastSlots> slots;
    std::array<std::uint16_t, kFastSlots> free;  // the owning thread's
    std::uint16_t free_count = kFastSlots;
    std::array<bool, kFastSlots> fenced{};  // under mutex_
  };

  bool enter_fast(InFlightEntry& entry);
  bool enter_slow(InFlightEntry& entry);
  void move_to_held(InFlightEntry& entry);
  bool blocked(const InFlightEntry& entry) const;
  bool fast_conflict(const InFlightEntry& entry) const;
  void fence();
  /// Of fast slots whose entry has left.
  void lift_fences();
  /// Enters every waiter that nothing blocks any more; the answer, chained by
  /// also_granted, is to be notified without the lock.
  InFlightEntry* advance();
  /// Calls `granted` of each but `except`.
  static void notify(InFlightEntry* chain, const InFlightEntry* except = nullptr);

  PerThread<Shard> shards_;
  std::atomic<std::uint32_t> announced_{0};  // exclusive entries waiting or held
  mutable std::mutex mutex_;                 // guards the lists
  LinkedList<InFlightEntry> held_;           // entered while something was announced
  LinkedList<InFlightEntry> waiting_;
  std::size_t fenced_slots_ = 0;  // of fast tables; each counts as announced
};

}  // namespace caisson::object
