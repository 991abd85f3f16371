// SPDX-License-Identifier: Apache-2.0
// The engine on io_uring: one ring per I/O thread, its completions delivered
// only when that thread asks (DEFER_TASKRUN), its event descriptor signalled
// only while nobody is reaping.
#pragma once

#include <liburing.h>

#include "storage_object/posix/workers.hpp"

namespace caisson::posix {

class UringEngine final : public FileEngine {
 public:
  /// How cached reads are served; decided by measurement, see posix_bench.
  enum class CachedReads { through_ring, inline_nowait };

  /// Throws std::system_error when the kernel refuses a ring of any kind.
  explicit UringEngine(CachedReads cached_reads = CachedReads::through_ring);
  ~UringEngine() override;  ///< in_flight() must be 0

  std::size_t submit_and_reap() override;
  int event_descriptor() const noexcept override { return event_.number(); }
  std::size_t in_flight() const noexcept override { return in_flight_; }
  const char* name() const noexcept override { return "io_uring"; }
  void enqueue(Operation& operation) override;

 private:
  void open_ring();
  std::size_t serve_cached();
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
  const CachedReads cached_reads_;
  OperationQueue queued_;     // not yet seen by the kernel
  OperationQueue blocking_;   // what the ring has no operation for
  OperationQueue completed_;  // settled, to be completed
  unsigned on_ring_ = 0;
  unsigned on_workers_ = 0;  // including those still in blocking_
  std::size_t in_flight_ = 0;
  bool reaping_ = false;
  Workers workers_{kWorkers, event_};  // last: its threads use the rest
};

}  // namespace caisson::posix
