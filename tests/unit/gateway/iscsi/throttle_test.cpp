// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "gateway/iscsi/server_state.hpp"

namespace caisson::iscsi {
namespace {

using namespace std::chrono_literals;

TEST(LoginThrottle, ABurstIsFreeThenOneInEachInterval) {
  LoginThrottle throttle(3, 1s, 1h);
  auto now = LoginThrottle::Clock::time_point(100h);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(throttle.failed("a", now), 0s);
  EXPECT_EQ(throttle.failed("a", now), 1s);
  EXPECT_EQ(throttle.failed("a", now), 2s);
  EXPECT_EQ(throttle.failed("b", now), 0s);
  EXPECT_EQ(throttle.failed("a", now + 10s), 0s);
}

TEST(LoginThrottle, NoAnswerWaitsLongerThanTheLimit) {
  LoginThrottle throttle(3, 1s, 5s);
  auto now = LoginThrottle::Clock::time_point(100h);
  for (int i = 0; i < 8; ++i) throttle.failed("a", now);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(throttle.failed("a", now), 5s);
  EXPECT_EQ(throttle.failed("a", now + 3s), 3s);
}

TEST(LoginThrottle, RemembersABoundedNumberOfAddresses) {
  LoginThrottle throttle(1, 1s, 1h);
  auto now = LoginThrottle::Clock::time_point(100h);
  for (int i = 0; i < 10'000; ++i) throttle.failed(std::to_string(i), now);
  EXPECT_EQ(throttle.failed("9999", now), 1s);
}

}  // namespace
}  // namespace caisson::iscsi
