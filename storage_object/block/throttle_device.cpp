// SPDX-License-Identifier: Apache-2.0
#include "storage_object/block/throttle_device.hpp"

#include <algorithm>
#include <thread>

#include "storage_object/block/resume_later.hpp"

namespace caisson::block {
namespace {

std::uint64_t transferred(const IoRequest& request) {
  return request.op == IoOp::read || request.op == IoOp::write ? request.length : 0;
}

}  // namespace

void ThrottleDevice::set(const Limits& limits) noexcept {
  requests_.set_rate(limits.iops, limits.burst);
  bytes_.set_rate(limits.bytes_per_second, limits.burst);
  limited_.store(requests_.limited() || bytes_.limited(), std::memory_order_relaxed);
}

ThrottleDevice::Time ThrottleDevice::reserve(const IoRequest& request, Time now) noexcept {
  return std::max(requests_.reserve(1, now), bytes_.reserve(transferred(request), now));
}

void ThrottleDevice::pass_at(IoRequest& request, Time when, Time now) {
  if (when <= now) return below_.submit(request);
  resume_at(
      when,
      [](void* device, IoRequest& due) {
        static_cast<ThrottleDevice*>(device)->below_.submit(due);
      },
      this, request);
}

void ThrottleDevice::admit(IoRequest& request) {
  auto now = std::chrono::steady_clock::now();
  if (request.context.priority == Priority::host)
    return pass_at(request, reserve(request, now), now);
  if (background_waiting_.fetch_add(1, std::memory_order_relaxed) == 0)
    background_turn_.store(now, std::memory_order_relaxed);
  admit_background(request);
}

void ThrottleDevice::admit_background(IoRequest& request) {
  while (!try_background(request)) {
    auto ready = std::max(requests_.ready(), bytes_.ready());
    if (may_wait_here()) {
      std::this_thread::sleep_until(ready);
      continue;
    }
    return resume_at(
        ready,
        [](void* device, IoRequest& due) {
          static_cast<ThrottleDevice*>(device)->admit_background(due);
        },
        this, request);
  }
}

/// Takes tokens only when hosts have left the buckets out of debt, or have left
/// background requests no turn for too long.
bool ThrottleDevice::try_background(IoRequest& request) {
  auto now = std::chrono::steady_clock::now();
  auto ready = std::max(requests_.ready(), bytes_.ready());
  auto starved = now - background_turn_.load(std::memory_order_relaxed) > kBackgroundPatience;
  if (ready > now && !starved) return false;
  background_turn_.store(now, std::memory_order_relaxed);
  background_waiting_.fetch_sub(1, std::memory_order_relaxed);
  pass_at(request, reserve(request, now), now);
  return true;
}

}  // namespace caisson::block
