// SPDX-License-Identifier: Apache-2.0
// A disk with limits on requests and bytes per second.
#pragma once

#include <atomic>
#include <cstdint>

#include "storage_object/block/block_device.hpp"
#include "storage_object/block/token_bucket.hpp"

namespace caisson::block {

struct Limits {
  std::uint64_t iops = 0;                ///< requests a second; 0: no limit
  std::uint64_t bytes_per_second = 0;    ///< read and written; 0: no limit
  std::chrono::milliseconds burst{100};  ///< of unused rate that may be saved up
};

/// Holds back what exceeds the limits, before it reaches `below`. Host requests
/// take their turn in the order of arrival; background requests only what hosts
/// leave: they hold no tokens while they wait, but behind hosts that use up
/// everything one of them gets its turn each kBackgroundPatience. Passes straight
/// through while there is no limit. Lock-free. `below` must outlive it.
class ThrottleDevice final : public BlockDevice {
 public:
  static constexpr std::chrono::seconds kBackgroundPatience{2};

  explicit ThrottleDevice(BlockDevice& below, const Limits& limits = {}) : below_(below) {
    set(limits);
  }

  /// From any thread; holds for requests submitted later.
  void set(const Limits& limits) noexcept;

  Geometry geometry() const noexcept override { return below_.geometry(); }
  Features features() const noexcept override { return below_.features(); }
  void submit(IoRequest& request) override {
    limited_.load(std::memory_order_relaxed) ? admit(request) : below_.submit(request);
  }

 private:
  using Time = TokenBucket::Time;

  void admit(IoRequest& request);
  void admit_background(IoRequest& request);
  bool try_background(IoRequest& request);
  Time reserve(const IoRequest& request, Time now) noexcept;
  void pass_at(IoRequest& request, Time when, Time now);

  BlockDevice& below_;
  std::atomic<bool> limited_ = false;
  TokenBucket requests_;
  TokenBucket bytes_;
  std::atomic<std::uint32_t> background_waiting_ = 0;
  std::atomic<Time> background_turn_{};  ///< since when none of them got its turn
};

}  // namespace caisson::block
