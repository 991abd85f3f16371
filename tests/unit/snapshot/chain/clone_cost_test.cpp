// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/clone_cost.hpp"

#include <gtest/gtest.h>

namespace caisson::snapshot {
namespace {

using namespace std::chrono_literals;

TEST(CloneCostTest, IsCautiousUntilItHasSeenSome) {
  const CloneCost cost;
  EXPECT_EQ(cost.units_within(10ms, 64), 1U);
  EXPECT_EQ(cost.units_within(10ms, 1), 100U);
}

TEST(CloneCostTest, LearnsWhatAUnitTakes) {
  CloneCost cost;
  for (int i = 0; i < 200; ++i) cost.note(400us, 16);
  EXPECT_NEAR(static_cast<double>(cost.units_within(10ms, 1)), 400, 1);
  EXPECT_NEAR(static_cast<double>(cost.units_within(10ms, 64)), 6, 1);
  for (int i = 0; i < 200; ++i) cost.note(4ms, 1);
  EXPECT_EQ(cost.units_within(10ms, 1), 2U);
}

TEST(CloneCostTest, AlwaysAllowsOneUnit) {
  CloneCost cost;
  for (int i = 0; i < 200; ++i) cost.note(1s, 1);
  EXPECT_EQ(cost.units_within(10ms, 64), 1U);
  EXPECT_EQ(cost.units_within(-5ms, 1), 1U);
  EXPECT_EQ(cost.units_within(10ms, 0), 1U);
}

TEST(CloneCostTest, WhatCostsNothingHasALimit) {
  CloneCost cost;
  for (int i = 0; i < 2000; ++i) cost.note(0ns, 1 << 20);
  EXPECT_GT(cost.units_within(1s, 1), 1U << 20);
  EXPECT_LE(cost.units_within(24h, 1), 1U << 30);
}

}  // namespace
}  // namespace caisson::snapshot
