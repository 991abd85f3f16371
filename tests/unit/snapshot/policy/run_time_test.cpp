// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/run_time.hpp"

#include <gtest/gtest.h>

#include <random>

namespace caisson::snapshot {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

const Clock::Monotonic kBoot{1000s};

TEST(RunTime, CountsWholeSecondsAndLosesNoParts) {
  RunTimeCounter counter(100s, kBoot);
  EXPECT_EQ(counter.advance(kBoot + 999ms), 100s);
  for (int i = 2; i <= 4000; ++i) counter.advance(kBoot + i * 999ms);
  EXPECT_EQ(counter.value(), 100s + 3996s);  // 4000 × 0.999 s
}

TEST(RunTime, ATimeBeforeTheLastOneCountsNothing) {
  RunTimeCounter counter(0s, kBoot);
  EXPECT_EQ(counter.advance(kBoot + 10s), 10s);
  EXPECT_EQ(counter.advance(kBoot), 10s);
  EXPECT_EQ(counter.advance(kBoot + 10s), 10s);
  EXPECT_EQ(counter.advance(kBoot + 11s), 11s);
}

TEST(RunTime, ACrashLosesWhatWasNotSaved) {
  RunTimeCounter counter(0s, kBoot);
  counter.saved(counter.advance(kBoot + 60s));
  counter.advance(kBoot + 100s);
  EXPECT_EQ(counter.unsaved(), 40s);
  // the machine's own monotonic clock begins anew
  RunTimeCounter next(60s, Clock::Monotonic(5s));
  EXPECT_EQ(next.unsaved(), 0s);
  EXPECT_EQ(next.advance(Clock::Monotonic(6s)), 61s);
}

TEST(RunTime, NonsenseMakesLocksLongerNeverShorter) {
  RunTimeCounter negative(-5s, kBoot);
  EXPECT_EQ(negative.value(), 0s);
  RunTimeCounter full(seconds::max() - 1s, kBoot);
  EXPECT_EQ(full.advance(kBoot + 100s), seconds::max());
  EXPECT_EQ(full.advance(kBoot + 200s), seconds::max());
  RunTimeCounter counter(10s, kBoot);
  counter.saved(1000s);  // more than there is
  EXPECT_EQ(counter.unsaved(), 0s);
  counter.saved(0s);  // a save that was overtaken
  EXPECT_EQ(counter.unsaved(), 0s);
}

TEST(RunTime, OverManyLivesItIsTheSumOfThemLessWhatCrashesLost) {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    seconds durable(0), ran(0), lost(0);
    for (int life = 0; life < 20; ++life) {
      auto now = Clock::Monotonic(seconds(random() % 1000000));
      RunTimeCounter counter(durable, now);
      for (int i = 0; i < 50; ++i) {
        const auto before = counter.value();
        const seconds step(random() % 30);
        ran += step;
        ASSERT_EQ(counter.advance(now += step), before + step);
        if (counter.unsaved() >= 60s) {
          durable = counter.value();
          counter.saved(durable);
        }
      }
      ASSERT_LT(counter.unsaved(), 60s);
      lost += counter.unsaved();
    }
    ASSERT_EQ(durable, ran - lost);
  }
}

TEST(SnapshotLocks, EndWhenTheCounterHasComeThere) {
  const auto lock = SnapshotLock::lasting(100s, 50s);
  EXPECT_TRUE(lock.holds(0s));
  EXPECT_TRUE(lock.holds(149s));
  EXPECT_EQ(lock.remaining(149s), 1s);
  EXPECT_FALSE(lock.holds(150s));
  EXPECT_EQ(lock.remaining(150s), 0s);
  EXPECT_EQ(lock.remaining(1000s), 0s);
  EXPECT_FALSE(SnapshotLock().holds(0s));
}

TEST(SnapshotLocks, TooLongIsTheLongest) {
  const auto lock = SnapshotLock::lasting(100s, seconds::max());
  EXPECT_EQ(lock.until, seconds::max());
  EXPECT_FALSE(SnapshotLock::lasting(100s, -50s).holds(100s));
}

TEST(SnapshotLocks, SayWhatIsLeft) {
  const auto lock = SnapshotLock::lasting(0s, std::chrono::days(7));
  EXPECT_EQ(lock.describe(1s), "6d 23h of run time left");
  EXPECT_EQ(lock.describe(std::chrono::days(7) - 1s), "1s of run time left");
  EXPECT_EQ(lock.describe(std::chrono::days(7)), "ended");
}

}  // namespace
}  // namespace caisson::snapshot
