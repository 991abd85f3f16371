// SPDX-License-Identifier: Apache-2.0
// Does a simulated power cut keep all that it must and lose all that it may?
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

#include "tests/support/power_cuts.hpp"
#include "tests/support/sim_store.hpp"

namespace caisson::tests {
namespace {

using file_store::File;
using file_store::FileOp;
using file_store::sync;
using file_store::write_at;
using ::testing::UnorderedElementsAre;

constexpr int kSeeds = 400;

class SimCutTest : public ::testing::Test {
 protected:
  std::unique_ptr<File> make(const std::string& name, const std::string& content) {
    auto file = store_.create_unnamed().value();
    write(*file, 0, content);
    file->sync_all().value();
    store_.publish(*file, name).value();
    store_.sync_names().value();
    return file;
  }
  static void write(File& file, std::uint64_t offset, const std::string& text,
                    bool durable = false) {
    write_at(file, offset, std::as_bytes(std::span(text)), durable).value();
  }
  static std::string text(const SimStore& store, const std::string& name) {
    auto bytes = store.content(name);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  static std::string names(SimStore& store) {
    std::string all;
    for (const auto& entry : store.list().value()) all += entry.name + " ";
    return all;
  }
  /// Everything that `observe` sees over many cuts.
  std::set<std::string> outcomes(const std::function<std::string(SimStore&)>& observe) const {
    std::set<std::string> seen;
    for (int seed = 0; seed < kSeeds; ++seed) seen.insert(observe(*store_.power_cut(seed)));
    return seen;
  }
  std::set<std::string> contents(const std::string& name) const {
    return outcomes([&](SimStore& store) { return text(store, name); });
  }
  std::set<std::string> listings() const {
    return outcomes([](SimStore& store) { return names(store); });
  }

  SimStore store_;
};

TEST_F(SimCutTest, SyncedDataSurvivesAlwaysAndTheRestSometimes) {
  auto file = make("a", "aaaa");
  write(*file, 0, "bb");
  sync(*file).value();
  write(*file, 2, "cc");
  EXPECT_THAT(contents("a"), UnorderedElementsAre("bbaa", "bbcc"));
}

TEST_F(SimCutTest, TheStoreThatWasCutGoesOn) {
  auto file = make("a", "aaaa");
  write(*file, 0, "bbbb");
  EXPECT_THAT(contents("a"), UnorderedElementsAre("aaaa", "bbbb"));
  EXPECT_EQ(text(store_, "a"), "bbbb");
  sync(*file).value();
  EXPECT_THAT(contents("a"), UnorderedElementsAre("bbbb"));
}

TEST_F(SimCutTest, TheSameSeedGivesTheSameResult) {
  auto file = make("a", std::string(8192, 'a'));
  for (int i = 0; i < 20; ++i) write(*file, i * 300, std::string(700, static_cast<char>('b' + i)));
  for (int seed = 0; seed < 50; ++seed)
    EXPECT_EQ(text(*store_.power_cut(seed), "a"), text(*store_.power_cut(seed), "a"));
}

TEST_F(SimCutTest, WritesSurviveInAnyOrder) {
  auto file = make("a", "....");
  write(*file, 0, "1");
  write(*file, 1, "2");
  write(*file, 2, "3");
  EXPECT_EQ(contents("a").size(), 8U);
}

TEST_F(SimCutTest, OfOverlappingWritesTheNewerWinsIfItSurvives) {
  auto file = make("a", "....");
  write(*file, 0, "111");
  write(*file, 1, "222");
  EXPECT_THAT(contents("a"), UnorderedElementsAre("....", "111.", ".222", "1222"));
}

TEST_F(SimCutTest, ADurableWriteSurvivesAloneAndIsNotOverwrittenByAnOlderOne) {
  auto file = make("a", "......");
  write(*file, 0, "111111");
  write(*file, 2, "22", true);
  EXPECT_THAT(contents("a"), UnorderedElementsAre("..22..", "112211", "1122..", "..2211"));
}

TEST_F(SimCutTest, WritesAreTornAtSectorsOnly) {
  auto file = make("a", std::string(2048, '.'));
  write(*file, 0, std::string(2048, 'x'));
  auto seen = contents("a");
  EXPECT_EQ(seen.size(), 16U) << "every subset of four sectors";
  for (const auto& content : seen)
    for (std::size_t at = 0; at < content.size(); ++at)
      ASSERT_EQ(content[at], content[at / 512 * 512]);
}

TEST_F(SimCutTest, LongWritesAreTornToo) {
  auto file = make("a", std::string(1 << 20, '.'));
  write(*file, 0, std::string(1 << 20, 'x'));
  auto torn = 0;
  for (const auto& content : contents("a"))
    torn += content.find('x') != std::string::npos && content.find('.') != std::string::npos;
  EXPECT_GT(torn, 20);
}

TEST_F(SimCutTest, TheSizeChangesWithoutTheDataAndTheOtherWayRound) {
  auto file = make("a", "aa");
  write(*file, 2, "bb");
  EXPECT_THAT(contents("a"), UnorderedElementsAre("aa", std::string("aa\0\0", 4), "aabb"));
}

TEST_F(SimCutTest, FdatasyncCoversTheSizeThatTheDataNeeds) {
  auto file = make("a", "aa");
  file->resize(6).value();
  write(*file, 3, "b");
  sync(*file).value();
  EXPECT_THAT(contents("a"), UnorderedElementsAre(std::string("aa\0b\0\0", 6)));
  write(*file, 8, "c", true);
  EXPECT_THAT(contents("a"), UnorderedElementsAre(std::string("aa\0b\0\0\0\0c", 9)));
}

TEST_F(SimCutTest, FdatasyncDoesNotCoverABareResizeButFsyncDoes) {
  auto file = make("a", "aaaa");
  file->resize(2).value();
  sync(*file).value();
  EXPECT_THAT(contents("a"), UnorderedElementsAre("aa", "aaaa"));
  file->sync_all().value();
  EXPECT_THAT(contents("a"), UnorderedElementsAre("aa"));
}

TEST_F(SimCutTest, TruncatedDataNeverComesBackBehindASurvivingShrink) {
  auto file = make("a", "aaaa");
  write(*file, 0, "bbbb");
  file->resize(2).value();
  file->resize(4).value();
  EXPECT_THAT(contents("a"),
              UnorderedElementsAre("aaaa", "bbbb", "aa", "bb", std::string("aa\0\0", 4),
                                   std::string("bb\0\0", 4)));
}

TEST_F(SimCutTest, ADurableWriteAfterAShrinkCarriesTheShrink) {
  auto file = make("a", "aaaa");
  write(*file, 0, "bbbb");
  file->resize(2).value();
  write(*file, 3, "c", true);
  EXPECT_THAT(contents("a"),
              UnorderedElementsAre(std::string("aa\0c", 4), std::string("bb\0c", 4)));
}

TEST_F(SimCutTest, PunchesAndZerosAreLostLikeWrites) {
  auto file = make("a", "aaaa");
  file_store::apply(*file, FileOp::punch, 0, 2).value();
  file_store::apply(*file, FileOp::zero, 2, 1).value();
  EXPECT_EQ(contents("a").size(), 4U);
  sync(*file).value();
  EXPECT_THAT(contents("a"), UnorderedElementsAre(std::string("\0\0\0a", 4)));
}

TEST_F(SimCutTest, AFailedSyncLosesTheDataThoughLaterSyncsSucceed) {
  auto file = make("a", "aaaa");
  write(*file, 0, "bb");
  store_.inject({.op = SimOp::sync, .error = EIO});
  EXPECT_EQ(sync(*file).error().value(), EIO);
  EXPECT_EQ(text(store_, "a"), "bbaa");
  write(*file, 3, "c");
  EXPECT_TRUE(sync(*file).has_value());
  EXPECT_THAT(contents("a"), UnorderedElementsAre("aaac"));
}

TEST_F(SimCutTest, NamesNeedTheirDirectorySynced) {
  auto file = store_.create_unnamed().value();
  write(*file, 0, "x");
  file->sync_all().value();
  store_.publish(*file, "a").value();
  file->sync_all().value();
  EXPECT_THAT(listings(), UnorderedElementsAre("", "a "));
  store_.sync_names().value();
  EXPECT_THAT(listings(), UnorderedElementsAre("a "));
}

TEST_F(SimCutTest, AnUnsyncedFileMayKeepItsNameWithoutItsData) {
  auto file = store_.create_unnamed().value();
  write(*file, 0, "x");
  store_.publish(*file, "a").value();
  store_.sync_names().value();
  EXPECT_THAT(contents("a"), UnorderedElementsAre("", "x", std::string(1, '\0')));
}

TEST_F(SimCutTest, NamesOfDifferentFilesAreLostIndependently) {
  make("old", "x");
  store_.remove("old").value();
  auto file = store_.create_unnamed().value();
  store_.publish(*file, "new").value();
  EXPECT_THAT(listings(), UnorderedElementsAre("", "new ", "old ", "new old "));
}

TEST_F(SimCutTest, ARenameKeepsExactlyOneName) {
  make("old", "x");
  store_.rename("old", "mid").value();
  store_.rename("mid", "new").value();
  EXPECT_THAT(listings(), UnorderedElementsAre("old ", "mid ", "new "));
  store_.sync_names().value();
  EXPECT_THAT(listings(), UnorderedElementsAre("new "));
}

TEST_F(SimCutTest, SyncingOneDirectoryMakesAMoveDurableWithWhatItNeeds) {
  store_.make_directory("dir").value();
  store_.sync_names().value();
  auto file = store_.create_unnamed().value();
  store_.publish(*file, "a").value();
  store_.rename("a", "dir/a").value();
  store_.sync_names("dir").value();
  EXPECT_THAT(listings(), UnorderedElementsAre("dir "));
  EXPECT_THAT(outcomes([](SimStore& s) { return std::to_string(s.list("dir")->size()); }),
              UnorderedElementsAre("1"));
}

TEST_F(SimCutTest, AnUnsyncedDirectoryTakesItsFilesAlong) {
  store_.make_directory("dir").value();
  auto file = store_.create_unnamed().value();
  store_.publish(*file, "dir/a").value();
  store_.sync_names("dir").value();
  EXPECT_THAT(listings(), UnorderedElementsAre("", "dir "));
}

TEST_F(SimCutTest, ARemovedFileComesBackWithItsData) {
  make("a", "data");
  store_.remove("a").value();
  EXPECT_THAT(contents("a"), UnorderedElementsAre("", "data"));
  store_.sync_names().value();
  EXPECT_THAT(contents("a"), UnorderedElementsAre(""));
}

TEST_F(SimCutTest, TornRenamesShowBothNamesWhichCannotBeOpened) {
  SimStore torn({.torn_renames = true});
  auto file = torn.create_unnamed().value();
  torn.publish(*file, "old").value();
  torn.sync_names().value();
  torn.rename("old", "new").value();
  std::set<std::string> seen;
  for (int seed = 0; seed < kSeeds; ++seed) {
    auto after = torn.power_cut(seed);
    seen.insert(names(*after));
    if (names(*after) == "new old ") {
      EXPECT_EQ(after->open("old").error().value(), EMLINK);
    }
  }
  EXPECT_THAT(seen, UnorderedElementsAre("old ", "new ", "new old "));
}

TEST_F(SimCutTest, LocksAndHandlesEndWithTheMachine) {
  auto file = make("a", "x");
  file->lock_owner().value();
  auto after = store_.power_cut(1);
  EXPECT_TRUE(after->open("a").value()->lock_owner().has_value());
}

TEST_F(SimCutTest, SettledIsAsIfAllWereSynced) {
  auto file = store_.create_unnamed().value();
  write(*file, 0, "x");
  store_.publish(*file, "a").value();
  auto settled = store_.settled();
  for (int seed = 0; seed < 20; ++seed) EXPECT_EQ(text(*settled->power_cut(seed), "a"), "x");
}

TEST_F(SimCutTest, FromTheCutOnEverythingFails) {
  auto file = make("a", "aaaa");
  store_.cut_at(store_.operations() + 1);
  write(*file, 0, "b");
  std::byte memory[1] = {std::byte{'c'}};
  EXPECT_EQ(write_at(*file, 1, memory).error(), SimStore::power_lost());
  EXPECT_TRUE(store_.is_cut());
  EXPECT_EQ(read_at(*file, 0, memory).error(), SimStore::power_lost());
  EXPECT_EQ(sync(*file).error(), SimStore::power_lost());
  EXPECT_EQ(file->sync_all().error(), SimStore::power_lost());
  EXPECT_EQ(store_.open("a").error(), SimStore::power_lost());
  EXPECT_EQ(store_.remove("a").error(), SimStore::power_lost());
  EXPECT_EQ(store_.list().error(), SimStore::power_lost());
  EXPECT_THAT(contents("a"), UnorderedElementsAre("aaaa", "baaa", "acaa", "bcaa"))
      << "the write under way may have arrived";
}

TEST_F(SimCutTest, ADurableWriteUnderWayIsNotDurableYet) {
  auto file = make("a", "a");
  store_.cut_at(store_.operations());
  std::byte memory[1] = {std::byte{'b'}};
  EXPECT_EQ(write_at(*file, 0, memory, true).error(), SimStore::power_lost());
  EXPECT_THAT(contents("a"), UnorderedElementsAre("a", "b"));
}

TEST_F(SimCutTest, TheTraceNamesTheOperations) {
  auto file = make("a", "aaaa");
  write(*file, 1, "b");
  EXPECT_EQ(store_.trace().size(), store_.operations());
  EXPECT_THAT(store_.trace().back(), ::testing::HasSubstr("write 2 1+1"));
}

/// The classic: does the harness catch the program that forgets one sync?
/// Replace a file's content by way of a second file and a rename.
void replace_safely(SimStore& store, const std::string& text, bool forget_data_sync) {
  auto file = store.create_unnamed().value();
  write_at(*file, 0, std::as_bytes(std::span(text))).value();
  if (!forget_data_sync) file->sync_all().value();
  store.publish(*file, "new").value();
  store.sync_names().value();
  store.remove("cur").value();
  store.rename("new", "cur").value();
  store.sync_names().value();
}

TEST_F(SimCutTest, AProgramThatForgetsASyncIsCaughtAndACorrectOneIsNot) {
  make("cur", "old");
  for (auto forgets : {false, true}) {
    auto bad = 0;
    auto lost = 0;
    auto machines = for_each_power_cut(
        store_, {.seeds_per_cut = 40},
        [&](SimStore& store) { replace_safely(store, "fresh", forgets); },
        [&](SimStore& store, bool finished) {
          auto current = text(store, "cur"), next = text(store, "new");
          bad += current != "old" && current != "fresh" && next != "fresh";
          lost += finished && current != "fresh";
        });
    EXPECT_GE(machines, 8U * 40);
    EXPECT_EQ(bad != 0, forgets);
    EXPECT_EQ(lost != 0, forgets);
  }
}

}  // namespace
}  // namespace caisson::tests
