// SPDX-License-Identifier: Apache-2.0
// A failed writeback is reported once per open file: of two flushes that run
// beside each other only one hears of it. So the good answer of a flush (or of
// a durable write) counts only when every one that ran beside it has answered,
// and one bad answer spoils all of them and all that follow.
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

    // The gate's own.
    std::uint64_t number = 0;
    Ticket* prev = nullptr;
    Ticket* next = nullptr;
  };
  enum class Answer : std::uint8_t { good, bad, later };

  /// Before the operation is handed down.
  void begin(Ticket& ticket);
  /// It has ended. `later`: ticket.verdict is called, on whichever thread ends
  /// the wait. `spoiled`: the operation failed in a way that leaves unknown what
  /// is durable. The answer to a spoiled one is always bad.
  Answer end(Ticket& ticket, bool spoiled);
  /// An administrator accepted the loss.
  void reopen();
  /// From now on every answer is bad.
  void spoil();

 private:
  Ticket* take_released();

  std::mutex mutex_;
  std::uint64_t last_number_ = 0;
  bool spoiled_ = false;
  LinkedList<Ticket> running_;  // by number
  LinkedList<Ticket> waiting_;  // done; `number` is then the last that ran beside it
};

}  // namespace caisson::object
