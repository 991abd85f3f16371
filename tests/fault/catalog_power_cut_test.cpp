// SPDX-License-Identifier: Apache-2.0
// The power goes while the catalog works. Whatever was committed is there
// afterwards, and of the change under way all or nothing.
//
// CAISSON_SEED=N runs that seed alone; CAISSON_LONG=1 runs five times as many.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "storage_object/base/errc.hpp"
#include "storage_object/catalog/catalog.hpp"
#include "tests/fault/catalog_model.hpp"
#include "tests/support/sim_random.hpp"
#include "tests/support/sim_sqlite_vfs.hpp"
#include "tests/support/sim_store.hpp"

namespace caisson::catalog {
namespace {

using tests::SimSqliteVfs;
using tests::SimStore;

class StoppedClock final : public Clock {
 public:
  Monotonic monotonic() const noexcept override { return {}; }
  Wall wall() const noexcept override { return {}; }
};
const StoppedClock kClock;

Outcome<std::unique_ptr<Catalog>> open_catalog(const SimSqliteVfs& vfs) {
  return Catalog::open({.path = "catalog.db", .vfs = vfs.name(), .clock = &kClock});
}

/// A catalog at work on a store until its steps or its power end.
class Work {
 public:
  Work(std::uint64_t seed, SimStore& store) : seed_(seed), store_(store), vfs_(store) {}

  /// `steps` changes; the catalog is closed and opened again on the way, which
  /// empties its log into the database.
  void perform(int steps) {
    SimRandom random(seed_);
    for (int number = 0; number < steps && !store_.is_cut(); ++number) {
      if (!catalog_ || random.chance(8)) reopen();
      if (!catalog_) return;
      if (number == 0 && !add_store()) return;
      change(number, random.chance(10));
    }
    if (random.chance(50)) catalog_.reset();
  }

  /// One of these is what a restart must find.
  bool matches(Catalog& catalog, std::string& why) const {
    why = difference(catalog, committed_);
    if (why.empty()) return true;
    return std::ranges::any_of(
        in_doubt_, [&](const Model& doubtful) { return difference(catalog, doubtful).empty(); });
  }
  bool has_begun() const { return begun_; }
  const Model& committed() const { return committed_; }

 private:
  void reopen() {
    catalog_.reset();
    auto opened = open_catalog(vfs_);
    if (!opened) return;
    catalog_ = std::move(*opened);
    settle_doubt(*catalog_);
  }

  /// A restart decides what became of the changes that failed.
  void settle_doubt(Catalog& catalog) {
    for (auto& doubtful : in_doubt_)
      if (difference(catalog, doubtful).empty()) {
        committed_ = std::move(doubtful);
        break;
      }
    if (!store_.is_cut()) in_doubt_.clear();
  }

  bool add_store() {
    auto added = catalog_->change(
        [](Transaction& t) { return t.put_store({.name = "main", .location = "/srv"}); });
    begun_ = added.has_value();
    return begun_;
  }

  void change(int number, bool take_back) {
    Model next = committed_;
    auto changed = catalog_->change([&](Transaction& t) -> Outcome<> {
      if (auto done = Step(seed_, number, next, &t).perform(); !done) return done;
      if (take_back) return failure(Errc::cancelled, "taken back");
      return {};
    });
    if (changed) {
      committed_ = std::move(next);
      in_doubt_.clear();
      return;
    }
    if (take_back && changed.error().code == Errc::cancelled) return;
    // The model may lack the rest of a step that failed half-way.
    next = committed_;
    (void)Step(seed_, number, next, nullptr).perform();
    in_doubt_.push_back(std::move(next));
  }

  std::uint64_t seed_;
  SimStore& store_;
  SimSqliteVfs vfs_;
  std::unique_ptr<Catalog> catalog_;
  Model committed_;
  std::vector<Model> in_doubt_;  // after changes that failed since the last success
  bool begun_ = false;
};

constexpr int kSteps = 40;

/// A restart after the cut finds what it must, and can go on.
void expect_recovered(const Work& work, SimStore& after) {
  SimSqliteVfs vfs(after);
  auto catalog = open_catalog(vfs);
  ASSERT_TRUE(catalog) << catalog.error().message;
  if (!work.has_begun()) return;
  std::string why;
  ASSERT_TRUE(work.matches(**catalog, why)) << "differs in " << why << " from what was committed";
  auto changed = (*catalog)->change([](Transaction& t) { return t.put_setting("after", "cut"); });
  ASSERT_TRUE(changed) << changed.error().message;
  catalog->reset();
  auto again = open_catalog(vfs);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*(*again)->setting("after"), "cut");
}

class CatalogPowerCutTest : public ::testing::Test {
 protected:
  CatalogPowerCutTest() {
    if (const char* one = std::getenv("CAISSON_SEED")) {
      first_ = std::strtoull(one, nullptr, 0);
      seeds_ = 1;
    } else if (std::getenv("CAISSON_LONG") != nullptr) {
      seeds_ *= 5;
    }
  }
  /// `found` are seeds that once failed.
  template <class Body>
  void for_each_seed(Body body, std::initializer_list<std::uint64_t> found = {}) {
    std::vector<std::uint64_t> seeds;
    for (auto seed = first_; seed < first_ + seeds_; ++seed) seeds.push_back(seed);
    if (seeds_ > 1) seeds.insert(seeds.begin(), found);
    for (auto seed : seeds) {
      SCOPED_TRACE("again with CAISSON_SEED=" + std::to_string(seed));
      body(seed);
      if (HasFailure()) return;
    }
  }
  /// Numbered operations of the seed's whole work.
  static std::uint64_t operations(std::uint64_t seed) {
    SimStore store;
    Work work(seed, store);
    work.perform(kSteps);
    return store.operations();
  }

  std::uint64_t first_ = 1;
  std::uint64_t seeds_ = 250;
  static constexpr std::uint64_t kCutsOfOneMoment = 8;
};

TEST_F(CatalogPowerCutTest, CommittedChangesAreThereAndNoneIsHalf) {
  for_each_seed([](std::uint64_t seed) {
    SimRandom random(seed ^ 0xc07);
    SimStore store;
    store.cut_at(random.below(operations(seed)));
    Work work(seed, store);
    work.perform(kSteps);
    for (std::uint64_t cut = 0; cut < kCutsOfOneMoment; ++cut) {
      auto after = store.power_cut(random.next());
      expect_recovered(work, *after);
    }
  });
}

TEST_F(CatalogPowerCutTest, CutsDuringRecoveryLoseNothingEither) {
  for_each_seed([](std::uint64_t seed) {
    SimRandom random(seed ^ 0x4ec);
    SimStore store;
    store.cut_at(random.below(operations(seed)));
    Work work(seed, store);
    work.perform(kSteps);
    auto after = store.power_cut(random.next());
    for (int again = 0; again < 4; ++again) {
      after->cut_at(random.below(12));
      {
        SimSqliteVfs vfs(*after);
        (void)open_catalog(vfs);
      }
      after = after->power_cut(random.next());
    }
    expect_recovered(work, *after);
  });
}

TEST_F(CatalogPowerCutTest, FailedSyncsLoseNothingThatWasCommitted) {
  for_each_seed(
      [](std::uint64_t seed) {
        SimRandom random(seed ^ 0x5c1);
        SimStore store;
        constexpr std::uint64_t kOpening = 40;  // let it be made first
        store.inject({.op = tests::SimOp::sync,
                      .skip = kOpening + random.below(60),
                      .times = 1 + random.below(3),
                      .error = EIO});
        Work work(seed, store);
        work.perform(kSteps);
        for (std::uint64_t cut = 0; cut < kCutsOfOneMoment; ++cut) {
          auto after = store.power_cut(random.next());
          expect_recovered(work, *after);
        }
      },
      {24, 984});
}

TEST_F(CatalogPowerCutTest, WhatAStartReadAfterAKillOutlivesAPowerCut) {
  auto read = [](Catalog& catalog) { return catalog.setting("step").value().value_or("none"); };
  SimStore empty;
  {
    SimSqliteVfs vfs(empty);
    ASSERT_TRUE(open_catalog(vfs));
  }
  for (std::uint64_t operation = 0; operation < 20; ++operation) {
    auto disk = empty.settled();
    {
      SimSqliteVfs vfs(*disk);
      auto catalog = open_catalog(vfs);
      ASSERT_TRUE(catalog);
      disk->cut_at(disk->operations() + operation);
      (void)(*catalog)->change([](Transaction& t) { return t.put_setting("step", "one"); });
      disk->cut_now();
    }
    auto killed = disk->killed();
    SimSqliteVfs vfs(*killed);
    auto catalog = open_catalog(vfs);
    ASSERT_TRUE(catalog);
    const auto believed = read(**catalog);
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      auto cut = killed->power_cut(seed);
      SimSqliteVfs last_vfs(*cut);
      auto last = open_catalog(last_vfs);
      ASSERT_TRUE(last);
      ASSERT_EQ(read(**last), believed) << operation << " " << seed;
    }
  }
}

TEST_F(CatalogPowerCutTest, WorkWithoutACutEndsAsTheModelSays) {
  SimStore store;
  Work work(first_, store);
  work.perform(kSteps);
  SimSqliteVfs vfs(store);
  auto catalog = open_catalog(vfs);
  ASSERT_TRUE(catalog);
  EXPECT_EQ(difference(**catalog, work.committed()), "");
  EXPECT_FALSE(work.committed().luns.empty());
  EXPECT_FALSE(work.committed().snapshots.empty());
  EXPECT_FALSE(work.committed().schedules.empty());
  EXPECT_FALSE(work.committed().events.empty());
}

}  // namespace
}  // namespace caisson::catalog
