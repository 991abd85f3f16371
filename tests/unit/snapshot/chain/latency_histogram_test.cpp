// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/latency_histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace caisson::snapshot {
namespace {

using namespace std::chrono_literals;
using Duration = LatencyHistogram::Duration;

LatencyHistogram of(const std::vector<Duration>& latencies) {
  LatencyHistogram all;
  for (auto latency : latencies) all.add(LatencyHistogram::bucket_of(latency));
  return all;
}

TEST(LatencyHistogramTest, TellsASizeToAnEighth) {
  for (Duration::rep size = 1024; size < Duration(16s).count(); size += size / 37 + 1) {
    auto told = of({Duration(size)}).quantile(0.5).count();
    EXPECT_LE(std::abs(told - size) * 8, size) << size;
  }
}

TEST(LatencyHistogramTest, BucketsAscend) {
  std::size_t last = 0;
  for (Duration::rep size = 0; size < Duration(20s).count(); size += size / 50 + 1) {
    auto bucket = LatencyHistogram::bucket_of(Duration(size));
    EXPECT_TRUE(bucket == last || bucket == last + 1) << size;
    last = bucket;
  }
  EXPECT_EQ(last, LatencyHistogram::kBuckets - 1);
  EXPECT_EQ(LatencyHistogram::bucket_of(Duration(-1)), 0U);
  EXPECT_EQ(LatencyHistogram::bucket_of(Duration::max()), LatencyHistogram::kBuckets - 1);
}

TEST(LatencyHistogramTest, QuantilesAndTailsAgree) {
  std::mt19937 random(1);
  std::lognormal_distribution<double> sizes(13, 1);
  std::vector<Duration> latencies(10000);
  for (auto& latency : latencies) latency = Duration(static_cast<Duration::rep>(sizes(random)));
  auto all = of(latencies);
  std::ranges::sort(latencies);
  for (double share : {0.5, 0.95, 0.99}) {
    auto exact = latencies[static_cast<std::size_t>(share * 10000)];
    auto told = all.quantile(share);
    EXPECT_NEAR(static_cast<double>(told.count()), static_cast<double>(exact.count()),
                static_cast<double>(exact.count()) / 8)
        << share;
    EXPECT_NEAR(all.longer_than(told), (1 - share) * 10000, 1) << share;
  }
}

TEST(LatencyHistogramTest, AddsUpAndForgets) {
  auto all = of({1ms, 1ms, 1ms, 1ms});
  all.add(of({1s, 1s}));
  EXPECT_EQ(all.count(), 6U);
  EXPECT_NEAR(all.longer_than(10ms), 2, 1e-9);
  all.halve();
  EXPECT_EQ(all.count(), 3U);
  EXPECT_NEAR(all.longer_than(10ms), 1, 1e-9);
  EXPECT_EQ(LatencyHistogram().quantile(0.99), 0ns);
  EXPECT_EQ(LatencyHistogram().longer_than(0ns), 0);
}

}  // namespace
}  // namespace caisson::snapshot
