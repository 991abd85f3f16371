// SPDX-License-Identifier: Apache-2.0
// A disk that is slower than the one below, for tests and demonstrations.
#pragma once

#include <atomic>
#include <chrono>

#include "storage_object/block/block_device.hpp"

namespace caisson::block {

struct Delays {
  std::chrono::nanoseconds read{0};
  std::chrono::nanoseconds write{0};  ///< also unmap and write_zeroes
  std::chrono::nanoseconds flush{0};
};

/// Holds each request back before it reaches `below`; what waits has had no
/// effect. Passes straight through what has no delay. On a control thread
/// submit() blocks for the delay. `below` must outlive it.
class DelayDevice final : public BlockDevice {
 public:
  explicit DelayDevice(BlockDevice& below, const Delays& delays = {}) : below_(below) {
    set(delays);
  }

  /// From any thread; holds for requests submitted later.
  void set(const Delays& delays) noexcept;

  Geometry geometry() const noexcept override { return below_.geometry(); }
  Features features() const noexcept override { return below_.features(); }
  void submit(IoRequest& request) override;

 private:
  using Nanoseconds = std::chrono::nanoseconds::rep;
  const std::atomic<Nanoseconds>* delay_of(IoOp op) const noexcept;

  BlockDevice& below_;
  std::atomic<Nanoseconds> read_{0};
  std::atomic<Nanoseconds> write_{0};
  std::atomic<Nanoseconds> flush_{0};
};

}  // namespace caisson::block
