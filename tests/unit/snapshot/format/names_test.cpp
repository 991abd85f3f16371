// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/names.hpp"

#include <gtest/gtest.h>

namespace caisson::snapshot {
namespace {

const auto kUuid = *Uuid::parse("00112233-4455-4677-8899-aabbccddeeff");

TEST(SnapshotNames, AreReadBack) {
  EXPECT_EQ(folder_of("db"), ".snapshots/db");
  EXPECT_EQ(map_name(kUuid), ".00112233-4455-4677-8899-aabbccddeeff.map");
  EXPECT_EQ(segment_name(kUuid, 12), ".00112233-4455-4677-8899-aabbccddeeff.12.pre");
  EXPECT_EQ(parse_entry_name(map_name(kUuid)), (EntryName{EntryKind::map, kUuid, 0, ""}));
  EXPECT_EQ(parse_entry_name(hidden_image_name(kUuid)),
            (EntryName{EntryKind::hidden_image, kUuid, 0, ""}));
  for (auto number : {0U, 12U, ~0U})
    EXPECT_EQ(parse_entry_name(segment_name(kUuid, number)),
              (EntryName{EntryKind::segment, kUuid, number, ""}));
  for (const auto* name : {"noon", "a.img", "7.map"})
    EXPECT_EQ(parse_entry_name(image_name(name)), (EntryName{EntryKind::image, Uuid{}, 0, name}));
}

TEST(SnapshotNames, OthersAreNotTakenForThem) {
  const std::string uuid = "." + kUuid.to_string();
  for (const auto& name : std::vector<std::string>{"",
                                                   ".",
                                                   ".img",
                                                   "..img",
                                                   "noon",
                                                   "Noon.img",
                                                   "a..b.img",
                                                   "-a.img",
                                                   uuid,
                                                   uuid + ".",
                                                   uuid + ".mapx",
                                                   uuid + ".pre",
                                                   uuid + "..pre",
                                                   uuid + ".01.pre",
                                                   uuid + ".+1.pre",
                                                   uuid + ".-1.pre",
                                                   uuid + ".4294967296.pre",
                                                   uuid + ".1.pre ",
                                                   uuid + "0.pre",
                                                   ".00112233-4455-4677-8899-AABBCCDDEEFF.map",
                                                   uuid.substr(1) + ".map",
                                                   std::string(65, 'a') + ".img"})
    EXPECT_FALSE(parse_entry_name(name)) << name;
}

}  // namespace
}  // namespace caisson::snapshot
