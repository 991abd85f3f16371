// SPDX-License-Identifier: Apache-2.0
// A rate limit that threads share without a lock.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace caisson::block {

/// A token bucket, kept as the moment at which it would be full again (the
/// generic cell rate algorithm): one atomic, one compare-and-swap an admission.
/// Thread-safe; set_rate() may run beside the rest.
class TokenBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `rate` tokens a second, 0 for no limit; a full bucket holds what `burst`
  /// of time brings. Requests larger than the
  /// bucket pass when it is out of debt, and are paid off afterwards.
  void set_rate(std::uint64_t rate, std::chrono::nanoseconds burst) noexcept;
  bool limited() const noexcept { return rate_.load(std::memory_order_relaxed) != 0; }

  /// Takes tokens, on credit if need be; returns when they are there (`now` or
  /// before: at once).
  Time reserve(std::uint64_t tokens, Time now) noexcept;

  /// The moment at which the bucket is out of debt; past if it is.
  Time ready() const noexcept;

 private:
  using Nanoseconds = std::int64_t;
  Nanoseconds cost(std::uint64_t tokens) const noexcept;

  std::atomic<std::uint64_t> rate_ = 0;
  std::atomic<Nanoseconds> burst_ = 0;
  std::atomic<Nanoseconds> full_at_ = 0;  ///< since the clock's epoch
};

}  // namespace caisson::block
