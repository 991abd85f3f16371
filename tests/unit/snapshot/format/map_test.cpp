// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/format/files.hpp"

namespace caisson::snapshot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const auto kOther = *Uuid::parse("11111111-2222-4333-8444-555555555555");

class MapTest : public ::testing::Test {
 protected:
  MapContents read(Told& told) { return read_map(*file_, kLabel, told).value(); }
  static Errc code_of(const MapBytes& map) {
    SimStore store;
    auto file = file_of(store, map.bytes);
    Told told;
    auto contents = read_map(*file, kLabel, told);
    if (contents) return Errc{};
    EXPECT_THAT(contents.error().message, HasSubstr(kLabel));
    return to_errc(contents.error().code);
  }

  SimStore store_;
  std::unique_ptr<file_store::File> file_ = new_file(store_, "m");
};

TEST_F(MapTest, SaysWhatWasAppended) {
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  const Runs runs{{0, 3}, {16777215, 1}};
  const std::vector<Record> records{
      Cut{1764500000123}, Captured{runs}, Hole{runs},          Moved{9, runs}, Named{"renamed"},
      Sealed{kOther},     Complete{},     GivenUp{"full\n é"}, Ghost{},        Begun{11}};
  for (const auto& record : records) map.append(record).value();
  map.flush().value();
  Told told;
  auto contents = read(told);
  EXPECT_EQ(contents.cut_ms, 1764500000123);
  EXPECT_EQ(contents.name, "renamed");
  EXPECT_EQ(contents.header.name, "noon");
  EXPECT_EQ(contents.sealed_by, kOther);
  EXPECT_TRUE(contents.complete);
  EXPECT_TRUE(contents.ghost);
  EXPECT_EQ(contents.given_up, "full? ??");
  EXPECT_EQ(contents.records, 10U);
  EXPECT_THAT(contents.segments, ElementsAre(11U));
  EXPECT_EQ(contents.next_segment, 12U);
  EXPECT_EQ(contents.end, map.size());
  EXPECT_THAT(told.lines,
              ElementsAre("captured 0+3", "captured 16777215+1", "hole 0+3", "hole 16777215+1",
                          "moved 0+3", "moved 16777215+1", "segment 9"));
}

TEST_F(MapTest, OfARecordNobodyWroteNothingIsSaid) {
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  auto contents = read_map(*file_, kLabel).value();
  EXPECT_FALSE(contents.cut_ms || contents.sealed_by || contents.given_up);
  EXPECT_FALSE(contents.complete || contents.ghost);
  EXPECT_EQ(contents.name, "noon");
  EXPECT_EQ(contents.end, kHeaderBlock);
}

TEST_F(MapTest, WhatWaitsForAFlushIsNotWritten) {
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  map.append(Complete{}).value();
  EXPECT_TRUE(map.waiting());
  EXPECT_FALSE(read_map(*file_, kLabel).value().complete);
  map.discard();
  map.append(Ghost{}).value();
  map.flush().value();
  EXPECT_FALSE(map.waiting());
  auto contents = read_map(*file_, kLabel).value();
  EXPECT_FALSE(contents.complete);
  EXPECT_TRUE(contents.ghost);
}

TEST_F(MapTest, AFlushIsOneWriteAndOneSync) {
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  const Runs runs{{1, 1}};
  auto before = store_.trace().size();
  for (int i = 0; i < 100; ++i) map.append(Captured{runs}).value();
  map.flush().value();
  auto trace = store_.trace();
  ASSERT_EQ(trace.size(), before + 2) << ::testing::PrintToString(trace);
  EXPECT_THAT(trace[before], HasSubstr("write"));
  EXPECT_THAT(trace[before + 1], HasSubstr("sync"));
}

TEST_F(MapTest, ManyRunsAreSeveralRecordsOfWhichOnlyTheLastSaysMoved) {
  Runs runs;
  for (std::uint64_t i = 0; i < 20000; ++i) runs.push_back({i * 2, 1});
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  map.append(Moved{3, runs}).value();
  map.flush().value();
  Told told;
  auto contents = read(told);
  EXPECT_GT(contents.records, 2U);
  ASSERT_EQ(told.lines.size(), runs.size() + 1);
  EXPECT_EQ(told.lines.front(), "captured 0+1");
  EXPECT_EQ(told.lines[runs.size() - 1], "moved 39998+1");
  EXPECT_EQ(told.lines.back(), "segment 3");
}

TEST_F(MapTest, ASegmentOfZerosIsMovedWithoutRuns) {
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  map.append(Moved{3, {}}).value();
  map.append(Captured{{}}).value();
  map.flush().value();
  Told told;
  EXPECT_EQ(read(told).records, 1U);
  EXPECT_THAT(told.lines, ElementsAre("segment 3"));
}

TEST_F(MapTest, WhatNoMapCanHoldIsRefusedAndTheRestStays) {
  auto header = example_header();
  auto map = MapWriter::create(*file_, kLabel, header).value();
  map.append(Cut{5}).value();
  const Runs beyond{{0, 1}, {header.units(), 1}};
  for (const auto& record : std::vector<Record>{Captured{beyond}, Hole{beyond}, Moved{0, beyond},
                                                Named{"../x"}, Named{std::string(70, 'a')}})
    EXPECT_EQ(map.append(record).error().code, Errc::invalid_argument);
  map.append(GivenUp{std::string(5000, 'x')}).value();
  map.flush().value();
  auto contents = read_map(*file_, kLabel).value();
  EXPECT_EQ(contents.records, 2U);
  EXPECT_EQ(contents.given_up, std::string(kMaxReason, 'x'));
}

TEST_F(MapTest, IsBegunInAnEmptyFileOnly) {
  file_store::write_at(*file_, 0, filled(1, 1)).value();
  EXPECT_EQ(MapWriter::create(*file_, kLabel, example_header()).error().code,
            Errc::invalid_argument);
  auto other = new_file(store_, "other");
  EXPECT_EQ(MapWriter::create(*other, kLabel, {}).error().code, Errc::invalid_argument);
}

TEST_F(MapTest, ARecordThatDoesNotHangFromTheOneBeforeEndsTheMap) {
  MapBytes one, two;
  one.add(RecordKind::complete);
  two.add(RecordKind::ghost);
  auto hanging = one.bytes.size();
  // The second record of `two` is a whole one, but of another chain.
  two.add(RecordKind::given_up);
  one.bytes.insert(one.bytes.end(), two.bytes.begin() + static_cast<std::ptrdiff_t>(hanging),
                   two.bytes.end());
  SimStore store;
  auto contents = read_map(*file_of(store, one.bytes), kLabel).value();
  EXPECT_TRUE(contents.complete);
  EXPECT_FALSE(contents.given_up);
  EXPECT_EQ(contents.end, hanging);
}

TEST_F(MapTest, ARecordOfAnotherSnapshotsMapEndsTheMap) {
  auto header = example_header();
  header.snapshot = kOther;
  MapBytes other(header), map;
  other.add(RecordKind::complete);
  map.bytes.insert(map.bytes.end(), other.bytes.begin() + kHeaderBlock, other.bytes.end());
  SimStore store;
  EXPECT_EQ(read_map(*file_of(store, map.bytes), kLabel).value().records, 0U);
}

TEST_F(MapTest, EveryFlippedByteEndsTheMapBeforeItsRecord) {
  MapBytes map;
  std::vector<std::size_t> ends{map.bytes.size()};
  for (auto kind : {RecordKind::complete, RecordKind::ghost, RecordKind::complete}) {
    map.add(kind);
    ends.push_back(map.bytes.size());
  }
  for (auto i = kHeaderBlock; i < map.bytes.size(); ++i) {
    auto bad = map.bytes;
    bad[i] ^= std::byte{0x20};
    SimStore store;
    auto contents = read_map(*file_of(store, bad), kLabel).value();
    EXPECT_EQ(contents.records, std::ranges::upper_bound(ends, i) - ends.begin() - 1) << i;
  }
}

TEST_F(MapTest, RecordsThatCheckButCannotBeAreCorrupt) {
  auto run = [](std::uint64_t packed) {
    Bytes bytes(8);
    store(std::span(bytes), le64(packed));
    return bytes;
  };
  const auto units = example_header().units();
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::captured, run(pack({units - 1, 1})))), Errc{});
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::captured, run(pack({units, 1})))), Errc::corrupt);
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::hole, run(pack({units - 1, 2})))), Errc::corrupt);
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::hole, run(5))), Errc::corrupt);
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::captured, filled(7, 0))), Errc::corrupt);
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::moved, filled(3, 0))), Errc::corrupt);
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::moved, filled(11, 0))), Errc::corrupt);
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::cut, filled(7, 0))), Errc::corrupt);
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::named, filled(3, '/'))), Errc::corrupt);
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::sealed, filled(15, 0))), Errc::corrupt);
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::complete, filled(1, 0))), Errc::corrupt);
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::begun, filled(3, 0))), Errc::corrupt);
  EXPECT_EQ(code_of(MapBytes().add(RecordKind::given_up, filled(513, 'x'))), Errc::corrupt);
}

TEST_F(MapTest, UnknownKindsMayBeSkippedOrMayNot) {
  EXPECT_EQ(code_of(MapBytes().add(kIgnorable | 2, filled(3, 1)).add(RecordKind::ghost)), Errc{});
  EXPECT_EQ(code_of(MapBytes().add(10)), Errc::unsupported);
  SimStore store;
  auto map = MapBytes().add(kIgnorable | 77, filled(3, 1)).add(RecordKind::ghost);
  auto contents = read_map(*file_of(store, map.bytes), kLabel).value();
  EXPECT_TRUE(contents.ghost);
  EXPECT_EQ(contents.records, 2U);
}

TEST_F(MapTest, AVisitorsFailureEndsTheReading) {
  class Unwilling final : public MapVisitor {
    Outcome<> on_runs(RecordKind, std::span<const UnitRun>) override {
      return failure(Errc::cancelled, "enough");
    }
    Outcome<> on_moved(std::uint32_t) override { return {}; }
  } unwilling;
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  map.append(Captured{Runs{{1, 1}}}).value();
  map.flush().value();
  EXPECT_EQ(read_map(*file_, kLabel, unwilling).error().code, Errc::cancelled);
}

TEST_F(MapTest, ALongMapIsReadThroughOneWindow) {
  auto map = MapWriter::create(*file_, kLabel, example_header()).value();
  std::vector<std::string> expected;
  for (std::uint64_t i = 0; i < 60; ++i) {
    Runs runs;
    for (std::uint64_t k = 0; k < 2000 + i; ++k) runs.push_back({i * 10000 + 2 * k, 1});
    map.append(Captured{runs}).value();
    if (i % 7 == 0) map.flush().value();
    for (const auto& run : runs) expected.push_back("captured " + std::to_string(run.first) + "+1");
  }
  map.flush().value();
  Told told;
  EXPECT_EQ(read(told).end, map.size());
  EXPECT_EQ(told.lines, expected);
}

TEST_F(MapTest, AFailedFlushIsForGood) {
  for (auto op : {SimOp::write, SimOp::sync}) {
    auto file = new_file(store_, op == SimOp::write ? "w" : "s");
    auto map = MapWriter::create(*file, kLabel, example_header()).value();
    map.append(Cut{1}).value();
    store_.inject({.op = op, .error = EIO});
    auto first = map.flush();
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().code, Errc::io_error);
    EXPECT_THAT(first.error().message, HasSubstr(kLabel));
    EXPECT_FALSE(map.usable());
    EXPECT_EQ(map.flush().error().message, first.error().message);
    EXPECT_EQ(map.append(Complete{}).error().message, first.error().message);
    map.discard();
    EXPECT_FALSE(map.flush());
  }
}

TEST_F(MapTest, OfReadOnlyFeaturesItIsReadAndNotContinued) {
  auto header = example_header();
  header.features.read_only_compatible = 2;
  auto map = MapBytes(header).add(RecordKind::complete);
  auto file = file_of(store_, map.bytes);
  auto contents = read_map(*file, kLabel).value();
  EXPECT_TRUE(contents.complete);
  EXPECT_EQ(MapWriter::open_at(*file, kLabel, contents).error().code, Errc::unsupported);
}

}  // namespace
}  // namespace caisson::snapshot
