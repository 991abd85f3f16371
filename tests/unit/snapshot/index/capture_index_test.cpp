// SPDX-License-Identifier: Apache-2.0
#include "snapshot/index/capture_index.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/support/sim_random.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::tests {
namespace {

using snapshot::CaptureIndex;

class CaptureIndexTest : public ::testing::Test {
 protected:
  void SetUp() override { open("one"); }
  void open(const std::string& boot) {
    index_.reset();
    auto opened = CaptureIndex::open(path_, boot);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    index_ = std::move(*opened);
  }
  void add(std::uint64_t sequence, snapshot::Run run) {
    ASSERT_TRUE(index_->begin().has_value());
    ASSERT_TRUE(index_->add(sequence, run).has_value());
    ASSERT_TRUE(index_->set_complete(snapshot_, run.count).has_value());
    ASSERT_TRUE(index_->commit().has_value());
  }
  bool knows() { return index_->complete()->contains(snapshot_); }

  TempDir dir_;
  const std::string path_ = (dir_.path() / "index" / "disk.db").string();
  const Uuid snapshot_ = Uuid::random();
  std::unique_ptr<CaptureIndex> index_;
};

TEST_F(CaptureIndexTest, AgreesWithAModel) {
  SimRandom random(7);
  std::set<std::pair<std::uint64_t, std::uint64_t>> model;  // sequence, block
  auto slow = [&](std::uint64_t block, std::uint64_t from, std::uint64_t to) {
    for (auto sequence = from; sequence <= to; ++sequence)
      if (model.contains({sequence, block})) return std::optional(sequence);
    return std::optional<std::uint64_t>();
  };
  for (int i = 0; i < 300; ++i) {
    snapshot::Run run{random.below(200), 1 + random.below(10)};
    auto sequence = 1 + random.below(12);
    ASSERT_TRUE(index_->begin().has_value());
    bool removes = random.chance(30);
    auto done = removes ? index_->remove(sequence, run) : index_->add(sequence, run);
    ASSERT_TRUE(done.has_value());
    ASSERT_TRUE(index_->commit().has_value());
    for (auto block = run.first; block < run.end(); ++block)
      removes ? void(model.erase({sequence, block})) : void(model.insert({sequence, block}));
    if (i == 100)
      while (*index_->learn_some()) continue;
    auto block = random.below(210), end = block + 1 + random.below(50);
    auto from = 1 + random.below(12), to = from + random.below(5);
    auto found = index_->find(block, end, from, to);
    ASSERT_TRUE(found.has_value());
    ASSERT_EQ(found->sequence, slow(block, from, to));
    auto until = block;
    while (until < end && slow(until, from, to) == found->sequence) ++until;
    ASSERT_EQ(found->until, until);
  }
}

TEST_F(CaptureIndexTest, IsBelievedAfterAProcessDied) {
  add(1, {5, 1});
  open("one");
  EXPECT_TRUE(knows());
  EXPECT_EQ(index_->find(5, 6, 1, 1)->sequence, 1U);
}

TEST_F(CaptureIndexTest, IsMadeAnewAfterThePowerFailed) {
  add(1, {5, 1});
  EXPECT_TRUE(index_->untouched().empty());
  open("two");
  EXPECT_FALSE(knows());
  EXPECT_TRUE(index_->untouched().contains(snapshot_));
  EXPECT_EQ(index_->find(5, 6, 1, 1)->sequence, std::nullopt);
}

TEST_F(CaptureIndexTest, IsBelievedOnceItWasClosedUntilItChanges) {
  add(1, {5, 1});
  ASSERT_TRUE(index_->close().has_value());
  open("two");
  EXPECT_TRUE(knows());
  ASSERT_TRUE(index_->set_incomplete(Uuid::random()).has_value());
  open("three");
  EXPECT_FALSE(knows());
}

TEST_F(CaptureIndexTest, IsMadeAnewWhereItIsDamaged) {
  add(1, {5, 1});
  ASSERT_TRUE(index_->close().has_value());
  index_.reset();
  std::ofstream(path_, std::ios::binary | std::ios::trunc) << "something else entirely";
  open("one");
  EXPECT_FALSE(knows());
  add(1, {5, 1});
  EXPECT_TRUE(knows());
}

}  // namespace
}  // namespace caisson::tests
