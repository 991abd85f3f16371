// SPDX-License-Identifier: Apache-2.0
// What the background of a disk sees of its hosts.
#include "snapshot/chain/background_pace.hpp"

#include <gtest/gtest.h>

#include <array>

#include "storage_object/block/fault_device.hpp"
#include "tests/support/chain_world.hpp"
#include "tests/support/memory_object.hpp"
#include "tests/support/test_clock.hpp"

namespace caisson::tests {
namespace {

using namespace std::chrono_literals;
using block::IoOp;
using block::IoRequest;
using snapshot::BackgroundPace;
using snapshot::HostMeter;

/// A read or flush that a test follows.
struct Sent {
  explicit Sent(IoOp op = IoOp::flush) {
    request.op = op;
    request.owner = this;
    request.complete = [](IoRequest& done) noexcept { ++static_cast<Sent*>(done.owner)->ended; };
    if (op != IoOp::read) return;
    request.length = data.size();
    request.buffers = {&memory, 1};
  }

  std::array<std::byte, 512> data{};
  IoVec memory{data.data(), data.size()};
  IoRequest request;
  int ended = 0;
};

class MeterTest : public ::testing::Test {
 protected:
  void submit(Sent& sent) { meter_.submit(below_, sent.request); }
  void hang(Error error = {}) { plan_.add({.error = error, .hang = true}); }
  void step(std::chrono::milliseconds time) {
    meter_.begin_step();
    clock_.pass(time);
    EXPECT_EQ(meter_.end_step(), time);
  }

  TestClock clock_;
  MemoryObject memory_;
  block::FaultPlan plan_;
  block::FaultDevice below_{memory_, plan_};
  HostMeter meter_{clock_};
};

TEST_F(MeterTest, OneBetweenStepsIsAlone) {
  step(5ms);
  clock_.pass(5ms);
  hang();
  Sent sent;
  submit(sent);
  clock_.pass(2ms);
  plan_.release();
  step(5ms);
  EXPECT_EQ(sent.ended, 1);
  auto seen = meter_.take();
  EXPECT_EQ(seen.alone.count(), 1U);
  EXPECT_EQ(seen.others.count(), 0U);
  EXPECT_NEAR(seen.alone.quantile(0.5) / 1.0ms, 2, 0.25);
  seen = meter_.take();
  EXPECT_EQ(seen.alone.count() + seen.others.count(), 0U);
}

TEST_F(MeterTest, OneThatAnyStepOverlapsIsNot) {
  hang();
  Sent around;
  submit(around);
  step(1ms);
  plan_.release();
  EXPECT_EQ(meter_.take().others.count(), 1U);

  clock_.pass(1s);
  hang();
  Sent into;
  submit(into);
  meter_.begin_step();
  plan_.release();
  Sent within;
  submit(within);
  hang();
  Sent out_of;
  submit(out_of);
  (void)meter_.end_step();
  plan_.release();
  auto seen = meter_.take();
  EXPECT_EQ(seen.others.count(), 3U);
  EXPECT_EQ(seen.alone.count(), 0U);
}

TEST_F(MeterTest, OneSoonAfterAStepIsNotAloneEither) {
  step(10ms);
  clock_.pass(9ms);
  Sent soon;
  submit(soon);
  clock_.pass(1ms);
  Sent later;
  submit(later);
  auto seen = meter_.take();
  EXPECT_EQ(seen.others.count(), 1U);
  EXPECT_EQ(seen.alone.count(), 1U);
}

TEST_F(MeterTest, HandsOnWhatBecameOfIt) {
  Error denied = block::BlockErrc::medium_error;
  hang(denied);
  Sent bad(IoOp::read);
  submit(bad);
  EXPECT_EQ(bad.request.owner, &bad);  // by which its sender finds it while it is under way
  EXPECT_EQ(bad.ended, 0);
  plan_.release();
  EXPECT_EQ(bad.ended, 1);
  EXPECT_EQ(bad.request.error, denied);

  Sent status(IoOp::status);
  std::array<block::StatusExtent, 4> room;
  status.request.length = 4096;
  status.request.status = room;
  submit(status);
  EXPECT_EQ(status.request.error, Error());
  EXPECT_GE(status.request.status_count, 1U);
  EXPECT_EQ(meter_.take().alone.count(), 2U);
}

class BackgroundPaceTest : public ::testing::Test {
 protected:
  /// Whether what reaches the disk below is the request itself.
  bool goes_straight(block::Priority priority = block::Priority::host) {
    Sent sent(IoOp::read);
    sent.request.context.priority = priority;
    const IoRequest* seen = nullptr;
    hook_.before_read = [&](const IoRequest& request) { seen = &request; };
    pace_.submit(hook_, sent.request);
    EXPECT_EQ(sent.ended, 1);
    return seen == &sent.request;
  }
  std::chrono::nanoseconds rest_after(std::chrono::milliseconds step, unsigned weight) {
    EXPECT_EQ(pace_.step([&] {
      clock_.pass(step);
      return 7;
    }),
              7);
    return pace_.due(weight) - clock_.last();
  }

  TestClock clock_;
  MemoryObject memory_;
  HookDevice hook_{memory_};
  BackgroundPace pace_{clock_, Uuid()};
};

TEST_F(BackgroundPaceTest, OnlyHostsBesideBackgroundWorkAreTimed) {
  EXPECT_TRUE(goes_straight());
  pace_.watch(true);
  EXPECT_FALSE(goes_straight());
  EXPECT_TRUE(goes_straight(block::Priority::background));
  pace_.watch(false);
  EXPECT_TRUE(goes_straight());
}

TEST_F(BackgroundPaceTest, RestsOnlyWhileHostsAreAtWork) {
  pace_.note_host();  // before there was any background work
  pace_.watch(true);
  EXPECT_EQ(rest_after(2ms, 3), 0ms);
  pace_.note_host();
  EXPECT_EQ(rest_after(2ms, 3), 64ms);  // cautiously at first
  pace_.note_host();
  EXPECT_EQ(rest_after(2ms, 0), 0ms);
  EXPECT_EQ(rest_after(2ms, 40), 80ms);  // a host that asks now and then is at work
  clock_.pass(100ms);
  EXPECT_EQ(rest_after(2ms, 10), 0ms);
}

/// The chain itself, whose steps take a moment of the clock and whose hosts wait for some.
class ChainPaceTest : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr std::uint64_t kUnit = 65536;

  void SetUp() override {
    SimOptions options;
    options.traits.clone = GetParam();
    store_ = std::make_unique<SimStore>(options);
    world_.clock = &clock_;
    world_.make_container(*store_, 32 * kUnit);
    world_.begin(*store_);
    slow_ = std::make_unique<snapshot::CaptureDevice>(
        std::make_unique<block::FaultDevice>(*world_.hook, plan_), world_.chain);
    std::vector<std::byte> data(kUnit, std::byte{'a'});
    for (int i = 0; i < kSnapshots; ++i) {
      ASSERT_EQ(world_.write(0, data), Error());
      newest_ = world_.cut("n" + std::to_string(i)).value();
    }
    clock_.take_for_a_look(100us);
  }
  void TearDown() override { slow_.reset(); }

  /// A step, with hosts' reads before it, and some that wait until it has ended.
  std::chrono::nanoseconds rest(int fast, int slow) {
    for (int i = 0; i < fast; ++i) {
      Sent sent(IoOp::read);
      slow_->submit(sent.request);
    }
    std::vector<std::unique_ptr<Sent>> waiting;
    for (int i = 0; i < slow; ++i) {
      plan_.add({.hang = true});
      waiting.push_back(std::make_unique<Sent>(IoOp::read));
      slow_->submit(waiting.back()->request);
    }
    EXPECT_TRUE(world_.pacer.run_one());
    auto name = "n" + std::to_string(kSnapshots - 1);
    EXPECT_TRUE(world_.chain->rename(newest_, name).has_value());  // behind it on the lane
    auto rest = world_.pacer.due() - clock_.last();
    clock_.pass(20ms);
    plan_.release();
    return rest;
  }

  static constexpr int kSnapshots = 60;
  TestClock clock_;
  std::unique_ptr<SimStore> store_;
  ChainWorld world_;
  block::FaultPlan plan_;
  std::unique_ptr<snapshot::CaptureDevice> slow_;
  Uuid newest_;
};
INSTANTIATE_TEST_SUITE_P(Stores, ChainPaceTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "sharing" : "copying"; });

TEST_P(ChainPaceTest, RestsLongerWhereItSlowsHostsDown) {
  EXPECT_EQ(rest(100, 0), 3200us);
  auto longest = 0ns;
  for (int i = 0; i < 20; ++i) longest = std::max(longest, rest(100, 10));
  EXPECT_GE(longest, 12800us);
  auto last = longest;
  for (int i = 0; i < 30; ++i) last = rest(1000, 0);
  EXPECT_LT(last, longest / 2);
  EXPECT_GE(last, 300us);
}

}  // namespace
}  // namespace caisson::tests
