// SPDX-License-Identifier: Apache-2.0
// Between the background work of one disk and its hosts: sees what these do, and says when
// the next step may be taken.
#pragma once

#include <atomic>

#include "snapshot/chain/host_meter.hpp"
#include "snapshot/chain/host_pace.hpp"
#include "storage_object/base/uuid.hpp"

namespace caisson::snapshot {

/// note_host() and submit(): any thread. The rest: one thread at a time. While there is no
/// background work a request costs one load more. The clock outlives it.
class BackgroundPace {
 public:
  using Time = Clock::Monotonic;
  using Duration = HostPace::Duration;

  static constexpr double kCautious = 32;  ///< how many times a step's length it rests at first

  BackgroundPace(const Clock& clock, const Uuid& lun) : clock_(clock), lun_(lun), meter_(clock) {}

  /// There is background work from now on, or none. Any thread.
  void watch(bool at_work) noexcept {
    if (watched_.exchange(at_work) != at_work && at_work) anew_.store(true);
  }
  bool watched() const noexcept { return watched_.load(std::memory_order_relaxed); }
  /// Somebody uses the disk: the background takes its time.
  void note_host() noexcept {
    if (watched() && !busy_.load(std::memory_order_relaxed))
      busy_.store(true, std::memory_order_relaxed);
  }
  /// Hands a request down to `below`; one of a host's is timed while there is background
  /// work. Not for what waits for a capture or the like first: no rest makes that shorter.
  void submit(block::BlockDevice& below, block::IoRequest& request) {
    if (!watched() || request.context.priority != block::Priority::host)
      return below.submit(request);
    meter_.submit(below, request);
  }

  /// Takes a step: the answer of `work`.
  template <class Work>
  auto step(Work work) {
    meter_.begin_step();
    auto done = work();
    took_ = meter_.end_step();
    return done;
  }
  /// When the next one is due, by HostPace's rule. After a step that did something.
  Time due(unsigned weight);
  Time now() const noexcept { return clock_.monotonic(); }

 private:
  void look(Time at, unsigned weight);

  const Clock& clock_;
  const Uuid lun_;
  std::atomic<bool> watched_{false};
  std::atomic<bool> busy_{false};  ///< hosts did something since the last step
  std::atomic<bool> anew_{false};  ///< it was not watched before
  HostMeter meter_;
  HostPace pace_{kCautious};
  Duration took_{0};  ///< the last step
  Time looked_{};     ///< at what the meter has
  Time busy_until_{};
};

}  // namespace caisson::snapshot
