// SPDX-License-Identifier: Apache-2.0
// Where the blocks of a file lie, and files that nobody shall write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "tests/unit/storage_object/file_store/contract.hpp"

namespace caisson::file_store {
namespace {

using ::testing::UnorderedElementsAre;

class MapContract : public ContractTest {
 protected:
  void SetUp() override {
    ContractTest::SetUp();
    if (!IsSkipped() && !maps()) GTEST_SKIP() << "no maps here";
  }
  /// Every second block of that many, so that each is an extent of its own.
  std::unique_ptr<File> fragmented(std::uint64_t count) {
    auto file = make();
    file->resize(2 * count * kBlock).value();  // else xfs allocates ahead, between them
    for (std::uint64_t i = 0; i < count; ++i) write(*file, 2 * i * kBlock, blocks("a"));
    file->sync_all().value();
    return file;
  }
  static void expect_gapless(const std::vector<MapExtent>& map, std::uint64_t offset,
                             std::uint64_t length) {
    auto at = offset;
    for (const auto& extent : map) {
      EXPECT_EQ(extent.offset, at);
      EXPECT_GT(extent.length, 0U);
      at = extent.end();
    }
    EXPECT_EQ(at, offset + length);
  }
};

constexpr auto kAll = {Kind::sim, Kind::posix, Kind::xfs, Kind::btrfs};
INSTANTIATE_TEST_SUITE_P(, MapContract, ::testing::ValuesIn(kAll),
                         [](const auto& kind) { return name_of(kind.param); });

TEST_P(MapContract, UnsyncedDataIsInItAndTheRestIsHoles) {
  auto file = make();
  write(*file, 4 * kBlock, std::string(4 * kBlock, 'a'));
  auto found = map(*file, 0, 100 * kBlock);
  expect_gapless(found, 0, 100 * kBlock);
  for (const auto& extent : found) {
    auto inside = extent.offset >= 4 * kBlock && extent.end() <= 8 * kBlock;
    EXPECT_EQ(extent.state, inside ? MapState::placed : MapState::hole);
    EXPECT_EQ(extent.address != 0, inside);
    EXPECT_FALSE(extent.shared);
  }
  EXPECT_EQ(map(*make(), 0, kBlock).size(), 1U);
}

TEST_P(MapContract, ItIsCutAtTheEdgesAndTheSameInAnyPieces) {
  auto file = fragmented(300);
  const std::uint64_t from = kBlock / 2, length = 601 * kBlock;
  auto whole = map(*file, from, length, 1000);
  expect_gapless(whole, from, length);
  EXPECT_EQ(whole.size(), 600U);
  EXPECT_EQ(whole[0].length, kBlock / 2);
  EXPECT_EQ(whole[0].address, map(*file, 0, kBlock)[0].address + kBlock / 2);
  for (std::size_t room : {1, 2, 3, 7, 128, 129}) EXPECT_EQ(map(*file, from, length, room), whole);
}

TEST_P(MapContract, AllocatedSpaceReadsAsZeros) {
  auto file = make(blocks("a"));
  if (!file->traits().allocate) GTEST_SKIP() << "not on this file system";
  ASSERT_TRUE(apply(*file, FileOp::allocate, kBlock, 7 * kBlock));
  ASSERT_TRUE(file->resize(16 * kBlock));
  auto found = map(*file, kBlock, 15 * kBlock);
  expect_gapless(found, kBlock, 15 * kBlock);
  EXPECT_TRUE(std::ranges::all_of(found, &MapExtent::zeros));
  EXPECT_EQ(found[0].state, MapState::unwritten);
  write(*file, 2 * kBlock, blocks("b"));
  EXPECT_EQ(map(*file, 2 * kBlock, kBlock)[0].state, MapState::placed);
  ASSERT_TRUE(apply(*file, FileOp::punch, 0, 16 * kBlock));
  for (const auto& extent : map(*file, 0, 16 * kBlock)) EXPECT_EQ(extent.state, MapState::hole);
}

TEST_P(MapContract, ExtentsAreCountedUpToALimit) {
  auto file = fragmented(300);
  EXPECT_EQ(file->count_extents(0, 600 * kBlock, 64).value(), 64U);
  EXPECT_EQ(file->count_extents(0, 600 * kBlock, 1000).value(), 300U);
  EXPECT_EQ(file->count_extents(0, 8 * kBlock, 64).value(), 4U);
  EXPECT_EQ(file->count_extents(kBlock, kBlock, 64).value(), 0U);
  EXPECT_EQ(file->count_extents(0, 600 * kBlock, 0).value(), 0U);
  EXPECT_EQ(file->count_extents(kBlock, 0, 64).value(), 0U);
}

TEST_P(MapContract, NonsenseIsRefused) {
  auto file = make(blocks("a"));
  MapExtent room[1];
  EXPECT_EQ(file->extent_map(~std::uint64_t{0}, 2, room).error(), system_code(EFBIG));
  EXPECT_EQ(file->count_extents(~std::uint64_t{0}, 2, 1).error(), system_code(EFBIG));
  EXPECT_EQ(file->extent_map(0, kBlock, {}).error(), system_code(EINVAL));
  EXPECT_EQ(file->extent_map(kBlock, 0, room)->count, 0U);
}

class SnapshotFilesContract : public ContractTest {
 protected:
  std::vector<std::string> names(const std::string& directory) {
    std::vector<std::string> all;
    for (const auto& entry : store_->list(directory).value()) all.push_back(entry.name);
    return all;
  }
};
INSTANTIATE_TEST_SUITE_P(, SnapshotFilesContract, ::testing::Values(Kind::sim, Kind::posix),
                         [](const auto& kind) { return name_of(kind.param); });

TEST_P(SnapshotFilesContract, AReadOnlyFileIsReadAndNotOpenedForWriting) {
  auto file = make("abc");
  store_->publish(*file, "a.img").value();
  EXPECT_FALSE(file->attributes()->read_only);
  ASSERT_TRUE(file->set_read_only());
  ASSERT_TRUE(file->sync_all());
  EXPECT_TRUE(store_->look_up("a.img")->read_only);
  write(*file, 0, "x");
  auto reader = store_->open("a.img", {.read_only = true}).value();
  EXPECT_EQ(read(*reader), "xbc");
  EXPECT_TRUE(reader->attributes()->read_only);
  auto writer = store_->open("a.img");
  auto all_powerful = GetParam() != Kind::sim && ::geteuid() == 0;
  EXPECT_EQ(writer.has_value(), all_powerful);
  if (!writer) {
    EXPECT_EQ(writer.error(), system_code(EACCES));
  }
  ASSERT_TRUE(store_->rename("a.img", ".a.img"));
  ASSERT_TRUE(reader->set_writable());
  EXPECT_FALSE(store_->look_up(".a.img")->read_only);
  EXPECT_TRUE(store_->open(".a.img"));
  ASSERT_TRUE(reader->set_read_only());
  ASSERT_TRUE(store_->remove(".a.img")) << "the directory decides on that";
}

TEST_P(SnapshotFilesContract, HiddenDirectoriesNestAreListedAndRenamedWhole) {
  EXPECT_EQ(store_->make_directory(".snapshots/a").error(), system_code(ENOENT));
  ASSERT_TRUE(store_->make_directory(".snapshots"));
  ASSERT_TRUE(store_->make_directory(".snapshots/a"));
  ASSERT_TRUE(store_->make_directory(".snapshots/a")) << "present already";
  for (const auto* leaf : {".1234.log", ".1234.img", "daily.img"})
    store_->publish(*make("abc"), std::string(".snapshots/a/") + leaf).value();
  EXPECT_THAT(names(".snapshots/a"), UnorderedElementsAre(".1234.log", ".1234.img", "daily.img"));
  EXPECT_THAT(names(""), UnorderedElementsAre(".snapshots"));
  ASSERT_TRUE(store_->rename(".snapshots/a", ".snapshots/b"));
  EXPECT_THAT(names(".snapshots"), UnorderedElementsAre("b"));
  EXPECT_EQ(read(*store_->open(".snapshots/b/.1234.img").value()), "abc");
  EXPECT_EQ(store_->list(".snapshots/a").error(), system_code(ENOENT));
  ASSERT_TRUE(store_->sync_names(".snapshots"));
  ASSERT_TRUE(store_->make_directory(".snapshots/c"));
  EXPECT_EQ(store_->rename(".snapshots/b", ".snapshots/c").error(), system_code(EEXIST))
      << "not even an empty one is replaced";
  EXPECT_EQ(store_->rename(".snapshots", ".snapshots/c/d").error(), system_code(EINVAL));
  EXPECT_EQ(store_->rename(".snapshots/b", ".snapshots/b").error(), system_code(EEXIST));
  EXPECT_EQ(store_->remove(".snapshots/b").error(), system_code(ENOTEMPTY));
  ASSERT_TRUE(store_->remove(".snapshots/c"));
}

TEST_P(SnapshotFilesContract, ADirectoryKeepsOpenFilesWhenItIsRenamed) {
  ASSERT_TRUE(store_->make_directory("old"));
  auto file = make("abc");
  store_->publish(*file, "old/a").value();
  auto id = file->attributes()->id;
  ASSERT_TRUE(store_->rename("old", "new"));
  EXPECT_EQ(store_->look_up("new/a")->id, id);
  write(*file, 0, "x");
  EXPECT_EQ(read(*store_->open("new/a").value()), "xbc");
}

}  // namespace
}  // namespace caisson::file_store
