// SPDX-License-Identifier: Apache-2.0
// The engine on io_uring: one ring per I/O thread, its completions delivered
// only when that thread asks (DEFER_TASKRUN), its event descriptor signalled
// only while nobody is reaping. Cached reads go through the ring too: the kernel
// completes them during the submission, which measured no dearer than trying
// RWF_NOWAIT first (bench_posix_io_paths).
#pragma once

#include <liburing.h>

#include "storage_object/posix/workers.hpp"
#include "storage_object/posix/writers.hpp"

namespace caisson::posix {

class UringEngine final : public FileEngine {
 public:
  /// Throws std::system_error when the kernel refuses a ring of any kind, or a thread.
  explicit UringEngine(const ThreadStart& start = start_thread);
  ~UringEngine() override;  ///< in_flight() must be 0

  std::size_t submit_and_reap() override;
  int event_descriptor() const noexcept override { return event_.number(); }
  std::size_t in_flight() const noexcept override { return in_flight_; }
  const char* name() const noexcept override { return "io_uring"; }
  void enqueue(Operation& operation) override;

 private:
  void open_ring();
  void fill();
  void enter();
  std::size_t reap();
  void collect_from_workers();
  void settle(Operation& operation, int result);
  bool kernel_has_news() const noexcept;

  static constexpr unsigned kSubmissionEntries = 256;
  static constexpr unsigned kCompletionEntries = 4096;
  static constexpr unsigned kWorkers = 2;

  EventDescriptor event_;
  io_uring ring_{};
  OperationQueue queued_;     // not yet seen by the kernel
  OperationQueue blocking_;   // what the ring has no operation for
  OperationQueue completed_;  // settled, to be completed
  unsigned on_ring_ = 0;
  unsigned on_workers_ = 0;  // including those still in blocking_
  std::size_t in_flight_ = 0;
  bool reaping_ = false;
  Workers workers_;  // these last: their threads use the rest
  Writers writers_;
};

}  // namespace caisson::posix
