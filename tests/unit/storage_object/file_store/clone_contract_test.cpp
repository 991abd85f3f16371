// SPDX-License-Identifier: Apache-2.0
// Sharing blocks between files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/unit/storage_object/file_store/contract.hpp"

namespace caisson::file_store {
namespace {

class CloneContract : public ContractTest {
 protected:
  void SetUp() override {
    ContractTest::SetUp();
    if (!IsSkipped() && !store_->traits().clone) GTEST_SKIP() << "no blocks are shared here";
  }
};

INSTANTIATE_TEST_SUITE_P(, CloneContract,
                         ::testing::Values(Kind::sim, Kind::posix, Kind::xfs, Kind::btrfs),
                         [](const auto& kind) { return name_of(kind.param); });

TEST_P(CloneContract, TheRangeIsWhatTheSourceHeldAtTheTime) {
  auto source = make(blocks("abcd"));
  auto target = make(blocks("wxyz"));
  ASSERT_TRUE(sync(*source));
  write(*source, 2 * kBlock, "unsynced");
  ASSERT_TRUE(target->clone_range(*source, kBlock, 2 * kBlock, 2 * kBlock));
  auto third = blocks("c").replace(0, 8, "unsynced");
  EXPECT_EQ(read(*target), blocks("wxb") + third);
  write(*source, kBlock, blocks("BC"));
  EXPECT_EQ(read(*target), blocks("wxb") + third) << "the source went on";
  write(*target, 3 * kBlock, "own");
  EXPECT_EQ(read(*source), blocks("aBCd")) << "and so did the other";
}

TEST_P(CloneContract, HolesBecomeHolesOverOlderData) {
  auto source = make(blocks("a...b..."));
  ASSERT_TRUE(apply(*source, FileOp::punch, kBlock, 3 * kBlock));
  ASSERT_TRUE(source->resize(16 * kBlock));
  auto target = make(std::string(16 * kBlock, 'x'));
  ASSERT_TRUE(target->sync_all());
  ASSERT_TRUE(target->clone_range(*source, 0, 16 * kBlock, 0));
  EXPECT_EQ(read(*target), blocks("a...b..........."));
  FileExtent room[8];
  FileRequest request;
  request.op = FileOp::extents;
  request.length = 4 * kBlock;
  request.extents = room;
  request.complete = [](FileRequest&) noexcept {};
  target->submit(request);
  ASSERT_FALSE(request.error);
  ASSERT_EQ(request.extent_count, 2U);
  EXPECT_FALSE(room[1].data);
  EXPECT_EQ(room[1].offset, kBlock);
}

TEST_P(CloneContract, ItGrowsTheFileUpToTheSourcesUnevenEnd) {
  auto source = make(blocks("ab") + "tail");
  auto target = make("x");
  ASSERT_TRUE(target->clone_range(*source, kBlock, kBlock + 4, 4 * kBlock));
  EXPECT_EQ(read(*target), "x" + std::string(4 * kBlock - 1, '\0') + blocks("b") + "tail");
  ASSERT_TRUE(target->clone_range(*source, 0, 2 * kBlock + 4, 3 * kBlock))
      << "it ends where this one does";
  EXPECT_EQ(target->attributes()->size, 5 * kBlock + 4);
  ASSERT_TRUE(target->resize(6 * kBlock));
  EXPECT_EQ(read(*target).substr(5 * kBlock), "tail" + std::string(kBlock - 4, '\0'));
}

TEST_P(CloneContract, WhatCannotBeSharedIsRefused) {
  auto source = make(blocks("abc") + "tail");
  auto target = make(blocks("xxxxxxxx"));
  auto error = [&](std::uint64_t from, std::uint64_t length, std::uint64_t to) {
    return target->clone_range(*source, from, length, to).error();
  };
  EXPECT_EQ(error(512, kBlock, 0), system_code(EINVAL));
  EXPECT_EQ(error(0, kBlock, 512), system_code(EINVAL));
  EXPECT_EQ(error(0, 512, 0), system_code(EINVAL));
  EXPECT_EQ(error(0, 4 * kBlock, 0), system_code(EINVAL)) << "beyond the end";
  EXPECT_EQ(error(4 * kBlock, kBlock, 0), system_code(EINVAL));
  EXPECT_EQ(error(kBlock, 2 * kBlock + 4, 0), system_code(EINVAL)) << "a part amid other data";
  EXPECT_EQ(source->clone_range(*source, 0, 2 * kBlock, kBlock).error(), system_code(EINVAL));
  EXPECT_TRUE(target->clone_range(*source, 512, 0, 512)) << "nothing to do";
  EXPECT_EQ(read(*target), blocks("xxxxxxxx"));
  EXPECT_TRUE(source->clone_range(*source, 0, kBlock, 2 * kBlock));
  EXPECT_EQ(read(*source), blocks("aba") + "tail");
}

TEST_P(CloneContract, TheHandleMustBeForWritingAndOfTheStore) {
  auto source = make(blocks("a"));
  auto target = make(blocks("x"));
  store_->publish(*target, "a.img").value();
  auto reader = store_->open("a.img", {.read_only = true}).value();
  EXPECT_EQ(reader->clone_range(*source, 0, kBlock, 0).error(), system_code(EBADF));
  EXPECT_TRUE(source->clone_range(*reader, 0, kBlock, 0));
  EXPECT_EQ(read(*source), blocks("x"));
  tests::SimStore elsewhere;
  auto foreign = elsewhere.create_unnamed().value();
  EXPECT_EQ(target->clone_range(*foreign, 0, kBlock, 0).error(), system_code(EXDEV));
}

TEST_P(CloneContract, SharedBlocksHaveOneAddressUntilOneIsWritten) {
  if (!maps()) GTEST_SKIP() << "no maps here";
  constexpr std::uint64_t kSize = 16 * kBlock;
  auto source = make(std::string(kSize, 'a'));
  auto target = make();
  ASSERT_TRUE(target->clone_range(*source, 0, kSize, kSize));
  auto from = map(*source, 0, kSize), to = map(*target, kSize, kSize);
  ASSERT_EQ(from.size(), to.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    EXPECT_EQ(from[i].state, MapState::placed);
    EXPECT_TRUE(from[i].shared && to[i].shared);
    EXPECT_EQ(from[i].address, to[i].address);
    EXPECT_EQ(from[i].offset + kSize, to[i].offset);
  }
  write(*source, 5 * kBlock, "b");
  auto changed = map(*source, 5 * kBlock, kBlock), kept = map(*target, kSize + 5 * kBlock, kBlock);
  ASSERT_EQ(changed.size(), 1U);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_NE(changed[0].address, kept[0].address);
  EXPECT_EQ(map(*source, 6 * kBlock, kBlock)[0].address,
            map(*target, kSize + 6 * kBlock, kBlock)[0].address);
}

/// Two files, random changes, and a model of each.
class Pair {
 public:
  static constexpr std::uint64_t kBlock = 4096, kBlocks = 64, kSize = kBlocks * kBlock;

  explicit Pair(Store& store) {
    for (auto& file : files_) {
      file = store.create_unnamed().value();
      file->resize(kSize).value();
    }
  }
  void change(unsigned which, std::mt19937& random) {
    auto first = random() % kBlocks, count = std::min(1 + random() % 9, kBlocks - first);
    auto at = first * kBlock, length = count * kBlock;
    auto& model = models_[which];
    auto choice = random() % 8;
    if (choice < 3) {
      at += random() % kBlock, length -= at % kBlock;
      std::string text(length, static_cast<char>(random()));
      write_at(*files_[which], at, std::as_bytes(std::span(text))).value();
      model.replace(at, length, text);
    } else if (choice < 5) {
      auto op = choice == 3 && files_[which]->traits().zero ? FileOp::zero : FileOp::punch;
      apply(*files_[which], op, at, length).value();
      model.replace(at, length, length, '\0');
    } else if (choice == 5) {
      apply(*files_[which], FileOp::allocate, at, length).value();
    } else {
      // To its own place, as snapshots do, or to another.
      auto to = choice == 6 ? at : random() % (kBlocks - count + 1) * kBlock;
      files_[which]->clone_range(*files_[1 - which], at, length, to).value();
      model.replace(to, length, models_[1 - which], at, length);
    }
  }
  File& file(unsigned which) { return *files_[which]; }
  const std::string& model(unsigned which) const { return models_[which]; }

 private:
  std::unique_ptr<File> files_[2];
  std::string models_[2] = {std::string(kSize, '\0'), std::string(kSize, '\0')};
};

TEST_P(CloneContract, RandomClonesAgreeWithAModelAndMapsMissNoDifference) {
  auto seed = ::testing::UnitTest::GetInstance()->random_seed();
  std::mt19937 random(static_cast<unsigned>(seed));
  Pair pair(*store_);
  auto can_map = maps();
  std::size_t same_address = 0;
  for (int step = 0; step < 400; ++step) {
    pair.change(random() % 2, random);
    if (step % 20 != 0) continue;
    for (auto which : {0U, 1U}) ASSERT_EQ(read(pair.file(which)), pair.model(which)) << seed;
    for (std::uint64_t at = 0; can_map && at < Pair::kSize; at += kBlock) {
      auto a = map(pair.file(0), at, kBlock), b = map(pair.file(1), at, kBlock);
      ASSERT_TRUE(a.size() == 1 && b.size() == 1);
      auto zeros = a[0].zeros() && b[0].zeros();
      auto placed = a[0].state == MapState::placed && b[0].state == MapState::placed;
      if (!zeros && (!placed || a[0].address != b[0].address)) continue;
      same_address += !zeros;
      ASSERT_EQ(pair.model(0).substr(at, kBlock), pair.model(1).substr(at, kBlock)) << seed;
    }
  }
  if (can_map) {
    EXPECT_GT(same_address, 0U) << seed;
  }
}

class NoCloneContract : public ContractTest {};
INSTANTIATE_TEST_SUITE_P(, NoCloneContract, ::testing::Values(Kind::sim, Kind::posix),
                         [](const auto& kind) { return name_of(kind.param); });

TEST_P(NoCloneContract, WithoutTheTraitItIsRefused) {
  if (GetParam() == Kind::sim) store_ = std::make_unique<tests::SimStore>();
  if (store_->traits().clone) GTEST_SKIP() << "blocks are shared here";
  auto source = make(blocks("a")), target = make(blocks("x"));
  EXPECT_EQ(target->clone_range(*source, 0, kBlock, 0).error(), system_code(EOPNOTSUPP));
  EXPECT_EQ(read(*target), blocks("x"));
}

}  // namespace
}  // namespace caisson::file_store
