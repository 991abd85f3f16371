// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/latency_histogram.hpp"

#include <algorithm>
#include <bit>

namespace caisson::snapshot {
namespace {

constexpr unsigned kFirstBit = 10;  // 1 us
constexpr unsigned kLogOfParts = 3;
constexpr std::size_t kParts = std::size_t{1} << kLogOfParts;

/// Where a bucket begins, in nanoseconds; the last one's end is that of one more.
double begin_of(std::size_t bucket) noexcept {
  auto shift = bucket / kParts + kFirstBit - kLogOfParts;
  return static_cast<double>((kParts + bucket % kParts) << shift);
}

double length_of(std::size_t bucket) noexcept { return begin_of(bucket + 1) - begin_of(bucket); }

}  // namespace

std::size_t LatencyHistogram::bucket_of(Duration latency) noexcept {
  auto size = static_cast<std::uint64_t>(std::max<Duration::rep>(latency.count(), 0));
  if (size < std::uint64_t{1} << kFirstBit) return 0;
  auto bit = static_cast<unsigned>(std::bit_width(size)) - 1;
  auto part = (size >> (bit - kLogOfParts)) % kParts;
  return std::min<std::size_t>((bit - kFirstBit) * kParts + part, kBuckets - 1);
}

void LatencyHistogram::add(const LatencyHistogram& other) noexcept {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  total_ += other.total_;
}

double LatencyHistogram::longer_than(Duration latency) const noexcept {
  auto bucket = bucket_of(latency);
  auto within = (static_cast<double>(latency.count()) - begin_of(bucket)) / length_of(bucket);
  double longer = counts_[bucket] * (1 - std::clamp(within, 0.0, 1.0));
  for (auto i = bucket + 1; i < kBuckets; ++i) longer += counts_[i];
  return longer;
}

LatencyHistogram::Duration LatencyHistogram::quantile(double share) const noexcept {
  double left = share * static_cast<double>(total_);
  for (std::size_t i = 0; i < kBuckets; ++i) {
    if (counts_[i] == 0) continue;
    if (left <= counts_[i])
      return Duration(static_cast<Duration::rep>(begin_of(i) +
                                                 length_of(i) * std::max(left, 0.0) / counts_[i]));
    left -= counts_[i];
  }
  return total_ == 0 ? Duration(0) : Duration(static_cast<Duration::rep>(begin_of(kBuckets)));
}

void LatencyHistogram::halve() noexcept {
  total_ = 0;
  for (auto& count : counts_) total_ += count /= 2;
}

}  // namespace caisson::snapshot
