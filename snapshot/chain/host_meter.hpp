// SPDX-License-Identifier: Apache-2.0
// How long hosts' requests take, beside steps of background work and without them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "snapshot/chain/host_pace.hpp"
#include "storage_object/base/clock.hpp"
#include "storage_object/block/block_device.hpp"

namespace caisson::snapshot {

/// A request is alone if it began and ended while no step ran, and began no sooner after
/// the last one than that had taken: what a step leaves behind (a queue, a journal to be
/// written) is its doing too.
class HostMeter {
 public:
  explicit HostMeter(const Clock& clock) : clock_(clock) {}

  /// Hands it on to `below` and notes how long it takes. Any thread, by the rules of
  /// BlockDevice. Both live until it has ended.
  void submit(block::BlockDevice& below, block::IoRequest& request);

  // One step at a time, on one thread at a time.

  void begin_step() noexcept;
  /// How long it took.
  HostPace::Duration end_step() noexcept;
  /// What has ended since the last call.
  HostLatencies take() noexcept;

 private:
  struct Timed;
  using Counts = std::array<std::atomic<std::uint32_t>, LatencyHistogram::kBuckets>;

  static void on_complete(block::IoRequest& child) noexcept;
  void note(const Timed& timed) noexcept;
  static LatencyHistogram take(Counts& counts) noexcept;

  const Clock& clock_;
  std::atomic<std::uint64_t> steps_{0};    ///< odd: one is under way
  std::atomic<Clock::Monotonic> quiet_{};  ///< from then on there is nothing left of the last
  Clock::Monotonic began_{};               ///< the step
  Counts alone_{}, others_{};
};

}  // namespace caisson::snapshot
