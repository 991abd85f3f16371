// SPDX-License-Identifier: Apache-2.0
// What real file systems say of their blocks. Which of them share any is known
// here, and found by the store without its name.
#include <gtest/gtest.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "storage_object/posix/posix_file.hpp"
#include "storage_object/posix/posix_store.hpp"
#include "tests/support/loop_mount.hpp"

namespace caisson::posix {
namespace {

using caisson::tests::LoopMount;
using file_store::File;
using file_store::FileOp;
using file_store::MapExtent;
using file_store::MapState;

constexpr std::uint64_t kMiB = 1 << 20, kBlock = 4096;

struct System {
  const char* type;
  bool clones;
  bool maps;
};

class BlocksTest : public ::testing::TestWithParam<System> {
 protected:
  void SetUp() override { mount(GetParam().type, ""); }
  void mount(const std::string& type, const std::string& options) {
    mount_ = std::make_unique<LoopMount>(type, options);
    if (!mount_->mounted()) GTEST_SKIP() << LoopMount::kWhySkipped << type;
    store_ = PosixStore::at(mount_->where()).value();
  }
  std::unique_ptr<File> make(std::uint64_t size) {
    auto file = store_->create_unnamed({}).value();
    write_at(*file, 0, std::vector<std::byte>(size, std::byte{'x'})).value();
    file->sync_all().value();
    return file;
  }
  static std::vector<MapExtent> map(File& file, std::uint64_t length) {
    std::vector<MapExtent> room(64);
    room.resize(file.extent_map(0, length, room)->count);
    return room;
  }

  /// Which blocks of the range are data, asked for `step` bytes at a time.
  static std::vector<bool> data_of(File& file, std::uint64_t from, std::uint64_t end,
                                   std::uint64_t step) {
    std::vector<bool> data((end - from) / kBlock);
    for (auto at = from; at < end; at += step)
      for (auto part = at, stop = std::min(at + step, end); part < stop;) {
        file_store::FileExtent room[3];
        auto found = extents(file, part, stop - part, room);
        EXPECT_TRUE(found && *found != 0);
        for (const auto& extent : std::span(room).first(*found)) {
          EXPECT_EQ(extent.offset, part);
          part += extent.length;
          for (auto i = extent.offset; i < part; i += kBlock) data[i / kBlock] = extent.data;
        }
      }
    return data;
  }
  /// Bytes that have no place yet.
  static std::uint64_t dirty_of(File& any) {
    auto& file = dynamic_cast<PosixFile&>(any);
    std::uint64_t bytes = 0;
    alignas(fiemap) std::array<std::byte, sizeof(fiemap) + 64 * sizeof(fiemap_extent)> memory{};
    auto* map = reinterpret_cast<fiemap*>(memory.data());
    map->fm_length = FIEMAP_MAX_OFFSET;
    map->fm_extent_count = 64;
    EXPECT_EQ(::ioctl(file.descriptor(), FS_IOC_FIEMAP, map), 0);
    for (std::uint32_t i = 0; i < map->fm_mapped_extents; ++i)
      if ((map->fm_extents[i].fe_flags & FIEMAP_EXTENT_DELALLOC) != 0)
        bytes += map->fm_extents[i].fe_length;
    return bytes;
  }

  std::unique_ptr<LoopMount> mount_;
  std::unique_ptr<PosixStore> store_;
};

constexpr System kSystems[] = {
    {"xfs", true, true}, {"btrfs", true, true}, {"ext4", false, true}, {"tmpfs", false, false}};
INSTANTIATE_TEST_SUITE_P(, BlocksTest, ::testing::ValuesIn(kSystems),
                         [](const auto& system) { return std::string(system.param.type); });

TEST_P(BlocksTest, WhatItCanDoIsFoundByTrying) {
  EXPECT_EQ(store_->traits().clone, GetParam().clones);
  auto one = make(kBlock), two = make(kBlock);
  auto cloned = two->clone_range(*one, 0, kBlock, 0);
  EXPECT_EQ(cloned.has_value(), GetParam().clones);
  MapExtent room[1];
  auto mapped = one->extent_map(0, kBlock, room);
  ASSERT_EQ(mapped.has_value(), GetParam().maps);
  auto counted = one->count_extents(0, kBlock, 1);
  ASSERT_EQ(counted.has_value(), GetParam().maps);
  for (const auto& error : {cloned.error(), mapped.error(), counted.error()})
    if (error) {
      EXPECT_EQ(error.value(), EOPNOTSUPP);
    }
  for (const auto& entry : store_->list("").value())
    EXPECT_FALSE(entry.regular) << "the trying left " << entry.name;
}

TEST_P(BlocksTest, ACloneTakesNoSpace) {
  if (!GetParam().clones) GTEST_SKIP() << "no blocks are shared here";
  constexpr auto kSize = 32 * kMiB;
  auto source = make(kSize);
  auto target = store_->create_unnamed({}).value();
  auto before = store_->space()->available;
  for (std::uint64_t at = 0; at < kSize; at += kMiB)
    ASSERT_TRUE(target->clone_range(*source, at, kMiB, at));
  ASSERT_TRUE(target->sync_all());
  EXPECT_LT(before - std::min(before, store_->space()->available), kSize / 8);
  auto there = map(*source, kSize), here = map(*target, kSize);
  auto trusted = [](const auto& extent) {
    return extent.state == MapState::placed && extent.shared;
  };
  EXPECT_TRUE(std::ranges::all_of(here, trusted));
  EXPECT_TRUE(std::ranges::all_of(there, trusted));
  EXPECT_EQ(here[0].address, there[0].address);
  EXPECT_EQ(here.back().end(), kSize);
}

class CompressedTest : public BlocksTest {
 protected:
  void SetUp() override { mount(GetParam().type, "compress-force=zstd"); }
};
INSTANTIATE_TEST_SUITE_P(, CompressedTest, ::testing::Values(kSystems[1]),
                         [](const auto& system) { return std::string(system.param.type); });

TEST_P(CompressedTest, EncodedAndInlineExtentsAreNotTrusted) {
  auto small = make(100), large = make(kMiB);
  for (auto* file : {small.get(), large.get()}) {
    auto size = file->attributes()->size;
    auto found = map(*file, size);
    ASSERT_FALSE(found.empty());
    for (const auto& extent : found) {
      EXPECT_EQ(extent.state, MapState::untrusted) << size;
      EXPECT_EQ(extent.address, 0U);
    }
    EXPECT_EQ(found.back().end(), size);
  }
  auto target = store_->create_unnamed({}).value();
  ASSERT_TRUE(store_->traits().clone);
  ASSERT_TRUE(target->clone_range(*large, 0, kMiB, 0));
  EXPECT_EQ(map(*target, kMiB)[0].state, MapState::untrusted);
}

/// What is asked of a short range is answered otherwise than of a long one, and alike.
TEST_P(BlocksTest, DataAndHolesOfAShortRangeAreThoseOfTheWhole) {
  auto file = store_->create_unnamed({}).value();
  constexpr auto kSize = 64 * kMiB;
  file->resize(kSize).value();
  const std::vector<std::byte> block(kBlock, std::byte{'x'});
  for (std::uint64_t at = 0; at < 4 * kMiB; at += 2 * kBlock)  // more than a batch of extents
    write_at(*file, at, block).value();
  ASSERT_TRUE(!file->traits().allocate || apply(*file, FileOp::allocate, 8 * kMiB, kMiB));
  write_at(*file, 8 * kMiB + 5 * kBlock, block).value();  // cached, in what is unwritten
  file->sync_all().value();
  for (std::uint64_t at = kBlock; at < 2 * kMiB; at += 4 * kBlock)  // data without a hole
    write_at(*file, at, block).value();
  write_at(*file, 8 * kMiB + 9 * kBlock, block).value();
  const auto whole = data_of(*file, 0, kSize, kSize);
  EXPECT_EQ(data_of(*file, 0, kSize, kMiB), whole);
  EXPECT_EQ(data_of(*file, 0, kSize, 3 * kBlock), whole);
  EXPECT_TRUE(whole[0] && whole[1] && whole[2] && !whole[3]);
  EXPECT_TRUE(whole[8 * kMiB / kBlock + 9]);
}

TEST_P(BlocksTest, DataIsFoundWithoutItsEnd) {
  auto file = store_->create_unnamed({}).value();
  file->resize(16 * kMiB).value();
  write_at(*file, 8 * kMiB, std::vector<std::byte>(2 * kMiB, std::byte{'x'})).value();
  EXPECT_EQ(file->seek_data(0, 16 * kMiB).value(), 8 * kMiB);
  EXPECT_EQ(file->seek_data(0, 4 * kMiB).value(), 4 * kMiB);
  EXPECT_EQ(file->seek_data(9 * kMiB, 4 * kMiB).value(), 9 * kMiB);
  EXPECT_EQ(file->seek_data(10 * kMiB, 6 * kMiB).value(), 16 * kMiB);
  EXPECT_EQ(file->seek_data(32 * kMiB, kMiB).value(), 33 * kMiB) << "behind its end";
}

/// A delayed block has no address yet; what was written back has.
TEST_P(BlocksTest, WritesBackWhatIsCachedOfARange) {
  if (!GetParam().maps || GetParam().type == std::string("btrfs"))
    GTEST_SKIP() << "nothing tells what is on the disk";
  auto file = store_->create_unnamed({}).value();
  file->resize(4 * kMiB).value();
  for (auto at : {0 * kMiB, 2 * kMiB})
    write_at(*file, at, std::vector<std::byte>(kMiB, std::byte{'x'})).value();
  EXPECT_EQ(dirty_of(*file), 2 * kMiB);
  const std::array<file_store::ByteRange, 1> first{{{0, kMiB}}};
  file->write_back(first);
  EXPECT_EQ(dirty_of(*file), kMiB);
  const std::array<file_store::ByteRange, 1> all{{{0, 4 * kMiB}}};
  file->write_back(all);
  EXPECT_EQ(dirty_of(*file), 0U);
}

}  // namespace
}  // namespace caisson::posix
