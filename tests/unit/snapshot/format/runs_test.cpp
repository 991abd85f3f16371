// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/runs.hpp"

#include <gtest/gtest.h>

#include "tests/unit/snapshot/format/files.hpp"

namespace caisson::snapshot {
namespace {

TEST(UnitRuns, ArePackedIntoEightBytes) {
  EXPECT_EQ(pack({1, 2}), std::uint64_t{2} << 40 | 1);
  for (const auto& run : {UnitRun{0, 1}, UnitRun{kMaxUnits - 1, 1}, UnitRun{12345, kMaxRunUnits}})
    EXPECT_EQ(unpack(pack(run)), run);
}

TEST(UnitRuns, FitTheirEncodingAndTheDisk) {
  EXPECT_TRUE(fits({0, 10}, 10));
  EXPECT_TRUE(fits({9, 1}, 10));
  EXPECT_FALSE(fits({9, 2}, 10));
  EXPECT_FALSE(fits({10, 1}, 10));
  EXPECT_FALSE(fits({0, 0}, 10));
  EXPECT_FALSE(fits({~std::uint64_t{0}, 2}, 10));
  EXPECT_FALSE(fits({0, kMaxRunUnits + 1}, kMaxUnits));
}

TEST(UnitRuns, AreMergedAndTakenFromEachOther) {
  using Runs = std::vector<UnitRun>;
  auto both = merged({{8, 4}, {0, 2}, {1, 3}, {10, 1}, {4, 1}});
  EXPECT_EQ(both, (Runs{{0, 5}, {8, 4}}));
  EXPECT_EQ(without(both, {}), both);
  EXPECT_EQ(without(both, both), Runs());
  EXPECT_EQ(without(both, Runs{{3, 6}, {11, 9}}), (Runs{{0, 3}, {9, 2}}));
  EXPECT_EQ(without(Runs{{0, 10}}, Runs{{2, 1}, {4, 2}, {20, 1}}), (Runs{{0, 2}, {3, 1}, {6, 4}}));
}

TEST(UnitRuns, NeighboursAreOne) {
  EXPECT_EQ(coalesce(std::vector<std::uint64_t>{}), Runs{});
  EXPECT_EQ(coalesce(std::vector<std::uint64_t>{0, 1, 1, 2, 5, 7, 8}),
            (Runs{{0, 3}, {5, 1}, {7, 2}}));
}

TEST(UnitRuns, WhatIsTooLongBecomesSeveral) {
  Runs runs;
  append_units(runs, 10, 5);
  append_units(runs, 15, 2 * kMaxRunUnits);
  EXPECT_EQ(
      runs,
      (Runs{{10, kMaxRunUnits}, {10 + kMaxRunUnits, kMaxRunUnits}, {10 + 2 * kMaxRunUnits, 5}}));
  append_units(runs, 3, 1);  // what does not touch the last is another
  EXPECT_EQ(runs.back(), (UnitRun{3, 1}));
  append_units(runs, 4, 0);
  EXPECT_EQ(runs.size(), 4U);
}

}  // namespace
}  // namespace caisson::snapshot
