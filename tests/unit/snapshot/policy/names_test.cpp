// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/names.hpp"

#include <gtest/gtest.h>

#include <set>

#include "storage_object/base/clock.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::snapshot {
namespace {

using namespace std::chrono_literals;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

TEST(AutomaticNames, TellTheTimeOfTheCutInUtc) {
  const auto free = [](std::string_view) { return false; };
  EXPECT_EQ(automatic_name(sys_days(2026y / 7 / 1) + 9h + 5min + 7s, free), "auto-20260701-090507");
  EXPECT_EQ(automatic_name(sys_days(2028y / 2 / 29) + 23h + 59min + 59s, free),
            "auto-20280229-235959");
  EXPECT_EQ(automatic_name(sys_seconds(), free), "auto-19700101-000000");
}

TEST(AutomaticNames, AreValidAtBothEndsOfTheClock) {
  for (auto end : {Clock::Wall::min(), Clock::Wall::max()}) {
    auto name = automatic_name(std::chrono::floor<std::chrono::seconds>(end),
                               [](std::string_view) { return false; });
    EXPECT_TRUE(valid_name(name)) << name;
  }
}

TEST(AutomaticNames, ACollisionGetsTheFirstFreeNumber) {
  std::set<std::string, std::less<>> taken;
  const auto make = [&] {
    auto name = automatic_name(sys_seconds(), [&](auto n) { return taken.contains(n); });
    EXPECT_TRUE(valid_name(name)) << name;
    EXPECT_TRUE(taken.insert(name).second) << name;
    return name;
  };
  EXPECT_EQ(make(), "auto-19700101-000000");
  EXPECT_EQ(make(), "auto-19700101-000000-2");
  EXPECT_EQ(make(), "auto-19700101-000000-3");
  taken.erase("auto-19700101-000000-2");
  EXPECT_EQ(make(), "auto-19700101-000000-2");
  for (int i = 0; i < 200; ++i) make();
}

}  // namespace
}  // namespace caisson::snapshot
