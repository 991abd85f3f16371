// SPDX-License-Identifier: Apache-2.0
#include "storage_object/block/throttle_device.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/unit/storage_object/block/on_io_thread.hpp"
#include "tests/unit/storage_object/block/recording_device.hpp"

namespace caisson::block::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

// Time as a number that the test decides.
TokenBucket::Time at(std::chrono::nanoseconds since) { return TokenBucket::Time(1000s + since); }

TEST(TokenBucket, GrantsTheBurstAtOnceAndThenTheRate) {
  TokenBucket bucket;
  bucket.set_rate(1000, 2ms);
  EXPECT_LE(bucket.reserve(1, at(0ms)), at(0ms));
  EXPECT_LE(bucket.reserve(1, at(0ms)), at(0ms));
  EXPECT_LE(bucket.reserve(1, at(0ms)), at(0ms));
  EXPECT_EQ(bucket.reserve(1, at(0ms)), at(1ms));
  EXPECT_EQ(bucket.reserve(1, at(0ms)), at(2ms));
  EXPECT_EQ(bucket.ready(), at(3ms));
}

TEST(TokenBucket, FillsUpToTheBurstOnly) {
  TokenBucket bucket;
  bucket.set_rate(1000, 1ms);
  bucket.reserve(1, at(0ms));
  auto later = at(1h);
  EXPECT_LE(bucket.reserve(1, later), later);
  EXPECT_LE(bucket.reserve(1, later), later);
  EXPECT_EQ(bucket.reserve(1, later), later + 1ms);
}

TEST(TokenBucket, AnOversizedRequestPassesAndIsPaidOff) {
  TokenBucket bucket;
  bucket.set_rate(1'000'000, 1ms);
  EXPECT_LE(bucket.reserve(5'000'000, at(0ms)), at(0ms));
  EXPECT_EQ(bucket.reserve(1, at(0ms)), at(5s - 1ms));
}

TEST(TokenBucket, WithoutARateEverythingPasses) {
  TokenBucket bucket;
  EXPECT_FALSE(bucket.limited());
  for (int i = 0; i < 1000; ++i) EXPECT_LE(bucket.reserve(~0ULL, at(0ms)), at(0ms));
}

TEST(ThrottleDevice, PassesEverythingWithoutLimits) {
  RecordingDevice below;
  ThrottleDevice device(below);
  auto request = request_of(IoOp::read, 3);
  EXPECT_FALSE(perform(device, request));
  EXPECT_THAT(below.arrived(), ElementsAre(3));
  EXPECT_EQ(device.geometry().capacity, below.geometry().capacity);
  EXPECT_TRUE(device.features().unmap);
}

TEST(ThrottleDevice, KeepsTheOrderOfHostsAndTheirThread) {
  RecordingDevice below;
  ThrottleDevice device(below, {.iops = 1000, .burst = 0ms});
  OnIoThread io;
  std::vector<IoRequest> requests;
  for (std::uint64_t i = 0; i < 30; ++i) requests.push_back(request_of(IoOp::read, i));
  auto before = std::chrono::steady_clock::now();
  io.perform(device, requests);
  std::vector<std::uint64_t> expected(30);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(below.arrived(), expected);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 29ms) << "it never gives more than the rate";
  for (auto thread : below.threads()) EXPECT_EQ(thread, below.threads().front());
}

TEST(ThrottleDevice, BackgroundYieldsToHosts) {
  RecordingDevice below;
  ThrottleDevice device(below, {.bytes_per_second = 512'000, .burst = 0ms});
  OnIoThread io;
  std::vector<IoRequest> requests;
  requests.push_back(request_of(IoOp::write, 0, 512'000));  // a second of debt
  for (std::uint64_t i = 100; i < 105; ++i)
    requests.push_back(request_of(IoOp::write, i, 512, Priority::background));
  for (std::uint64_t i = 1; i < 20; ++i) requests.push_back(request_of(IoOp::write, i));
  io.perform(device, requests);
  auto order = below.arrived();
  ASSERT_EQ(order.size(), 25U);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(order[i], i) << "hosts first";
}

TEST(ThrottleDevice, LimitsCanBeLifted) {
  RecordingDevice below;
  ThrottleDevice device(below, {.iops = 1});
  device.set({});
  for (int i = 0; i < 100; ++i) {
    auto request = request_of(IoOp::read, 0);
    EXPECT_FALSE(perform(device, request));
  }
}

TEST(ThrottleDevice, OnAControlThreadItBlocks) {
  RecordingDevice below;
  ThrottleDevice device(below, {.iops = 1000, .burst = 0ms});
  for (auto priority : {Priority::host, Priority::background, Priority::host}) {
    auto request = request_of(IoOp::read, 0, 512, priority);
    EXPECT_FALSE(perform(device, request));
  }
  EXPECT_EQ(below.arrived().size(), 3U);
}

}  // namespace
}  // namespace caisson::block::tests
