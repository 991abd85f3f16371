// SPDX-License-Identifier: Apache-2.0
// Snapshots that are taken up from their maps, the catalog being lost.
#include <gmock/gmock.h>

#include <map>
#include <random>

#include "snapshot/format/map_reader.hpp"
#include "tests/unit/snapshot/manager/lost_catalog.hpp"

namespace caisson::tests {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

using RebuildTest = LostTest;

TEST_P(RebuildTest, FindsThoseThatAreWholeAndThoseThatCapture) {
  auto first = cut_and_change("first", 2, 0);
  ASSERT_TRUE(GetParam() == Store::copying || becomes_whole("first"));
  auto second = cut_and_change("second", 3, 64 * 1024);
  const auto before = machine->snapshots().list("a");
  const auto now = disk_of("a");
  lose_catalog();
  EXPECT_THAT(machine->names("a"), ElementsAre("first", "second"));
  EXPECT_EQ(image_of("first"), first);
  EXPECT_EQ(image_of("second"), second);
  EXPECT_EQ(disk_of("a"), now);
  for (const auto& old : *before) {
    const auto fresh = view(old.record.name).record;
    EXPECT_EQ(fresh.uuid, old.record.uuid);
    EXPECT_EQ(fresh.sequence, old.record.sequence);
    EXPECT_EQ(fresh.capacity, old.record.capacity);
    EXPECT_EQ(fresh.complete, old.record.complete);
  }
  EXPECT_EQ(machine->events("snapshot.found").size(), 2U);
  // The one that captured goes on, and a later cut has a number of its own.
  machine->fill("a", 4, 0, kSize);
  machine->cut({"a"}, "third");
  EXPECT_EQ(image_of("second"), second);
  EXPECT_GT(view("third").record.sequence, view("second").record.sequence);
}

TEST_P(RebuildTest, OneThatWasRenamedHasItsNewName) {
  auto image = cut_and_change("s", 2, 0);
  ASSERT_TRUE(machine->snapshots().rename("a", "s", "t", false));
  lose_catalog();
  EXPECT_THAT(machine->names("a"), ElementsAre("t"));
  EXPECT_EQ(image_of("t"), image);
}

TEST_P(RebuildTest, ADeletedOneDoesNotComeBackAndOlderOnesKeepWhatItHad) {
  auto first = cut_and_change("first", 2, 0);
  cut_and_change("second", 3, 64 * 1024);
  auto third = cut_and_change("third", 4, 128 * 1024);
  machine->fill("a", 5, 0, kSize);
  ASSERT_TRUE(machine->snapshots().remove("a", "second", false));
  lose_catalog();
  EXPECT_THAT(machine->names("a"), ElementsAre("first", "third"));
  EXPECT_EQ(image_of("first"), first);
  EXPECT_EQ(image_of("third"), third);
}

/// What it had was handed on, and nothing of it is left: the one before it must not be
/// taken for damaged.
TEST_P(RebuildTest, NothingIsMissingOnceADeletedOneHasGone) {
  auto first = cut_and_change("first", 2, 0);
  cut_and_change("second", 3, 64 * 1024);
  const auto uuid = view("second").record.uuid;
  cut_and_change("third", 4, 128 * 1024);
  ASSERT_TRUE(machine->snapshots().remove("a", "second", false));
  auto gone = [&](const std::string& name) { return !disk->look_up(path(name)); };
  ASSERT_TRUE(machine->until(
      [&] { return gone(snapshot::map_name(uuid)) && gone(snapshot::removed_name(uuid)); }));
  lose_catalog();
  EXPECT_THAT(machine->names("a"), ElementsAre("first", "third"));
  EXPECT_TRUE(valid("first"));
  EXPECT_EQ(image_of("first"), first);
}

TEST_P(RebuildTest, WithoutTheOneThatFollowedItIsLost) {
  cut_and_change("first", 2, 0);
  cut_and_change("second", 3, 64 * 1024);
  cut_and_change("third", 4, 64 * 1024);
  const auto third = view("third").record.uuid;
  stop();
  remove_catalog();
  remove(path(snapshot::map_name(third)));
  begin();
  rebuild();
  EXPECT_THAT(machine->names("a"), ElementsAre("first", "second"));
  EXPECT_FALSE(valid("second")) << "what the third had captured of it is gone";
  EXPECT_THAT(view("second").record.reason, HasSubstr(third.to_string()));
  EXPECT_FALSE(valid("first")) << "it reads through the second";
  EXPECT_FALSE(machine->events("snapshot.invalid").empty());
  machine->fill("a", 9, 0, kSize);
  auto fresh = cut_and_change("fresh", 10, 0);
  EXPECT_EQ(image_of("fresh"), fresh) << "nothing else is hurt";
}

TEST_P(RebuildTest, AMapThatCannotBeReadIsReportedAndLeftAlone) {
  cut_and_change("first", 2, 0);
  cut_and_change("second", 3, 64 * 1024);
  const auto name = path(snapshot::map_name(view("second").record.uuid));
  stop();
  remove_catalog();
  {
    auto map = disk->open(name);
    ASSERT_TRUE(map);
    ASSERT_TRUE(file_store::write_at(**map, 0, Bytes(16)));
    ASSERT_TRUE((*map)->sync_all());
  }
  begin();
  auto report = rebuild();
  EXPECT_THAT(machine->names("a"), ElementsAre("first"));
  EXPECT_FALSE(valid("first"));
  auto unknown = machine->snapshots().find_unknown(report.restored.front().uuid, "a", "main");
  EXPECT_THAT(unknown.snapshots, IsEmpty());
  EXPECT_THAT(unknown.lost, ElementsAre(HasSubstr(name)));
  EXPECT_THAT(files(), Contains(name.substr(name.rfind('/') + 1)));
}

TEST_P(RebuildTest, ADryRunFindsTheSameAndChangesNothing) {
  cut_and_change("s", 2, 0);
  const auto uuid = machine->registry().find("a")->record.uuid;
  const auto before = view("s").record;
  stop();
  remove_catalog();
  begin();
  ASSERT_TRUE(machine->registry().rebuild(true));
  auto unknown = machine->snapshots().find_unknown(uuid, "a", "main");
  ASSERT_EQ(unknown.snapshots.size(), 1U);
  EXPECT_EQ(unknown.snapshots[0].uuid, before.uuid);
  EXPECT_EQ(unknown.snapshots[0].name, "s");
  EXPECT_THAT(unknown.lost, IsEmpty());
  EXPECT_TRUE(machine->catalog().snapshots()->empty());
  rebuild();
  EXPECT_THAT(machine->names("a"), ElementsAre("s"));
}

TEST_P(RebuildTest, AnOlderCatalogLearnsOfThoseThatWereCutSince) {
  cut_and_change("first", 2, 0);
  auto second = cut_and_change("second", 3, 64 * 1024);
  ASSERT_TRUE(machine->catalog().change([&](catalog::Transaction& transaction) {
    return transaction.remove_snapshot(view("second").record.uuid);
  }));
  kill();
  EXPECT_THAT(machine->names("a"), ElementsAre("first", "second"));
  EXPECT_EQ(image_of("second"), second);
}

TEST_P(RebuildTest, AFolderThatARenameLeftBehindIsFound) {
  auto image = cut_and_change("s", 2, 0);
  stop();
  remove_catalog();
  ASSERT_TRUE(disk->rename("a.img", "b.img"));
  ASSERT_TRUE(disk->sync_names());
  begin();
  rebuild();
  EXPECT_THAT(machine->names("b"), ElementsAre("s"));
  EXPECT_EQ(image_of("s", "b"), image);
  EXPECT_THAT(files("b"), Not(IsEmpty()));
}

TEST_P(RebuildTest, AnotherLunsMapIsLeftAlone) {
  machine->make("b", kSize);
  machine->cut({"b"}, "of-b");
  cut_and_change("s", 2, 0);
  const auto map = snapshot::map_name(machine->snapshots().show("b", "of-b")->record.uuid);
  stop();
  remove_catalog();
  ASSERT_TRUE(disk->rename(path(map, "b"), path(map)));
  begin();
  rebuild();
  EXPECT_THAT(machine->names("a"), ElementsAre("s"));
  EXPECT_TRUE(valid("s"));
  EXPECT_THAT(files(), Contains(map));
}

/// A life with cuts, changes, deletions, kills; then the catalog is lost, again and again.
TEST_P(RebuildTest, AfterAnyLifeAllThatWereReportedAreThere) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    replace(options());
    machine->make("a", kSize);
    std::mt19937_64 random(seed);
    std::map<std::string, Bytes> images;
    for (int step = 0; step < 60; ++step) {
      const auto name = "s" + std::to_string(step);
      switch (random() % 8) {
        case 0:
        case 1: images[name] = cut_and_change(name, static_cast<int>(random() % 250), 0); break;
        case 2:
        case 3:
        case 4:
          machine->fill("a", static_cast<int>(random() % 250), random() % 130 * 4096, 4096);
          break;
        case 5:
          for (auto n = random() % 20; n-- > 0;) machine->pacer().run();
          break;
        case 6:
          if (images.empty()) break;
          {
            auto at = std::next(images.begin(), static_cast<long>(random() % images.size()));
            ASSERT_TRUE(machine->snapshots().remove("a", at->first, false));
            images.erase(at);
          }
          break;
        default: random() % 2 ? kill() : lose_catalog();
      }
    }
    lose_catalog();
    std::vector<std::string> names;
    names.reserve(images.size());
    for (const auto& [name, image] : images) names.push_back(name);
    ASSERT_THAT(machine->names("a"), UnorderedElementsAreArray(names));
    for (const auto& [name, image] : images) {
      ASSERT_TRUE(valid(name)) << name << ": " << view(name).record.reason;
      ASSERT_EQ(image_of(name), image) << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, RebuildTest, ::testing::Values(Store::copying, Store::sharing),
                         [](const auto& param) {
                           return param.param == Store::copying ? "copies" : "shares";
                         });

}  // namespace
}  // namespace caisson::tests
