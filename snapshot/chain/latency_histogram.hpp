// SPDX-License-Identifier: Apache-2.0
// How long many requests took, in little memory.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace caisson::snapshot {

/// Counts by size: eight buckets for each doubling from 1 us to 17 s, so that what it
/// tells of one request is wrong by an eighth at most; what is shorter or longer counts in
/// the first or the last. Within a bucket all sizes count as equally frequent.
class LatencyHistogram {
 public:
  using Duration = std::chrono::nanoseconds;
  static constexpr std::size_t kBuckets = 192;

  static std::size_t bucket_of(Duration latency) noexcept;

  void add(std::size_t bucket, std::uint32_t count = 1) noexcept {
    counts_[bucket] += count;
    total_ += count;
  }
  void add(const LatencyHistogram& other) noexcept;
  std::uint64_t count() const noexcept { return total_; }
  /// How many took longer than that: with its share of the bucket in which it lies.
  double longer_than(Duration latency) const noexcept;
  /// What a share of them, between 0 and 1, did not take longer than; 0: there are none.
  Duration quantile(double share) const noexcept;
  /// Forgets half of everything.
  void halve() noexcept;

 private:
  std::array<std::uint32_t, kBuckets> counts_{};
  std::uint64_t total_ = 0;
};

}  // namespace caisson::snapshot
