// SPDX-License-Identifier: Apache-2.0
// What is in the folders of snapshots is not what the last process left there, or somebody
// has put more there: nothing that is told as an image holds what it should not.
#include <gmock/gmock.h>

#include "tests/unit/snapshot/manager/lost_catalog.hpp"

namespace caisson::tests {
namespace {

using LostFilesTest = LostTest;

/// Where all segments were moved a start must not use their numbers again: the map says that
/// those may go.
TEST_P(LostFilesTest, NumbersOfSegmentsAreNeverUsedAgain) {
  if (GetParam() == Store::sharing) GTEST_SKIP() << "there are no segments";
  constexpr std::uint64_t kSegment = 16384 * 4096;  // just full
  machine->make("big", kSegment + 16384);
  machine->fill("big", 1, 0, kSegment + 16384);
  const auto uuid = machine->cut({"big"}, "s").record.uuid;
  machine->fill("big", 2, 0, kSegment);
  const auto segment = path(snapshot::segment_name(uuid, 0), "big");
  ASSERT_TRUE(disk->look_up(segment));
  ASSERT_TRUE(machine->until([&] { return !disk->look_up(segment); }));
  restart();
  machine->fill("big", 3, kSegment, 4096);
  restart();
  EXPECT_EQ(machine->held("big", "s", kSegment, 4096), Bytes(4096, std::byte{1}));
}

INSTANTIATE_TEST_SUITE_P(Stores, LostFilesTest, ::testing::Values(Store::copying, Store::sharing),
                         [](const auto& param) {
                           return param.param == Store::copying ? "copies" : "shares";
                         });

}  // namespace
}  // namespace caisson::tests
