// SPDX-License-Identifier: Apache-2.0
// Shared blocks of the simulation: what a power cut leaves of them, and what their
// addresses say afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <set>

#include "tests/support/sim_store.hpp"

namespace caisson::tests {
namespace {

using file_store::File;
using file_store::FileOp;
using file_store::MapExtent;
using file_store::MapState;
using file_store::sync;
using ::testing::AllOf;
using ::testing::UnorderedElementsAre;

constexpr std::uint64_t kPage = SimBytes::kPage;
constexpr int kSeeds = 300;

SimOptions cloning(SimOptions options = {}) {
  options.traits.clone = true;
  return options;
}

class SimCloneTest : public ::testing::Test {
 protected:
  /// A file of pages full of a letter each, durable.
  std::unique_ptr<File> make(const std::string& name, const std::string& letters) {
    auto file = store_.create_unnamed().value();
    for (std::size_t i = 0; i < letters.size(); ++i) write(*file, i, letters[i]);
    file->sync_all().value();
    store_.publish(*file, name).value();
    store_.sync_names().value();
    return file;
  }
  static void write(File& file, std::uint64_t page, char letter, bool durable = false) {
    std::string text(kPage, letter);
    write_at(file, page * kPage, std::as_bytes(std::span(text)), durable).value();
  }
  static void clone(File& source, File& target, std::uint64_t pages) {
    target.clone_range(source, 0, pages * kPage, 0).value();
  }
  /// One letter a page; "?" for a page that is torn.
  static std::string letters(const SimStore& store, const std::string& name) {
    auto bytes = store.content(name);
    std::string all;
    for (std::size_t at = 0; at < bytes.size(); at += kPage) {
      auto page = std::span(bytes).subspan(at, std::min<std::size_t>(kPage, bytes.size() - at));
      auto whole = std::ranges::all_of(page, [&](auto byte) { return byte == page[0]; });
      all += !whole ? '?' : page[0] == std::byte{0} ? '.' : static_cast<char>(page[0]);
    }
    return all;
  }
  std::set<std::string> outcomes(const std::function<std::string(SimStore&)>& observe) const {
    std::set<std::string> seen;
    for (int seed = 0; seed < kSeeds; ++seed) seen.insert(observe(*store_.power_cut(seed)));
    return seen;
  }
  std::set<std::string> contents(const std::string& name) const {
    return outcomes([&](SimStore& store) { return letters(store, name); });
  }
  static MapExtent at(File& file, std::uint64_t page) {
    MapExtent room[1];
    EXPECT_EQ(file.extent_map(page * kPage, kPage, room)->count, 1U);
    return room[0];
  }

  SimStore store_{cloning()};
};

TEST_F(SimCloneTest, ACloneIsLostInAnyPartWhateverBecomesOfItsSource) {
  auto source = make("source", "ab");
  auto target = make("target", "xy");
  clone(*source, *target, 2);
  write(*source, 0, 'A');
  source->sync_all().value();
  store_.sync_names().value();
  EXPECT_THAT(contents("target"), UnorderedElementsAre("xy", "ay", "xb", "ab"));
  EXPECT_THAT(contents("source"), UnorderedElementsAre("Ab"));
}

TEST_F(SimCloneTest, ASyncOfItsOwnFileMakesItDurableOfWhateverKind) {
  for (auto all : {true, false}) {
    auto name = all ? "all" : "data";
    auto source = make(std::string("of ") + name, "ab");
    auto target = make(name, "");
    clone(*source, *target, 2);
    write(*source, 0, 'A');
    all ? target->sync_all().value() : sync(*target).value();
    EXPECT_THAT(contents(name), UnorderedElementsAre("ab"));
  }
}

TEST_F(SimCloneTest, ALostCloneMayLeaveItsSize) {
  auto source = make("source", "a");
  auto target = make("target", "");
  clone(*source, *target, 1);
  EXPECT_THAT(contents("target"), UnorderedElementsAre("", ".", "a"));
}

TEST_F(SimCloneTest, ItOutlivesTheWritesThatItsSourceLoses) {
  auto source = make("source", "a");
  write(*source, 0, 'b');
  auto target = make("target", "x");
  clone(*source, *target, 1);
  sync(*target).value();
  EXPECT_THAT(contents("target"), UnorderedElementsAre("b"));
  EXPECT_THAT(contents("source"), AllOf(::testing::Contains("a"), ::testing::Contains("b")));
}

TEST_F(SimCloneTest, HolesAreClonedAndLostLikeData) {
  auto source = make("source", "a");
  source->resize(2 * kPage).value();
  auto target = make("target", "xy");
  clone(*source, *target, 2);
  EXPECT_THAT(contents("target"), UnorderedElementsAre("xy", "ay", "x.", "a."));
}

TEST_F(SimCloneTest, ADurableWriteBesideItDoesNotCoverIt) {
  auto source = make("source", "abc");
  auto target = make("target", "xyz");
  clone(*source, *target, 3);
  write(*target, 1, '!', true);
  EXPECT_THAT(contents("target"), UnorderedElementsAre("x!z", "a!z", "x!c", "a!c"));
}

TEST_F(SimCloneTest, OfAPageThatAFailedWritebackLostItHasWhatTheDiskHas) {
  auto source = make("source", "ab");
  write(*source, 0, 'A');
  store_.fail_writeback("source", EIO);
  write(*source, 1, 'B');
  auto target = make("target", "xy");
  clone(*source, *target, 2);
  EXPECT_EQ(letters(store_, "source"), "AB");
  EXPECT_EQ(letters(store_, "target"), "aB");
}

TEST_F(SimCloneTest, AFailedSyncLosesIt) {
  auto source = make("source", "a");
  auto target = make("target", "x");
  clone(*source, *target, 1);
  store_.inject({.op = SimOp::sync, .error = EIO});
  EXPECT_FALSE(sync(*target));
  (void)sync(*target);
  EXPECT_TRUE(target->sync_all());
  EXPECT_THAT(contents("target"), UnorderedElementsAre("x"));
  EXPECT_EQ(letters(store_, "target"), "a");
}

TEST_F(SimCloneTest, TheOneUnderWayIsDoneInPartOrNotAtAll) {
  for (auto under_way : {SimUnderWay::not_begun, SimUnderWay::partly, SimUnderWay::done}) {
    auto run = std::make_unique<SimStore>(cloning());
    auto source = run->create_unnamed().value(), target = run->create_unnamed().value();
    for (std::uint64_t page = 0; page < 4; ++page) write(*source, page, 'a');
    for (std::uint64_t page = 0; page < 4; ++page) write(*target, page, 'x');
    target->sync_all().value();
    run->publish(*target, "target").value();
    run->sync_names().value();
    run->cut_at(run->operations(), under_way);
    EXPECT_EQ(target->clone_range(*source, 0, 4 * kPage, 0).error(), SimStore::power_lost());
    auto live = letters(*run, "target");
    if (under_way == SimUnderWay::not_begun) {
      EXPECT_EQ(live, "xxxx");
    } else if (under_way == SimUnderWay::done) {
      EXPECT_EQ(live, "aaaa");
    } else {
      EXPECT_EQ(live[0], 'a');
    }
  }
}

TEST_F(SimCloneTest, AFaultLeavesTheTargetAlone) {
  auto source = make("source", "a"), target = make("target", "x");
  store_.inject({.op = SimOp::clone, .error = ENOSPC});
  EXPECT_EQ(target->clone_range(*source, 0, kPage, 0).error().value(), ENOSPC);
  EXPECT_EQ(letters(store_, "target"), "x");
  EXPECT_THAT(store_.trace().back(), ::testing::HasSubstr("clone"));
}

TEST_F(SimCloneTest, AFullStoreClonesNothingMore) {
  SimStore full(cloning({.capacity = 3 * kPage}));
  auto source = full.create_unnamed().value(), target = full.create_unnamed().value();
  write(*source, 0, 'a'), write(*source, 1, 'b'), write(*target, 0, 'x');
  EXPECT_EQ(target->clone_range(*source, 0, 2 * kPage, 0).error().value(), ENOSPC);
  EXPECT_TRUE(target->clone_range(*source, 0, kPage, 0)) << "in place of what is there";
}

TEST_F(SimCloneTest, AWriteInPlaceKeepsItsAddressSoThatAStoredMapMissesIt) {
  auto file = make("a", "a");
  auto before = at(*file, 0);
  write(*file, 0, 'b');
  sync(*file).value();
  EXPECT_EQ(at(*file, 0), before);
}

TEST_F(SimCloneTest, OptionsMakeMapsUntrustedOrAbsent) {
  SimStore doubtful(cloning({.untrusted_percent = 30}));
  auto file = doubtful.create_unnamed().value();
  int untrusted = 0;
  write(*file, 0, 'a');
  for (int i = 0; i < 200; ++i) {
    auto extent = at(*file, 0);
    untrusted += extent.state == MapState::untrusted;
    EXPECT_EQ(extent.address == 0, extent.state == MapState::untrusted);
  }
  EXPECT_GT(untrusted, 20);
  EXPECT_LT(untrusted, 120);
  SimStore without(SimOptions{.maps = false});
  MapExtent room[1];
  auto other = without.create_unnamed().value();
  EXPECT_EQ(other->extent_map(0, kPage, room).error().value(), EOPNOTSUPP);
  EXPECT_EQ(other->count_extents(0, kPage, 1).error().value(), EOPNOTSUPP);
}

TEST_F(SimCloneTest, SharedAddressesOutliveACut) {
  auto source = make("source", "abcd"), target = make("target", "");
  clone(*source, *target, 4);
  sync(*target).value();
  write(*source, 1, 'B');
  sync(*source).value();
  auto after = store_.power_cut(7);
  auto one = after->open("source").value(), two = after->open("target").value();
  for (std::uint64_t page : {0, 2, 3}) EXPECT_EQ(at(*one, page).address, at(*two, page).address);
  EXPECT_NE(at(*one, 1).address, at(*two, 1).address);
}

/// Every page of `a` and `b` that has one address has one content.
void expect_addresses_true(SimStore& store, std::uint64_t pages) {
  std::map<std::uint64_t, std::string> content;
  for (const auto* name : {"a", "b"}) {
    auto file = store.open(name).value();
    auto size = file->attributes()->size;
    for (std::uint64_t page = 0; page < pages && (page + 1) * kPage <= size; ++page) {
      MapExtent room[1];
      ASSERT_TRUE(file->extent_map(page * kPage, kPage, room));
      if (room[0].state != MapState::placed) continue;
      std::string text(kPage, '?');
      read_at(*file, page * kPage, std::as_writable_bytes(std::span(text))).value();
      auto [known, is_new] = content.emplace(room[0].address, text);
      ASSERT_TRUE(is_new || known->second == text) << name << " page " << page;
    }
  }
}

TEST_F(SimCloneTest, OneAddressMeansOneContentThroughSyncsAndCuts) {
  constexpr std::uint64_t kPages = 12;
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    auto store = std::make_unique<SimStore>(cloning());
    for (const auto* name : {"a", "b"}) {
      auto file = store->create_unnamed().value();
      file->resize(kPages * kPage).value();
      store->publish(*file, name).value();
    }
    store = store->settled();
    for (int step = 0; step < 120; ++step) {
      auto one = store->open("a").value(), two = store->open("b").value();
      if (random() % 2) std::swap(one, two);
      auto page = random() % kPages, count = 1 + random() % (kPages - page);
      switch (random() % 8) {
        case 0:
        case 1: write(*one, page, static_cast<char>('a' + random() % 26), random() % 4 == 0); break;
        case 2: {
          std::string part(100, static_cast<char>('A' + random() % 26));
          write_at(*one, page * kPage + 50, std::as_bytes(std::span(part)), random() % 4 == 0);
          break;
        }
        case 3:
          apply(*one, random() % 2 ? FileOp::punch : FileOp::zero, page * kPage, kPage);
          break;
        case 4: one->resize(kPages * kPage - random() % 3 * 1000).value(); break;
        case 5: sync(*one).value(); break;
        case 6: one->sync_all().value(); break;
        default:
          one->resize(kPages * kPage).value(), two->resize(kPages * kPage).value();
          one->clone_range(*two, page * kPage, count * kPage,
                           random() % (kPages - count + 1) * kPage)
              .value();
      }
      if (step % 10 == 0) {
        expect_addresses_true(*store, kPages);
        expect_addresses_true(*store->power_cut(random()), kPages);
      }
      if (random() % 40 == 0) {
        one.reset(), two.reset();
        store = random() % 2 ? store->power_cut(random()) : store->killed();
      }
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
  }
}

TEST_F(SimCloneTest, TheModeNeedsAFullSync) {
  auto file = make("a", "a");
  file->set_read_only().value();
  write(*file, 0, 'b');
  sync(*file).value();
  auto mode = [](SimStore& store) {
    return std::string(store.look_up("a")->read_only ? "read-only" : "writable");
  };
  EXPECT_THAT(outcomes(mode), UnorderedElementsAre("read-only", "writable"));
  file->sync_all().value();
  EXPECT_THAT(outcomes(mode), UnorderedElementsAre("read-only"));
}

TEST_F(SimCloneTest, ARenamedDirectoryKeepsOneOfItsNames) {
  store_.make_directory("old").value();
  store_.publish(*store_.create_unnamed().value(), "old/a").value();
  store_.sync_names("old").value();
  store_.sync_names().value();
  store_.rename("old", "new").value();
  auto seen = outcomes([](SimStore& store) {
    return store.list().value()[0].name + "/" +
           store.list(store.list().value()[0].name).value()[0].name;
  });
  EXPECT_THAT(seen, UnorderedElementsAre("old/a", "new/a"));
}

}  // namespace
}  // namespace caisson::tests
