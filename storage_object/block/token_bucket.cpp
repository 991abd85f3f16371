// SPDX-License-Identifier: Apache-2.0
#include "storage_object/block/token_bucket.hpp"

#include <algorithm>

namespace caisson::block {
namespace {

std::int64_t since_epoch(TokenBucket::Time time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

TokenBucket::Time at(std::int64_t nanoseconds) {
  return TokenBucket::Time(std::chrono::nanoseconds(nanoseconds));
}

}  // namespace

void TokenBucket::set_rate(std::uint64_t rate, std::chrono::nanoseconds burst) noexcept {
  burst_.store(burst.count(), std::memory_order_relaxed);
  full_at_.store(0, std::memory_order_relaxed);
  rate_.store(rate, std::memory_order_relaxed);
}

TokenBucket::Nanoseconds TokenBucket::cost(std::uint64_t tokens) const noexcept {
  auto rate = rate_.load(std::memory_order_relaxed);
  if (rate == 0) return 0;
  constexpr double kLongest = 3600e9;  // no single request is paid off for longer
  return static_cast<Nanoseconds>(
      std::min(kLongest, 1e9 * static_cast<double>(tokens) / static_cast<double>(rate)));
}

TokenBucket::Time TokenBucket::reserve(std::uint64_t tokens, Time now) noexcept {
  auto started = since_epoch(now);
  auto price = cost(tokens);
  auto full_at = full_at_.load(std::memory_order_relaxed);
  while (!full_at_.compare_exchange_weak(full_at, std::max(full_at, started) + price,
                                         std::memory_order_relaxed)) {
  }
  // Out of debt means: what was taken before is at most one burst ahead.
  return at(full_at - burst_.load(std::memory_order_relaxed));
}

TokenBucket::Time TokenBucket::ready() const noexcept {
  return at(full_at_.load(std::memory_order_relaxed) - burst_.load(std::memory_order_relaxed));
}

}  // namespace caisson::block
