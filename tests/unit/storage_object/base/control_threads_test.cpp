// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/control_threads.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <vector>

namespace caisson {
namespace {

std::shared_ptr<ControlLane> lane() { return std::make_shared<ControlLane>(); }

TEST(ControlThreads, ALaneKeepsItsOrderAndNeverRunsBesideItself) {
  ControlThreads threads;
  std::vector<int> order;  // of one lane: no lock
  auto mine = lane();
  for (int i = 0; i < 1000; ++i) {
    threads.post(mine, [&order, i] { order.push_back(i); });
    threads.post(lane(), [] {});
  }
  threads.drain(mine);
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(ControlThreads, WhatHangsHoldsUpItsOwnLaneOnly) {
  constexpr int kHung = 20;
  ControlThreads threads;
  std::promise<void> hold;
  auto released = hold.get_future().share();
  std::atomic<int> late = 0;
  for (int i = 0; i < kHung; ++i) {
    auto hung = lane();
    threads.post(hung, [released] { released.wait(); });
    threads.post(hung, [&] { ++late; });
  }
  for (int i = 0; i < 100; ++i) threads.drain(lane());
  EXPECT_EQ(late, 0);
  hold.set_value();
  threads.stop();
  EXPECT_EQ(late, kHung) << "what was left was run";
}

TEST(ControlThreads, WorkMayPostMore) {
  ControlThreads threads;
  auto first = lane();
  std::promise<void> ended;
  threads.post(first, [&] {
    threads.post(first, [&] { threads.post(lane(), [&] { ended.set_value(); }); });
  });
  ended.get_future().wait();
}

TEST(ControlThreads, AfterTheStopNothingIsTakenAndNobodyWaits) {
  ControlThreads threads;
  threads.stop();
  EXPECT_FALSE(threads.post(lane(), [] { FAIL(); }));
  threads.drain(lane());
}

}  // namespace
}  // namespace caisson
