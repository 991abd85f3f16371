// SPDX-License-Identifier: Apache-2.0
#include "storage_object/block/delay_device.hpp"

#include "storage_object/block/resume_later.hpp"

namespace caisson::block {

void DelayDevice::set(const Delays& delays) noexcept {
  read_.store(delays.read.count(), std::memory_order_relaxed);
  write_.store(delays.write.count(), std::memory_order_relaxed);
  flush_.store(delays.flush.count(), std::memory_order_relaxed);
}

const std::atomic<DelayDevice::Nanoseconds>* DelayDevice::delay_of(IoOp op) const noexcept {
  if (changes_data(op)) return &write_;
  return op == IoOp::flush ? &flush_ : &read_;
}

void DelayDevice::submit(IoRequest& request) {
  auto delay = delay_of(request.op)->load(std::memory_order_relaxed);
  if (delay <= 0) return below_.submit(request);
  resume_at(
      std::chrono::steady_clock::now() + std::chrono::nanoseconds(delay),
      [](void* device, IoRequest& due) { static_cast<DelayDevice*>(device)->below_.submit(due); },
      this, request);
}

}  // namespace caisson::block
