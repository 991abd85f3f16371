// SPDX-License-Identifier: Apache-2.0
// What real file systems say of their blocks. Which of them share any is known
// here, and found by the store without its name.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "storage_object/posix/posix_store.hpp"
#include "tests/support/loop_mount.hpp"

namespace caisson::posix {
namespace {

using caisson::tests::LoopMount;
using file_store::File;
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

}  // namespace
}  // namespace caisson::posix
