// SPDX-License-Identifier: Apache-2.0
// Maps on a store that is full.
#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/format/files.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

/// Takes all the space that is left.
std::unique_ptr<file_store::File> fill(SimStore& store) {
  auto file = store.create_unnamed().value();
  for (std::uint64_t at = 0;; at += kRecordBlock)
    if (!file_store::write_at(*file, at, filled(kRecordBlock, 1))) return file;
}

class MapRoomTest : public ::testing::TestWithParam<bool> {
 protected:
  static tests::SimOptions options() {
    tests::SimOptions options{.capacity = 4 * kMiB};
    options.traits.allocate = GetParam();
    return options;
  }
  /// Flushes captured units, one a flush, until the store is full. Returns how many.
  static std::uint64_t exhaust(MapWriter& map) {
    for (std::uint64_t unit = 0;; ++unit) {
      const Runs runs(500, UnitRun{unit, 1});
      map.append(Captured{runs}).value();
      if (auto done = map.flush(); !done) {
        EXPECT_EQ(done.error().code, Errc::no_space);
        return unit;
      }
    }
  }

  SimStore store_{options()};
  std::unique_ptr<file_store::File> file_ = new_file(store_, "m");
};

TEST_P(MapRoomTest, OfAFullStoreTheWriterComesBack) {
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  auto rest = fill(store_);
  auto flushed = exhaust(map);
  EXPECT_GT(flushed, 5U);
  EXPECT_TRUE(map.usable());
  EXPECT_TRUE(map.waiting());
  EXPECT_EQ(read_map(*file_, kLabel).value().records, flushed);
  rest.reset();
  map.flush().value();
  EXPECT_EQ(read_map(*file_, kLabel).value().records, flushed + 1);
}

TEST_P(MapRoomTest, LastWordsFindRoom) {
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  auto rest = fill(store_);
  auto flushed = exhaust(map);
  map.discard();
  const std::string reason(kMaxReason, 'r');
  for (const auto& record :
       std::vector<Record>{GivenUp{reason}, Ghost{}, Sealed{example_header().lun}}) {
    map.append(record).value();
    auto done = map.flush();
    ASSERT_TRUE(done) << done.error().message;
  }
  auto cut = store_.power_cut(1);
  auto contents = read_map(*cut->open("m").value(), kLabel).value();
  EXPECT_EQ(contents.records, flushed + 3);
  EXPECT_EQ(contents.given_up, reason);
  EXPECT_TRUE(contents.ghost);
  EXPECT_TRUE(contents.sealed_by);
}

TEST_P(MapRoomTest, LastWordsDoNotTakeRecordsThatNeedRoomWithThem) {
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  auto rest = fill(store_);
  exhaust(map);
  map.append(Ghost{}).value();
  EXPECT_EQ(map.flush().error().code, Errc::no_space);
  EXPECT_TRUE(map.usable());
}

TEST_P(MapRoomTest, LastWordsOnAFullStoreOverwriteNoBlockThatIsInUse) {
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  auto rest = fill(store_);
  exhaust(map);
  map.discard();
  auto before = map.size();
  map.append(Ghost{}).value();
  map.flush().value();
  EXPECT_NE(before % kRecordBlock, 0U);
  EXPECT_EQ(map.size(), (before / kRecordBlock + 1) * kRecordBlock + sizeof(RecordHeader));
}

TEST_P(MapRoomTest, TheReserveIsThereAfterARestart) {
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  auto rest = fill(store_);
  auto flushed = exhaust(map);
  auto next = store_.power_cut(flushed);  // `rest` is gone with the machine
  auto file = next->open("m").value();
  auto filler = fill(*next);
  auto again = MapWriter::open_at(*file, kLabel, read_map(*file, kLabel).value()).value();
  again.append(GivenUp{"full"}).value();
  auto done = again.flush();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(read_map(*file, kLabel).value().given_up, "full");
}

TEST_P(MapRoomTest, AFileThatSomebodyMadeLongTakesNoRoom) {
  {
    auto map = MapWriter::create(*file_, kLabel, example_header()).value();
    map.append(Cut{1}).value();
    map.flush().value();
  }
  file_->resize(std::uint64_t{1} << 50).value();
  file_store::write_at(*file_, std::uint64_t{1} << 49, filled(1, 1)).value();
  auto contents = read_map(*file_, kLabel).value();
  EXPECT_EQ(contents.records, 1U);
  auto map = MapWriter::open_at(*file_, kLabel, contents).value();
  map.append(Ghost{}).value();
  map.flush().value();
  EXPECT_LT(file_->attributes().value().size, kMiB);
  EXPECT_LT(store_.space().value().capacity - store_.space().value().available, kMiB);
  EXPECT_TRUE(read_map(*file_, kLabel).value().ghost);
}

TEST_P(MapRoomTest, WithoutRoomForAHeaderNoneIsBegun) {
  auto rest = fill(store_);
  EXPECT_EQ(MapWriter::create(*file_, kLabel, example_header()).error().code, Errc::no_space);
}

TEST_P(MapRoomTest, AnyStepMayMeetTheFullStoreOnce) {
  for (std::uint64_t step = 0;; ++step) {
    SimStore store(options());
    auto file = new_file(store, "m");
    auto map = MapWriter::create(*file, kLabel, example_header()).value();
    auto before = store.hits();
    store.inject({.skip = step, .error = ENOSPC});
    std::uint64_t flushed = 0;
    for (std::uint64_t i = 0; i < 40 && map.usable(); ++i) {
      map.append(Captured{Runs(500, UnitRun{i, 1})}).value();
      auto done = map.flush();
      if (!done && map.usable()) done = map.flush();
      if (done) flushed = i + 1;
    }
    auto records = read_map(*file, kLabel).value().records;
    EXPECT_TRUE(records == flushed || (!map.usable() && records == flushed + 1)) << "step " << step;
    if (store.hits() == before) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Room, MapRoomTest, ::testing::Bool(), [](const auto& info) {
  return info.param ? std::string("Allocated") : std::string("Zeroed");
});

}  // namespace
}  // namespace caisson::snapshot
