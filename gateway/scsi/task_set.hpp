// SPDX-License-Identifier: Apache-2.0
// The task set of a logical unit (SAM-5 8): one for all nexuses (TST=000b). A
// simple task looks at three atomics that hardly ever change; only while an
// ordered or a head of queue task is open do the nexuses' threads talk to each
// other, by messages.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "gateway/scsi/task.hpp"

namespace caisson::scsi {

class LogicalUnit;
class Nexus;

/// How the tasks of other nexuses are ended by a task management function.
struct Clearing {
  std::chrono::steady_clock::time_point until;  ///< what has not ended then is abandoned
  bool task_aborted = false;  ///< answer TASK ABORTED (TAS of the unit), else nothing
  bool attention = false;     ///< COMMANDS CLEARED BY ANOTHER INITIATOR, where nothing is answered
};

/// The transport's session behind a nexus, as the other nexuses see it. Called
/// from any thread.
class NexusHost {
 public:
  /// Runs `work` on the nexus' thread, not before this returns; with nullptr
  /// when the nexus is gone.
  virtual void post(std::function<void(Nexus*)> work) = 0;
  /// Ends the open tasks of a unit. `done` is called once, soon after
  /// `clearing.until` at the latest, on any thread: from then on those tasks are
  /// not answered, and what they may still write is fenced.
  virtual void clear(std::shared_ptr<LogicalUnit> unit, Clearing clearing,
                     std::function<void()> done) = 0;

 protected:
  ~NexusHost() = default;
};

/// Thread-safe. Turns: every ordered task takes the next number. Any other task
/// belongs to the turn that was the last when it came, and is dormant until
/// that turn has ended; an ordered task is dormant until the turn before it and
/// every older task have ended (SAM-5 8.6).
class TaskSet {
 public:
  /// The turn of a task that comes now.
  std::uint64_t turn() const noexcept { return announced_.load(std::memory_order_acquire); }
  /// May a simple task of this turn run?
  bool open(std::uint64_t turn) const noexcept {
    return ended_.load(std::memory_order_acquire) >= turn &&
           heads_.load(std::memory_order_acquire) == 0;
  }

  /// A nexus' view of the unit; without a host (in tests) messages are calls.
  void attach(UnitSlot& slot, Nexus& nexus, std::weak_ptr<NexusHost> host);
  /// It has no older tasks any more as far as others are concerned.
  void detach(const UnitSlot& slot);

  /// An ordered task came, and is in its view: gives it a turn, then asks every
  /// view to say drained().
  void announce(UnitSlot& slot, Task& task);
  /// No task of an earlier turn is open in this view.
  void drained(const UnitSlot& slot, std::uint64_t turn);
  /// The ordered task of this turn has ended, whether it ran or not.
  void ended(std::uint64_t turn);

  void head_came() noexcept { heads_.fetch_add(1, std::memory_order_acq_rel); }
  void head_ended();

  /// Ends the tasks of every nexus but `from`. `done` on any thread, perhaps at once.
  void clear_elsewhere(const std::shared_ptr<LogicalUnit>& unit, const Nexus& from,
                       Clearing clearing, std::function<void()> done);
  /// Ends the tasks of these nexuses; `done` likewise.
  void clear(const std::shared_ptr<LogicalUnit>& unit, const std::vector<std::uint64_t>& nexuses,
             Clearing clearing, std::function<void()> done);

 private:
  struct Member {
    UnitSlot* slot = nullptr;
    std::uint64_t serial = 0;  ///< of the slot's mapping when it was attached
    Nexus* nexus = nullptr;
    std::weak_ptr<NexusHost> host;
    bool hosted = false;
  };
  struct Turn {
    std::uint64_t number = 0;
    Member owner;
    std::vector<const UnitSlot*> awaited;  ///< views with older tasks, or not heard of yet
    bool told = false;
    bool over = false;
  };
  using Act = void (*)(Nexus&, UnitSlot&, std::uint64_t turn);

  void clear_some(const std::shared_ptr<LogicalUnit>& unit,
                  const std::function<bool(const Nexus&)>& meant, Clearing clearing,
                  std::function<void()> done);
  static void tell(const Member& member, std::uint64_t turn, Act act);
  void tell_all(const std::vector<Member>& members, std::uint64_t turn, Act act);
  void start_next();

  std::atomic<std::uint64_t> announced_ = 0;
  std::atomic<std::uint64_t> ended_ = 0;
  std::atomic<std::uint32_t> heads_ = 0;
  std::mutex mutex_;  // guards what follows; not held while a message is sent
  std::vector<Member> members_;
  std::deque<Turn> turns_;  // ascending, those behind ended_
};

}  // namespace caisson::scsi
