// SPDX-License-Identifier: Apache-2.0
// What somebody does to a snapshot's files from the file side costs that snapshot, and
// those that read through it.
#include <gmock/gmock.h>

#include "snapshot/format/map_reader.hpp"
#include "tests/unit/snapshot/manager/lost_catalog.hpp"

namespace caisson::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class DamageTest : public LostTest {
 protected:
  void SetUp() override {
    LostTest::SetUp();
    machine->make("b", kSize);
    machine->cut({"b"}, "of-b");
    cut_and_change("old", 2, 0);
    damaged = cut_and_change("hurt", 3, 64 * 1024);
    newer = cut_and_change("new", 4, 128 * 1024);
    machine->fill("a", 5, 0, kSize);
    now = disk_of("a");
  }
  /// The one that is hurt says which file it is, and nothing else is.
  void expect_hurt(const std::string& file) {
    EXPECT_FALSE(valid("hurt"));
    EXPECT_EQ(view("hurt").condition, "invalid");
    EXPECT_THAT(view("hurt").record.reason, HasSubstr(file));
    EXPECT_FALSE(machine->events("snapshot.invalid").empty());
    EXPECT_TRUE(valid("new"));
    EXPECT_EQ(image_of("new"), newer);
    EXPECT_EQ(disk_of("a"), now);
    EXPECT_EQ(machine->snapshots().show("b", "of-b")->record.state,
              catalog::SnapshotState::present);
    auto fresh = cut_and_change("fresh", 6, 0);
    EXPECT_EQ(image_of("fresh"), fresh);
    EXPECT_TRUE(machine->snapshots().remove("a", "hurt", false));
  }
  void truncate(const std::string& name, std::uint64_t size) {
    auto file = disk->open(name, {.read_only = true});
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->set_writable());
    file = disk->open(name);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->resize(size));
    ASSERT_TRUE((*file)->sync_all());
  }
  /// Of the header.
  void damage(const std::string& name) {
    auto file = disk->open(name);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file_store::write_at(**file, 0, Bytes(16)));
    ASSERT_TRUE((*file)->sync_all());
  }
  /// Which has to be one that a segment began.
  void forget_last_record(const std::string& map) {
    constexpr std::size_t kRecord = 16;
    auto file = disk->open(map);
    ASSERT_TRUE(file);
    auto contents = snapshot::read_map(**file, map);
    ASSERT_TRUE(contents);
    ASSERT_EQ(contents->segments.size(), 1U);
    ASSERT_TRUE(file_store::write_at(**file, contents->end - kRecord, Bytes(kRecord)));
    ASSERT_TRUE((*file)->sync_all());
    ASSERT_TRUE(snapshot::read_map(**file, map)->segments.empty());
  }
  Bytes damaged, newer, now;
};

TEST_P(DamageTest, ALostMap) {
  const auto file = path(snapshot::map_name(view("hurt").record.uuid));
  stop();
  remove(file);
  begin();
  expect_hurt(file);
  EXPECT_FALSE(valid("old")) << "it reads through that one";
}

TEST_P(DamageTest, ALostImage) {
  const auto file = path(snapshot::hidden_image_name(view("hurt").record.uuid));
  stop();
  remove(file);
  begin();
  expect_hurt(file);
}

TEST_P(DamageTest, AnImageThatWasCutShort) {
  const auto file = path(snapshot::hidden_image_name(view("hurt").record.uuid));
  stop();
  truncate(file, kSize / 2);
  begin();
  expect_hurt(file);
}

TEST_P(DamageTest, ALostSegment) {
  if (GetParam() == Store::sharing) GTEST_SKIP() << "there are no segments";
  const auto file = path(snapshot::segment_name(view("hurt").record.uuid, 0));
  stop();
  remove(file);
  begin();
  expect_hurt(file);
}

/// One that was written just before the end, whose record in the map was not.
TEST_P(DamageTest, ALostSegmentOfWhichTheMapSaidNothingAtFirst) {
  if (GetParam() == Store::sharing) GTEST_SKIP() << "there are no segments";
  const auto uuid = view("new").record.uuid;
  stop();
  ASSERT_NO_FATAL_FAILURE(forget_last_record(path(snapshot::map_name(uuid))));
  begin();
  EXPECT_EQ(image_of("new"), newer);
  stop();
  remove(path(snapshot::segment_name(uuid, 0)));
  begin();
  EXPECT_FALSE(valid("new"));
}

TEST_P(DamageTest, ADamagedSegment) {
  if (GetParam() == Store::sharing) GTEST_SKIP() << "there are no segments";
  const auto file = path(snapshot::segment_name(view("hurt").record.uuid, 0));
  stop();
  damage(file);
  begin();
  expect_hurt(file);
}

TEST_P(DamageTest, ADamagedMap) {
  const auto file = path(snapshot::map_name(view("hurt").record.uuid));
  stop();
  damage(file);
  begin();
  expect_hurt(file);
  EXPECT_FALSE(valid("old"));
}

TEST_P(DamageTest, AWholeOnesFileThatIsRemovedWhileNothingRuns) {
  ASSERT_TRUE(machine->snapshots().export_to("a", "hurt"));
  ASSERT_TRUE(machine->until([&] { return view("hurt").record.complete; }));
  stop();
  remove(path("hurt.img"));
  begin();
  expect_hurt(path("hurt.img"));
}

TEST_P(DamageTest, AWholeOnesFileThatIsRemovedUnderneath) {
  ASSERT_TRUE(machine->snapshots().export_to("a", "hurt"));
  ASSERT_TRUE(machine->until([&] { return view("hurt").record.complete; }));
  EXPECT_EQ(image_of("hurt"), damaged);
  remove(path("hurt.img"));
  auto listed = machine->snapshots().list("a");
  ASSERT_TRUE(listed);
  ASSERT_THAT(*listed, SizeIs(3));
  EXPECT_EQ(listed->at(1).condition, "invalid");
  expect_hurt(path("hurt.img"));
}

TEST_P(DamageTest, AWholeOnesFileThatIsCutShortUnderneath) {
  ASSERT_TRUE(machine->snapshots().export_to("a", "hurt"));
  ASSERT_TRUE(machine->until([&] { return view("hurt").record.complete; }));
  truncate(path("hurt.img"), kSize / 2);
  Bytes bytes(4096);
  EXPECT_FALSE(machine->snapshots().read(view("new").record.uuid, 0, bytes) &&
               machine->snapshots().read(view("hurt").record.uuid, kSize - 4096, bytes))
      << "what is not there is no zeros";
  expect_hurt(path("hurt.img"));
}

INSTANTIATE_TEST_SUITE_P(Stores, DamageTest, ::testing::Values(Store::copying, Store::sharing),
                         [](const auto& param) {
                           return param.param == Store::copying ? "copies" : "shares";
                         });

}  // namespace
}  // namespace caisson::tests
