// SPDX-License-Identifier: Apache-2.0
// How long background work rests, of latencies that are made up.
#include "snapshot/chain/host_pace.hpp"

#include <gtest/gtest.h>

#include <random>

namespace caisson::snapshot {
namespace {

using namespace std::chrono_literals;
using Duration = HostPace::Duration;

class HostPaceTest : public ::testing::Test {
 protected:
  HostPaceTest() { pace_.begin(now_); }

  /// Latencies as disks have them, around `median`, with a long tail.
  void some(LatencyHistogram& into, int count, Duration median) {
    std::lognormal_distribution<double> factor(0, 0.5);
    for (int i = 0; i < count; ++i)
      into.add(LatencyHistogram::bucket_of(Duration(
          static_cast<Duration::rep>(static_cast<double>(median.count()) * factor(random_)))));
  }
  /// 100 ms of 2,000 requests a second, a quarter of them beside steps.
  void tenth(Duration alone, Duration beside, int requests = 200) {
    HostLatencies ended;
    some(ended.alone, requests * 3 / 4, alone);
    some(ended.others, requests / 4, beside);
    note(ended);
  }
  void note(const HostLatencies& ended, std::chrono::milliseconds time = 100ms) {
    now_ += time;
    pace_.note(now_, ended, weight_);
  }
  void tenths(int count, Duration alone, Duration beside) {
    for (int i = 0; i < count; ++i) tenth(alone, beside);
  }
  double times() const { return pace_.times(weight_); }

  HostPace::Time now_{1h};
  std::mt19937 random_{1};
  unsigned weight_ = 3;
  HostPace pace_;
};

TEST_F(HostPaceTest, RestsLongerWhileHostsAreSlowerBesideIt) {
  tenths(20, 1ms, 5ms);
  EXPECT_GT(times(), 30);
  EXPECT_NEAR(pace_.all_p99() / 1.0ms, 12, 4);
  EXPECT_NEAR(pace_.alone_p99() / 1.0ms, 3.2, 1);
}

TEST_F(HostPaceTest, AlarmsWithinATenthOfASecond) {
  tenth(1ms, 1ms);
  tenth(1ms, 50ms);
  EXPECT_EQ(times(), 6);
}

TEST_F(HostPaceTest, AFewThatAreMuchSlowerAreEnough) {
  for (int i = 0; i < 100; ++i) {
    HostLatencies ended;
    some(ended.alone, 195, 1ms);
    some(ended.others, 5, 30ms);  // 2.5 %
    note(ended);
  }
  EXPECT_GT(times(), 30);
}

TEST_F(HostPaceTest, RestsNoLongerThanItMustWhereItIsHarmless) {
  tenths(20, 1ms, 50ms);
  ASSERT_GT(times(), 30);
  tenths(300, 1ms, 1ms);
  EXPECT_LT(times(), 2 * weight_);
}

TEST_F(HostPaceTest, StaysBetweenItsBounds) {
  tenths(300, 1ms, 50ms);
  EXPECT_EQ(times(), HostPace::kMostTimes);
  EXPECT_EQ(pace_.rest(1ms, true, weight_), 512ms);
  EXPECT_EQ(pace_.rest(100ms, true, weight_), 1s);
  EXPECT_EQ(pace_.rest(500ms, true, weight_), 1500ms);  // never less than what was asked for
  weight_ = 100;
  EXPECT_EQ(pace_.rest(1ms, true, weight_), 512ms);
}

/// Requests beside steps, of which there are the fewer the longer the rests, are slowed
/// down, by more or less.
TEST_F(HostPaceTest, UsesUpWhatIsToleratedAndNotMore) {
  for (double hit : {0.15, 1.0})
    for (int slower : {3, 20}) {
      pace_ = HostPace();
      pace_.begin(now_);
      LatencyHistogram alone, all;
      for (int i = 0; i < 2000; ++i) {
        std::binomial_distribution<int> beside(200, 1 / (1 + times())),
            slowed(beside(random_), hit);
        HostLatencies ended;
        auto slow = slowed(random_);
        some(ended.others, slow, slower * 1ms);
        some(ended.alone, 200 - slow, 1ms);
        note(ended);
        if (i < 500) continue;
        alone.add(ended.alone);
        for (const auto& part : {ended.alone, ended.others}) all.add(part);
      }
      auto ratio = all.quantile(0.99) / (1.0 * alone.quantile(0.99));
      EXPECT_LT(ratio, 1.08) << hit << " " << slower;
      EXPECT_GT(ratio, 1.02) << hit << " " << slower;
    }
}

TEST_F(HostPaceTest, TheWeightSetsTheLeastRest) {
  for (unsigned weight : {1U, 3U, 10U, 100U}) {
    EXPECT_EQ(HostPace().rest(2ms, true, weight), 2ms * weight);
    EXPECT_EQ(HostPace().rest(2ms, false, weight), 0ms);
  }
}

TEST_F(HostPaceTest, TheWeightSetsWhatIsTolerated) {
  for (unsigned weight : {1U, 3U}) {
    weight_ = weight;
    pace_ = HostPace();
    pace_.begin(now_);
    for (int i = 0; i < 200; ++i) {
      HostLatencies ended;
      some(ended.alone, 2000, 1ms);
      some(ended.others, 2000, 1150us);
      note(ended);
    }
    EXPECT_EQ(times() > 30, weight == 3) << times();
  }
}

TEST_F(HostPaceTest, ZeroNeverRestsAndLearnsNothing) {
  weight_ = 0;
  tenths(20, 1ms, 50ms);
  EXPECT_EQ(pace_.rest(1s, true, 0), 0s);
  EXPECT_EQ(pace_.times(3), 3);
}

TEST_F(HostPaceTest, IdleHostsChangeNothing) {
  tenths(20, 1ms, 50ms);
  auto before = times();
  for (int i = 0; i < 100; ++i) note({});
  EXPECT_EQ(times(), before);
  EXPECT_EQ(pace_.rest(1ms, false, weight_), 0ms);
  tenth(1ms, 1ms);  // they begin again: it goes on from there
  EXPECT_EQ(times(), before);
}

TEST_F(HostPaceTest, RestsUntilItHasSomethingToCompareWith) {
  for (bool had_once : {false, true}) {
    if (had_once) tenths(300, 1ms, 1ms);
    auto before = times();
    for (int i = 0; i < 5; ++i) {
      HostLatencies ended;
      some(ended.others, 2000, 1ms);
      note(ended);
    }
    EXPECT_GE(times(), 16 * before);  // doubled each time, but for what was counted before
  }
}

TEST_F(HostPaceTest, AFewRequestsAreNoReference) {
  for (int i = 0; i < 9; ++i) {
    HostLatencies ended;
    some(ended.alone, 10, 1ms);
    some(ended.others, 10, 50ms);
    note(ended);
  }
  EXPECT_EQ(times(), 3);
}

TEST_F(HostPaceTest, HostsWithMoreToDoAreNoWorsening) {
  tenths(20, 1ms, 1ms);
  tenths(300, 5ms, 5ms);
  EXPECT_LT(times(), 2 * weight_);
}

TEST_F(HostPaceTest, ForgetsHowSlowTheyWereOnce) {
  tenths(300, 5ms, 5ms);
  tenths(150, 1ms, 5ms);
  EXPECT_GT(times(), 30);
}

TEST_F(HostPaceTest, SlowHostsAreJudgedTooInTime) {
  for (int i = 0; i < 600; ++i) tenth(1ms, 1ms, 4);
  EXPECT_LT(times(), 2 * weight_);
  for (int i = 0; i < 600; ++i) tenth(1ms, 50ms, 4);
  EXPECT_GT(times(), 100);
  for (int i = 0; i < 600; ++i) tenth(1ms, 1ms, 4);
  EXPECT_LT(times(), 30);
}

}  // namespace
}  // namespace caisson::snapshot
