// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/refusals.hpp"

#include <gtest/gtest.h>

namespace caisson::service {
namespace {

class RefusalsTest : public ::testing::Test {
 protected:
  int events_of(const std::string& caller, int refused) {
    int events = 0;
    for (int i = 0; i < refused; ++i) events += refusals_.take(caller, now_) ? 1 : 0;
    return events;
  }
  Refusals refusals_;
  Refusals::Clock::time_point now_ = Refusals::Clock::time_point{} + std::chrono::hours(1);
};

TEST_F(RefusalsTest, AFloodIsCountedNotKept) {
  EXPECT_EQ(events_of("uid:1000", 100'000), static_cast<int>(Refusals::kBurst));
  now_ += Refusals::kInterval;
  EXPECT_EQ(refusals_.take("uid:1000", now_), 100'000 - Refusals::kBurst);
  EXPECT_FALSE(refusals_.take("uid:1000", now_));
  now_ += Refusals::kInterval * (Refusals::kBurst + 5);
  EXPECT_EQ(events_of("uid:1000", 100), static_cast<int>(Refusals::kBurst));
}

TEST_F(RefusalsTest, OneCallersFloodHidesNobodyElse) {
  events_of("uid:1000", 1000);
  EXPECT_EQ(refusals_.take("uid:1001", now_), 0u);
}

TEST_F(RefusalsTest, ManyCallersShareWhatIsLeft) {
  for (std::size_t i = 0; i < Refusals::kCallers; ++i)
    EXPECT_TRUE(refusals_.take("uid:" + std::to_string(i), now_));
  int events = 0;
  for (int i = 1000; i < 3000; ++i) events += events_of("uid:" + std::to_string(i), 1);
  EXPECT_EQ(events, static_cast<int>(Refusals::kBurst));
  now_ += Refusals::kInterval;  // the first ones have their burst again and are forgotten
  EXPECT_EQ(refusals_.take("uid:5000", now_), 0u);
}

}  // namespace
}  // namespace caisson::service
