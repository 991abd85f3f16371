// SPDX-License-Identifier: Apache-2.0
// A failed writeback is reported once per open file: of two flushes that run
// beside each other only one hears of it. So the good answer of a flush (or of
// a durable write) counts only when every one that ran beside it has answered,
// and one bad answer spoils all of them and all that follow. What ran when it came
// stays spoiled when the loss is accepted.
#pragma once

#include <cstdint>
#include <mutex>

#include "storage_object/base/linked_list.hpp"

namespace caisson::object {

class SyncGate {
 public:
  /// A durable operation; owned by the caller, unmoved from begin() until its
  /// verdict.
  struct Ticket {
    void (*verdict)(Ticket&, bool good) noexcept = nullptr;  ///< of one that had to wait
    void* owner = nullptr;

    /// After a bad answer: how many failures there had been. Before: the gate's own.
    std::uint64_t failures = 0;

    // The gate's own.
    bool bad = false;
    std::uint64_t number = 0;
    Ticket* prev = nullptr;
    Ticket* next = nullptr;
  };
  enum class Answer : std::uint8_t { good, bad, later };

  /// Before the operation is handed down.
  void begin(Ticket& ticket);
  /// The same for one that goes on after the first `known` failures: only later
  /// ones spoil it.
  void begin(Ticket& ticket, std::uint64_t known);
  /// It has ended. `later`: ticket.verdict is called, on whichever thread ends
  /// the wait. `spoiled`: the operation failed in a way that leaves unknown what
  /// is durable. The answer to a spoiled one is always bad.
  Answer end(Ticket& ticket, bool spoiled);
  /// An administrator accepted the loss of the first `failures` failures. False,
  /// without effect, if there were more.
  bool reopen(std::uint64_t failures);
  /// From now on every answer is bad. The number of this failure.
  std::uint64_t spoil();
  /// How many there have been.
  std::uint64_t failures() const;

 private:
  void enter(Ticket& ticket, std::uint64_t known, bool bad);
  bool judge(Ticket& ticket) const;
  Ticket* take_released(bool all);
  static void tell(Ticket* chain);

  mutable std::mutex mutex_;
  std::uint64_t last_number_ = 0;
  std::uint64_t failures_ = 0;
  bool spoiled_ = false;
  LinkedList<Ticket> running_;  // by number
  LinkedList<Ticket> waiting_;  // done; `number` is then the last that ran beside it
};

}  // namespace caisson::object
