// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>
#include <thread>
#include <vector>

namespace caisson::bench {
namespace {

constexpr std::uint64_t kCapacity = 1 << 20;
constexpr std::size_t kEnough = 2000;  // requests, to speak of shares

/// Completes requests one by one, in the order in which they were started.
class RecordingTarget final : public Target {
 public:
  std::uint64_t capacity() const override { return kCapacity; }

  void start(Slot& slot) override {
    seen.push_back(slot);
    waiting_.push_back(&slot);
    deepest = std::max(deepest, waiting_.size());
  }

  void wait_until(std::vector<Slot*>& completed,
                  std::chrono::steady_clock::time_point until) override {
    if (!waiting_.empty() && !stalled) wait(completed);
    while (completed.empty() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  }

  void wait(std::vector<Slot*>& completed) override {
    ASSERT_FALSE(waiting_.empty()) << "waits for a request that nobody started";
    completed.push_back(waiting_.front());
    waiting_.pop_front();
  }

  bool idle() const { return waiting_.empty(); }

  std::vector<Slot> seen;
  std::size_t deepest = 0;
  bool stalled = false;  ///< answers only who waits without a limit

 private:
  std::deque<Slot*> waiting_;
};

Load load_of(const char* pattern) {
  Load load;
  load.pattern = find_pattern(pattern).value();
  load.warm_up = std::chrono::milliseconds(1);
  load.length = std::chrono::milliseconds(5);
  return load;
}

TEST(LoadTest, KnowsItsPatternsAndNoOther) {
  for (const char* name : {"randread", "randwrite", "rw70", "seqread", "seqwrite"})
    EXPECT_TRUE(find_pattern(name)) << name;
  EXPECT_FALSE(find_pattern("rw50"));
}

TEST(LoadTest, KeepsTheQueueAsDeepAsAskedAndEndsIdle) {
  RecordingTarget target;
  auto load = load_of("randread");
  load.depth = 32;
  const auto measured = run(target, load);
  EXPECT_EQ(target.deepest, 32);
  EXPECT_TRUE(target.idle());
  EXPECT_GT(measured.requests, 0);
  EXPECT_LE(measured.p50_us, measured.p99_us);
  EXPECT_LE(measured.p99_us, measured.longest_us);
}

TEST(LoadTest, RandomRequestsStayInTheRegionOnWholeBlocks) {
  RecordingTarget target;
  auto load = load_of("randwrite");
  load.region_start = 64 << 10;
  load.region = 32 << 10;
  for (; target.seen.size() < kEnough; ++load.seed) run(target, load);
  std::set<std::uint64_t> offsets;
  for (const auto& slot : target.seen) {
    EXPECT_TRUE(slot.write);
    EXPECT_EQ(slot.buffer.size(), load.block);
    offsets.insert(slot.offset);
  }
  EXPECT_EQ(offsets,
            (std::set<std::uint64_t>{65536, 69632, 73728, 77824, 81920, 86016, 90112, 94208}));
}

TEST(LoadTest, SequentialRequestsFollowEachOtherAndWrapAround) {
  RecordingTarget target;
  auto load = load_of("seqread");
  load.block = 512 << 10;
  do {  // a run that a busy machine cut short starts anew
    target.seen.clear();
    run(target, load);
  } while (target.seen.size() <= kCapacity / load.block);
  for (std::size_t i = 0; i < target.seen.size(); ++i) {
    ASSERT_EQ(target.seen[i].offset, i * load.block % kCapacity);
    ASSERT_FALSE(target.seen[i].write);
  }
}

TEST(LoadTest, SevenOfTenRequestsAreReads) {
  RecordingTarget target;
  auto load = load_of("rw70");
  for (; target.seen.size() < kEnough; ++load.seed) run(target, load);
  const auto reads = std::ranges::count(target.seen, false, &Slot::write);
  EXPECT_NEAR(static_cast<double>(reads) / static_cast<double>(target.seen.size()), 0.7, 0.05);
}

TEST(LoadTest, AtARateRequestsAreDueEvenlyHoweverLateTheyAreSent) {
  RecordingTarget target;
  auto load = load_of("randwrite");
  load.depth = 4;
  load.rate = 1000;
  load.length = std::chrono::hours(1);
  load.requests = 20;
  run(target, load);
  ASSERT_GT(target.seen.size(), 2);
  for (std::size_t i = 1; i < target.seen.size(); ++i)
    ASSERT_EQ(target.seen[i].started - target.seen[i - 1].started, std::chrono::milliseconds(1));
  EXPECT_TRUE(target.idle());
}

TEST(LoadTest, AtARateAStallIsWaitedForByAllThatWereDue) {
  RecordingTarget target;
  target.stalled = true;  // until all four are under way and so the queue is full
  auto load = load_of("randwrite");
  load.depth = 4;
  load.rate = 1000;
  load.warm_up = std::chrono::milliseconds(0);
  load.length = std::chrono::hours(1);  // it ends with the first answer
  load.requests = 1;
  EXPECT_GE(run(target, load).longest_us, 3000) << "the first, while three more became due";
}

TEST(LoadTest, EndsSoonerAfterAsManyRequestsAsAskedFor) {
  RecordingTarget target;
  auto load = load_of("seqwrite");
  load.warm_up = std::chrono::seconds(0);
  load.length = std::chrono::hours(1);
  load.requests = 100;
  EXPECT_EQ(run(target, load).requests, 100);
}

TEST(LoadTest, WritesAreDurableWhenAskedFor) {
  RecordingTarget target;
  auto load = load_of("rw70");
  load.durable = true;
  for (; target.seen.size() < kEnough; ++load.seed) run(target, load);
  for (const auto& slot : target.seen) ASSERT_EQ(slot.durable, slot.write);
}

TEST(LoadTest, RefusesARegionSmallerThanARequest) {
  RecordingTarget target;
  auto load = load_of("seqwrite");
  load.block = 2 << 20;
  EXPECT_THROW(run(target, load), TargetError);
}

}  // namespace
}  // namespace caisson::bench
