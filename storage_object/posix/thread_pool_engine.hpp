// SPDX-License-Identifier: Apache-2.0
// The engine for where io_uring is forbidden: cached reads are served at once,
// the rest goes to threads that block.
#pragma once

#include "storage_object/posix/workers.hpp"

namespace caisson::posix {

class ThreadPoolEngine final : public FileEngine {
 public:
  std::size_t submit_and_reap() override;
  int event_descriptor() const noexcept override { return event_.number(); }
  std::size_t in_flight() const noexcept override { return in_flight_; }
  const char* name() const noexcept override { return "threads"; }
  void enqueue(Operation& operation) override;

 private:
  std::size_t hand_over();
  std::size_t reap();

  static constexpr unsigned kThreads = 8;
  EventDescriptor event_;
  OperationQueue queued_;
  std::size_t in_flight_ = 0;
  bool reaping_ = false;
  Workers workers_{kThreads, event_};  // last: its threads use the rest
};

}  // namespace caisson::posix
