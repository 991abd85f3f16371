// SPDX-License-Identifier: Apache-2.0
// What is in the folders of snapshots is not what the last process left there, or somebody
// has put more there: nothing that is told as an image holds what it should not.
#include <gmock/gmock.h>

#include <filesystem>
#include <map>

#include "tests/support/temp_dir.hpp"
#include "tests/unit/snapshot/manager/lost_catalog.hpp"

namespace caisson::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LostFilesTest : public LostTest {
 protected:
  Bytes bytes_of(const std::string& name) { return disk->content(name); }
  void put(const std::string& name, const Bytes& bytes) {
    auto file = disk->create_unnamed();
    ASSERT_TRUE(file);
    ASSERT_TRUE(file_store::write_at(**file, 0, bytes));
    ASSERT_TRUE((*file)->sync_all());
    ASSERT_TRUE(disk->publish(**file, name));
  }
  /// A second folder with all that is in the LUN's own, as an administrator may make one.
  void copy_folder(const std::string& to) {
    ASSERT_TRUE(disk->make_directory(snapshot::folder_of(to)));
    for (const auto& name : files()) put(path(name, to), bytes_of(path(name)));
  }
};

TEST_P(LostFilesTest, ACopyOfTheFolderIsNotTakenForIt) {
  auto image = cut_and_change("s", 2, 0);
  stop();
  copy_folder("0-copy");
  remove_catalog();
  begin();
  rebuild();
  EXPECT_THAT(machine->names("a"), ElementsAre("s"));
  machine->fill("a", 3, 0, kSize);
  EXPECT_EQ(image_of("s"), image);
  restart();
  EXPECT_EQ(image_of("s"), image) << "the files of its own folder have captured nothing";
}

TEST_P(LostFilesTest, OfTwoFoldersNeitherIsTaken) {
  cut_and_change("s", 2, 0);
  stop();
  copy_folder("b");
  copy_folder("c");
  for (const auto& name : files()) remove(path(name));
  remove_catalog();
  begin();
  auto report = rebuild();
  EXPECT_THAT(machine->names("a"), ElementsAre());
  auto unknown = machine->snapshots().find_unknown(report.restored.front().uuid, "a", "main");
  EXPECT_THAT(unknown.lost, ElementsAre(HasSubstr("main/.snapshots/b holds"),
                                        HasSubstr("main/.snapshots/c holds")));
}

TEST_P(LostFilesTest, OneThatIsMovedAsideIsNotTakenUpLater) {
  cut_and_change("first", 2, 0);
  cut_and_change("second", 3, 64 * 1024);
  const auto name = path(snapshot::map_name(view("second").record.uuid));
  stop();
  remove_catalog();
  ASSERT_TRUE(disk->rename(name, "aside"));
  begin();
  rebuild();
  EXPECT_FALSE(valid("first"));
  machine->fill("a", 9, 0, kSize);
  stop();
  ASSERT_TRUE(disk->rename("aside", name));
  begin();
  EXPECT_THAT(machine->names("a"), ElementsAre("first"));
  EXPECT_FALSE(valid("first"));
}

/// As a rebuild will find them.
TEST_P(LostFilesTest, ADryRunForetellsWhatIsDamaged) {
  cut_and_change("whole", 2, 0);
  ASSERT_TRUE(machine->snapshots().export_to("a", "whole"));
  cut_and_change("first", 3, 0);
  cut_and_change("second", 4, 64 * 1024);
  cut_and_change("third", 5, 64 * 1024);
  const auto third = view("third").record.uuid;
  const auto uuid = machine->registry().find("a")->record.uuid;
  stop();
  remove_catalog();
  remove(path(snapshot::map_name(third)));
  begin();
  std::map<std::string, std::string> foretold, found;
  ASSERT_TRUE(machine->registry().rebuild(true));
  for (const auto& record : machine->snapshots().find_unknown(uuid, "a", "main").snapshots)
    foretold[record.name] = record.reason;
  rebuild();
  for (const auto& view : *machine->snapshots().list("a"))
    found[view.record.name] = view.record.reason;
  EXPECT_EQ(foretold, found);
  EXPECT_EQ(foretold["whole"], "");
  EXPECT_THAT(foretold["second"], HasSubstr(third.to_string()));
  EXPECT_THAT(foretold["first"], HasSubstr("'second'"));
}

TEST_P(LostFilesTest, ADryRunForetellsLostImages) {
  cut_and_change("whole", 2, 0);
  ASSERT_TRUE(machine->snapshots().export_to("a", "whole"));
  cut_and_change("active", 3, 0);
  const auto uuid = machine->registry().find("a")->record.uuid;
  const auto hidden = path(snapshot::hidden_image_name(view("active").record.uuid));
  stop();
  remove_catalog();
  remove(path("whole.img"));
  remove(hidden);
  begin();
  ASSERT_TRUE(machine->registry().rebuild(true));
  auto unknown = machine->snapshots().find_unknown(uuid, "a", "main");
  ASSERT_EQ(unknown.snapshots.size(), 2U);
  EXPECT_THAT(unknown.snapshots[0].reason, HasSubstr(path("whole.img")));
  EXPECT_THAT(unknown.snapshots[1].reason, HasSubstr(hidden));
  rebuild();
  EXPECT_FALSE(valid("whole"));
  EXPECT_FALSE(valid("active"));
}

TEST_P(LostFilesTest, ADryRunForetellsLostSegments) {
  if (GetParam() == Store::sharing) GTEST_SKIP() << "there are no segments";
  cut_and_change("active", 3, 0);
  const auto uuid = machine->registry().find("a")->record.uuid;
  const auto segment = path(snapshot::segment_name(view("active").record.uuid, 0));
  stop();
  remove_catalog();
  remove(segment);
  begin();
  ASSERT_TRUE(machine->registry().rebuild(true));
  auto unknown = machine->snapshots().find_unknown(uuid, "a", "main");
  ASSERT_EQ(unknown.snapshots.size(), 1U);
  EXPECT_THAT(unknown.snapshots[0].reason, HasSubstr(segment));
  rebuild();
  EXPECT_FALSE(valid("active"));
}

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

/// It lies in the state directory, and may outlive both catalog and snapshots.
TEST_P(LostFilesTest, AnIndexOfLostSnapshotsIsNotBelieved) {
  if (GetParam() == Store::sharing) GTEST_SKIP() << "there is no index";
  const TempDir state;
  auto with_index = [&] {
    machine = std::make_unique<SnapshotMachine>(*disk, clock, state.path().string());
  };
  auto rest = [&] {
    for (int i = 0; i < 2000; ++i) (machine->pacer().run(), std::this_thread::yield());
  };
  stop();
  with_index();
  cut_and_change("lost", 2, 0, kSize / 2);
  machine->cut({"a"}, "lost-too");
  ASSERT_TRUE(machine->until([&] { return !std::filesystem::is_empty(state.path()); }));
  rest();
  stop();
  remove_catalog();
  for (const auto& name : files()) remove(path(name));
  with_index();
  rebuild();
  ASSERT_THAT(machine->names("a"), ElementsAre());
  auto image = cut_and_change("first", 3, kSize - 8192);
  machine->cut({"a"}, "second");
  rest();
  machine->fill("a", 9, 0, kSize);
  EXPECT_EQ(image_of("first"), image);
}

/// What nobody kept while the map could not be read is not told as if it had been.
TEST_P(LostFilesTest, AMapThatWasPassedOverIsNotTakenUpLater) {
  cut_and_change("s", 2, 0);
  const auto name = path(snapshot::map_name(view("s").record.uuid));
  const auto whole = bytes_of(name);
  stop();
  remove_catalog();
  remove(name);
  auto broken = whole;
  broken[0] ^= std::byte{1};
  put(name, broken);
  begin();
  rebuild();
  EXPECT_THAT(machine->names("a"), ElementsAre());
  machine->fill("a", 9, 0, kSize);
  stop();
  remove(name);
  put(name, whole);
  begin();
  for (const auto& listed : *machine->snapshots().list("a"))
    EXPECT_EQ(listed.record.state, catalog::SnapshotState::invalid) << listed.record.name;
}

INSTANTIATE_TEST_SUITE_P(Stores, LostFilesTest, ::testing::Values(Store::copying, Store::sharing),
                         [](const auto& param) {
                           return param.param == Store::copying ? "copies" : "shares";
                         });

}  // namespace
}  // namespace caisson::tests
