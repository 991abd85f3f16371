// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/unit_set.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/support/sim_random.hpp"

namespace caisson::tests {
namespace {

using Units = snapshot::Run;
using snapshot::UnitSet;

constexpr std::uint64_t kChunk = 512 * 64;

/// The same by the simplest means.
class Slow {
 public:
  explicit Slow(std::uint64_t size) : bits_(size) {}
  void add(Units run) {
    for (auto unit = run.first; unit < std::min<std::uint64_t>(run.end(), bits_.size()); ++unit)
      bits_[unit] = true;
  }
  bool has(std::uint64_t unit) const { return unit >= bits_.size() || bits_[unit]; }
  std::uint64_t first(std::uint64_t from, std::uint64_t end, bool present) const {
    while (from < end && has(from) != present) ++from;
    return from;
  }
  std::uint64_t count() const { return std::count(bits_.begin(), bits_.end(), true); }

 private:
  std::vector<bool> bits_;
};

TEST(UnitSetTest, AgreesWithAModel) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SimRandom random(seed);
    auto size = 1 + random.below(3 * kChunk);
    UnitSet set(size);
    Slow slow(size);
    for (int i = 0; i < 150; ++i) {
      Units run{random.below(size + 10),
                1 + (random.chance(10) ? random.below(2 * kChunk) : random.below(200))};
      if (random.chance(5)) run = {run.first / kChunk * kChunk, kChunk};
      set.add(run);
      slow.add(run);
      ASSERT_EQ(set.count(), slow.count());
      for (int j = 0; j < 10; ++j) {
        auto from = random.below(size + 100),
             end = from + random.below(random.chance(5) ? kChunk : 500);
        ASSERT_EQ(set.contains(from), slow.has(from));
        ASSERT_EQ(set.first_absent(from, end), slow.first(from, end, false));
        if (from < size && end <= size) {
          ASSERT_EQ(set.first_present(from, end), slow.first(from, end, true));
        }
      }
    }
    std::vector<Units> absent;
    set.absent_runs(0, size, absent);
    for (const auto& run : absent) set.add(run);
    EXPECT_TRUE(set.full());
    EXPECT_FALSE(set.next_absent_run(0, size));
  }
}

TEST(UnitSetTest, RunsCoverWhatIsThereAndWhatIsNot) {
  UnitSet set(1000);
  set.add({10, 5});
  set.add({15, 1});
  set.add({500, 600});
  EXPECT_EQ(set.next_present_run(0, 1000), (Units{10, 6}));
  EXPECT_EQ(set.next_present_run(12, 1000), (Units{12, 4}));
  EXPECT_EQ(set.next_present_run(16, 1000), (Units{500, 500}));
  EXPECT_EQ(set.next_absent_run(0, 1000), (Units{0, 10}));
  EXPECT_EQ(set.next_absent_run(12, 100), (Units{16, 84}));
  EXPECT_EQ(set.next_absent_run(600, 2000), std::nullopt);
  EXPECT_EQ(set.next_present_run(16, 400), std::nullopt);
}

TEST(UnitSetTest, ARunIsNoLongerThanAMapCanSay) {
  auto size = 3 * snapshot::kMaxRunUnits;
  UnitSet set(size);
  EXPECT_EQ(set.next_absent_run(0, size), (Units{0, snapshot::kMaxRunUnits}));
  set.add({0, size});
  EXPECT_EQ(set.next_present_run(0, size), (Units{0, snapshot::kMaxRunUnits}));
}

TEST(UnitSetTest, WhatIsFullAtOnceTakesNoMemory) {
  UnitSet set(kChunk * 100);
  auto empty = set.memory();
  set.add({0, kChunk * 100});
  EXPECT_TRUE(set.full());
  EXPECT_EQ(set.memory(), empty);
}

/// Who sees a unit added sees what was written before that.
TEST(UnitSetTest, ManyReadersBesideOneWriter) {
  constexpr std::uint64_t kUnits = 3 * kChunk;
  UnitSet set(kUnits);
  std::vector<std::uint32_t> written(kUnits);
  std::atomic<bool> wrong{false};
  auto read = [&](std::uint64_t seed) {
    SimRandom random(seed);
    while (!set.full()) {
      auto unit = random.below(kUnits);
      if (set.contains(unit) && written[unit] != unit + 1) wrong = true;
      auto end = std::min(kUnits, unit + 300);
      auto absent = set.first_absent(unit, end);
      for (auto at = unit; at < absent; ++at)
        if (written[at] != at + 1) wrong = true;
    }
  };
  std::thread one(read, 1), two(read, 2);
  SimRandom random(3);
  std::vector<std::uint64_t> order(kUnits / 64);
  for (std::uint64_t i = 0; i < order.size(); ++i) order[i] = i;
  for (auto i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  for (auto word : order) {
    for (auto unit = word * 64; unit < word * 64 + 64; ++unit)
      written[unit] = static_cast<std::uint32_t>(unit + 1);
    set.add({word * 64, 64});
  }
  one.join();
  two.join();
  EXPECT_FALSE(wrong);
}

}  // namespace
}  // namespace caisson::tests
