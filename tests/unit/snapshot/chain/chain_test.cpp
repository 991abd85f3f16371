// SPDX-License-Identifier: Apache-2.0
// Snapshots of one LUN, on stores that share blocks and on those that do not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"
#include "tests/support/chain_world.hpp"

namespace caisson::tests {
namespace {

using block::IoOp;
using snapshot::Member;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using State = ChainWorld::State;

using Bytes = std::vector<std::byte>;
constexpr std::uint64_t kUnit = 65536;

class ChainTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { make(3 * 1048576 + 512); }

  void make(std::uint64_t capacity, std::uint64_t room = std::uint64_t{1} << 40) {
    world_.end();
    SimOptions options;
    options.traits.clone = GetParam();
    options.capacity = room;
    store_ = std::make_unique<SimStore>(options);
    world_.make_container(*store_, capacity);
    world_.begin(*store_);
    live_.assign(capacity, std::byte{0});
  }
  bool shares() const { return GetParam(); }

  void write(std::uint64_t offset, std::uint64_t length, char with) {
    Bytes data(length, static_cast<std::byte>(with));
    ASSERT_EQ(world_.write(offset, data), Error());
    std::ranges::copy(data, live_.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  Uuid cut(const std::string& name) {
    auto made = world_.cut(name);
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
    kept_[*made] = live_;
    return *made;
  }
  Bytes read(const Uuid& snapshot) {
    Bytes data(kept_[snapshot].size());
    auto got = world_.read(snapshot, 0, data);
    EXPECT_TRUE(got.has_value()) << (got ? "" : got.error().message);
    return data;
  }
  void expect_intact(const Uuid& snapshot) {
    EXPECT_TRUE(read(snapshot) == kept_[snapshot]) << world_.rows[snapshot].name;
  }
  void restart(bool killed = true) {
    world_.end();
    if (killed) store_ = store_->killed();
    world_.begin(*store_);
  }
  std::shared_ptr<Member> member(const Uuid& snapshot) { return world_.chain->find(snapshot); }
  std::uint64_t used() { return (std::uint64_t{1} << 40) - store_->space()->available; }
  std::vector<std::string> files() {
    std::vector<std::string> names;
    if (auto listed = store_->list(".snapshots/disk"))
      for (const auto& entry : *listed) names.push_back(entry.name);
    return names;
  }

  std::unique_ptr<SimStore> store_;
  ChainWorld world_;
  Bytes live_;
  std::map<Uuid, Bytes> kept_;
};
INSTANTIATE_TEST_SUITE_P(Stores, ChainTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "sharing" : "copying"; });

TEST_P(ChainTest, KeepsWhatIsOverwrittenUnmappedAndZeroed) {
  write(0, 1048576, 'a');
  auto one = cut("one");
  write(512, 1024, 'b');
  ASSERT_EQ(world_.change(IoOp::unmap, 2 * kUnit, kUnit + 512), Error());
  ASSERT_EQ(world_.change(IoOp::write_zeroes, 8 * kUnit + 512, 4096), Error());
  expect_intact(one);
}

TEST_P(ChainTest, AnOlderOneReadsThroughTheNewer) {
  write(0, 4 * kUnit, 'a');
  auto one = cut("one");
  write(0, kUnit, 'b');
  auto two = cut("two");
  write(0, 2 * kUnit, 'c');
  auto three = cut("three");
  write(kUnit, 2 * kUnit, 'd');
  for (const auto& each : {one, two, three}) expect_intact(each);
  restart();
  for (const auto& each : {one, two, three}) expect_intact(each);
}

TEST_P(ChainTest, TheBackgroundMakesImagesOrEmptiesSegments) {
  write(0, 20 * kUnit, 'a');
  auto one = cut("one");
  write(0, 3 * kUnit, 'b');
  auto two = cut("two");
  write(kUnit, 3 * kUnit, 'c');
  world_.settle();
  for (const auto& each : {one, two}) {
    expect_intact(each);
    EXPECT_EQ(world_.rows[each].whole, shares());
    EXPECT_EQ(member(each)->whole(), shares());
    if (!shares()) continue;
    EXPECT_EQ(member(each)->captured(), nullptr);
    EXPECT_TRUE(store_->content(world_.path(world_.rows[each].name + ".img")) == kept_[each]);
    EXPECT_TRUE(store_->look_up(world_.path(world_.rows[each].name + ".img"))->read_only);
  }
  EXPECT_EQ(member(one)->pre_images().size(), 0U);
  restart(false);
  for (const auto& each : {one, two}) expect_intact(each);
}

TEST_P(ChainTest, ADiskOfOddLengthBecomesWhole) {
  for (std::uint64_t capacity :
       std::initializer_list<std::uint64_t>{512, 4608, 2 * kUnit + 1536, 17 * kUnit + 4096}) {
    make(capacity);
    write(0, capacity, 'a');
    auto one = cut("one");
    write(capacity - 512, 512, 'b');
    auto two = cut("two");
    write(capacity - 512, 512, 'c');
    world_.settle();
    expect_intact(one);
    expect_intact(two);
    EXPECT_EQ(world_.rows[one].whole, shares());
  }
}

TEST_P(ChainTest, SpaceComesBack) {
  write(0, 30 * kUnit, 'a');
  ASSERT_EQ(world_.flush(), Error());
  auto before = used();
  auto one = cut("one");
  write(0, 10 * kUnit, 'b');
  auto two = cut("two");
  write(0, 20 * kUnit, 'c');
  world_.settle();
  EXPECT_GT(used(), before);
  ASSERT_TRUE(world_.remove(two).has_value());
  EXPECT_THAT(files(), Not(Contains("two.img")));
  world_.settle();
  expect_intact(one);
  ASSERT_TRUE(world_.remove(one).has_value());
  world_.settle();
  EXPECT_EQ(used(), before);
  EXPECT_TRUE(files().empty());
  EXPECT_TRUE(world_.rows.empty());
}

TEST_P(ChainTest, WhatAnOlderOneNeedsOfARemovedOneStays) {
  write(0, 10 * kUnit, 'a');
  auto one = cut("one");
  auto two = cut("two");
  write(0, 4 * kUnit, 'b');
  ASSERT_TRUE(world_.remove(two).has_value());
  write(4 * kUnit, kUnit, 'c');  // the ghost captures for the older one
  expect_intact(one);
  restart();
  expect_intact(one);
  auto three = cut("three");
  write(0, 10 * kUnit, 'd');
  world_.settle();
  expect_intact(one);
  expect_intact(three);
  EXPECT_FALSE(world_.rows.contains(two));  // the older one is whole, or has what it needs
}

TEST_P(ChainTest, NobodyWaitsWhereNothingCaptures) {
  EXPECT_FALSE(world_.chain->holds_back(0, 512));
  auto one = cut("one");
  EXPECT_TRUE(world_.chain->holds_back(0, 512));
  write(0, 512, 'a');
  EXPECT_FALSE(world_.chain->holds_back(0, 512));
  ASSERT_TRUE(world_.remove(one).has_value());
  world_.settle();
  EXPECT_FALSE(world_.chain->holds_back(0, 1048576));
}

/// What is read of the container is old only if nobody has captured it since.
TEST_P(ChainTest, AReadThatRacesWithAWriteReadsTheOld) {
  write(0, 2 * kUnit, 'a');
  auto one = cut("one");
  auto two = cut("two");
  for (const auto& each : {one, two}) {
    world_.hook->before_read = [&](const block::IoRequest&) { write(kUnit / 2, kUnit, 'b'); };
    expect_intact(each);
  }
}

TEST_P(ChainTest, OfADiskThatShrinksAndGrowsAll) {
  auto all = live_.size();
  write(0, all, 'a');
  auto one = cut("one");
  auto two = cut("two");
  constexpr std::uint64_t kLess = 1048576 + 1024;
  ASSERT_TRUE(world_.shrink(kLess).has_value());
  live_.resize(kLess);
  write(0, kUnit, 'b');
  auto three = cut("three");
  write(kLess - 512, 512, 'c');
  world_.grow(all + kUnit);
  live_.resize(all + kUnit);
  auto four = cut("four");
  write(kLess - 512, kUnit, 'd');
  write(all, kUnit, 'e');
  for (int round = 0; round < 3; ++round) {
    for (const auto& each : {one, two, three, four}) expect_intact(each);
    if (round == 0) restart();
    if (round == 1) world_.settle();
  }
}

TEST_P(ChainTest, AFullStoreCostsTheSnapshotsWhereHostsComeFirst) {
  make(40 * kUnit, 84 * kUnit);
  write(0, 40 * kUnit, 'a');
  auto zero = cut("zero");
  if (shares()) world_.settle();
  auto one = cut("one");
  auto two = cut("two");
  if (shares()) write(0, 30 * kUnit, 'x');  // blocks that are not shared any more fill the store
  for (std::uint64_t i = 0; i < 40; ++i) write(i * kUnit, kUnit, 'b');
  EXPECT_EQ(world_.rows[one].state, State::invalid);
  EXPECT_EQ(world_.rows[two].state, State::invalid);
  EXPECT_EQ(world_.rows[zero].state, shares() ? State::present : State::invalid);
  Bytes data(512);
  auto refused = world_.read(one, 0, data);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("no image any more"));
  world_.settle();
  restart();
  EXPECT_TRUE(member(one)->invalid());
  if (shares()) expect_intact(zero);
  ASSERT_TRUE(world_.remove(zero).has_value());
  world_.settle();
  auto three = cut("three");
  write(0, kUnit, 'c');
  expect_intact(three);
}

TEST_P(ChainTest, AFullStoreFailsWritesWhereSnapshotsComeFirst) {
  make(40 * kUnit, 84 * kUnit);
  world_.policy.hosts_first = false;
  write(0, 40 * kUnit, 'a');
  auto one = cut("one");
  Bytes data(kUnit, std::byte{'b'});
  Error refused;
  for (std::uint64_t round = 0; round < 2 && !refused; ++round) {
    for (std::uint64_t i = 0; i < 40 && !refused; ++i) refused = world_.write(i * kUnit, data);
    if (!refused) cut("more" + std::to_string(round));
  }
  EXPECT_EQ(refused, make_error_code(block::BlockErrc::no_space));
  expect_intact(one);
  EXPECT_EQ(world_.rows[one].state, State::present);
  ASSERT_TRUE(world_.remove(one).has_value());
}

TEST_P(ChainTest, EveryWriteFailsThatCannotBeToldOf) {
  cut("one");
  world_.catalog_fails = true;
  store_->inject({.op = SimOp::write, .times = 1000, .error = EIO});
  store_->inject({.op = SimOp::sync, .times = 1000, .error = EIO});
  store_->inject({.op = SimOp::sync_all, .times = 1000, .error = EIO});
  Bytes data(512, std::byte{'b'});
  EXPECT_EQ(world_.write(0, data), make_error_code(block::BlockErrc::write_error));
  EXPECT_EQ(world_.write(0, data), make_error_code(block::BlockErrc::write_error));
  EXPECT_THAT(world_.told, Not(Contains("invalid one")));
}

TEST_P(ChainTest, AMapThatIsGoneCostsThoseThatReadThroughIt) {
  write(0, 4 * kUnit, 'a');
  auto one = cut("one");
  auto two = cut("two");
  auto three = cut("three");
  write(0, kUnit, 'b');
  world_.end();
  ASSERT_TRUE(store_->remove(world_.path(snapshot::map_name(two))).has_value());
  world_.begin(*store_);
  EXPECT_EQ(world_.rows[one].state, State::invalid);
  EXPECT_THAT(world_.rows[one].reason, HasSubstr("two"));
  EXPECT_EQ(world_.rows[two].state, State::invalid);
  EXPECT_EQ(world_.rows[three].state, State::present);
  expect_intact(three);
  world_.told.clear();
  restart();
  EXPECT_THAT(world_.told, testing::IsEmpty());  // it is known
  for (const auto& each : {one, two}) ASSERT_TRUE(world_.remove(each).has_value());
  world_.settle();
  EXPECT_EQ(world_.rows.size(), 1U);
  expect_intact(three);
}

TEST_P(ChainTest, WritesWaitUntilALossIsKnown) {
  auto one = cut("one");
  world_.end();
  ASSERT_TRUE(store_->remove(world_.path(snapshot::map_name(one))).has_value());
  world_.catalog_fails = true;
  world_.begin(*store_);
  Bytes data(512, std::byte{'b'});
  EXPECT_EQ(world_.write(0, data), make_error_code(block::BlockErrc::write_error));
  world_.catalog_fails = false;
  EXPECT_EQ(world_.write(0, data), Error());
  EXPECT_EQ(world_.rows[one].state, State::invalid);
}

TEST_P(ChainTest, APresentOneWithoutItsCutIsDamaged) {
  auto member = world_.chain->prepare([&] {
    snapshot::MapHeader header;
    header.snapshot = Uuid::random();
    header.lun = world_.lun;
    header.lun_name = "disk";
    header.name = "one";
    header.sequence = 1;
    header.capacity = world_.capacity;
    header.primitive = snapshot::Primitive::copy;
    header.unit = 4096;
    return header;
  }());
  ASSERT_TRUE(member.has_value());
  auto uuid = (*member)->uuid();
  member = failure(Errc::internal, "");
  world_.rows[uuid] = {"one", 1, world_.capacity, State::present};
  restart();
  EXPECT_EQ(world_.rows[uuid].state, State::invalid);
}

TEST_P(ChainTest, OneThatWasNeverCutIsGone) {
  auto uuid = Uuid::random();
  world_.rows[uuid] = {"never", 7, world_.capacity, State::creating};
  restart();
  world_.settle();
  EXPECT_FALSE(world_.rows.contains(uuid));
  EXPECT_TRUE(files().empty());
}

TEST_P(ChainTest, WhatFindsNoRoomLeavesNothing) {
  for (std::uint64_t skip = 0; skip < 30; ++skip) {
    store_->inject({.skip = skip, .times = 1, .error = ENOSPC});
    auto made = world_.cut("one");
    store_->clear_faults();
    if (made) {
      ASSERT_TRUE(world_.remove(*made).has_value());
      world_.settle();
      EXPECT_TRUE(files().empty()) << skip;
      continue;
    }
    world_.settle();
    EXPECT_TRUE(files().empty()) << skip;
  }
}

TEST_P(ChainTest, ANameThatIsTakenLeavesTheImageHidden) {
  if (!shares()) GTEST_SKIP() << "there are no images";
  write(0, kUnit, 'a');
  auto one = cut("one");
  auto file = store_->create_unnamed().value();
  ASSERT_TRUE(store_->publish(*file, world_.path("one.img")).has_value());
  world_.settle();
  EXPECT_TRUE(world_.rows[one].whole);
  restart();
  expect_intact(one);
  ASSERT_TRUE(store_->remove(world_.path("one.img")).has_value());
  restart();
  expect_intact(one);
  EXPECT_THAT(files(), Contains("one.img"));
}

TEST_P(ChainTest, ARenameIsCutShortAnywhere) {
  write(0, kUnit, 'a');
  auto one = cut("one");
  world_.settle();
  for (bool row : {false, true}) {
    auto from = world_.rows[one].name;
    ASSERT_TRUE(world_.rename(one, from + "x").has_value());
    if (!row) world_.rows[one].name = from;  // as if the process had died before
    restart();
    expect_intact(one);
    EXPECT_EQ(member(one)->name(), world_.rows[one].name);
    if (shares()) {
      EXPECT_THAT(files(), Contains(world_.rows[one].name + ".img"));
    }
  }
}

TEST_P(ChainTest, ACrashWhileItIsRemovedSpoilsNobody) {
  write(0, 10 * kUnit, 'a');
  auto one = cut("one");
  auto two = cut("two");
  write(0, 8 * kUnit, 'b');
  auto three = cut("three");
  write(0, 4 * kUnit, 'c');
  world_.settle();
  ASSERT_TRUE(world_.remove(two).has_value());
  for (int steps = 0; world_.rows.contains(two) && steps < 200; ++steps) {
    for (int i = 0; i < 1 + steps % 3; ++i) world_.chain->step();
    restart();
    ASSERT_EQ(world_.rows[one].state, State::present) << steps;
    expect_intact(one);
    expect_intact(three);
  }
  EXPECT_FALSE(world_.rows.contains(two));
}

/// Its pages are cached, and count as written.
TEST_P(ChainTest, AFailedSyncIsNotBelievedByTheNextStart) {
  if (shares()) GTEST_SKIP() << "there are no segments";
  world_.policy.hosts_first = false;
  write(0, 2 * kUnit, 'a');
  auto one = cut("one");
  write(0, kUnit, 'b');
  store_->inject({.op = SimOp::sync, .times = 1, .error = EIO});
  Bytes data(kUnit, std::byte{'c'});
  EXPECT_NE(world_.write(kUnit, data), Error());
  restart(false);
  write(kUnit, kUnit, 'c');
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    world_.end();
    auto after = store_->power_cut(seed);
    world_.begin(*after);
    expect_intact(one);
    world_.end();
  }
  world_.begin(*store_);
}

TEST_P(ChainTest, NothingIsAskedOfAChainThatIsClosed) {
  auto one = cut("one");
  auto chain = world_.chain;
  world_.end();
  Bytes data(512);
  EXPECT_EQ(chain->read(one, 0, data).error().code, Errc::offline);
  EXPECT_EQ(chain->remove(one).error().code, Errc::offline);
  EXPECT_EQ(chain->capture(0, 512).error().code, Errc::offline);
  EXPECT_FALSE(chain->step());
  world_.pacer.run_one();  // what was due finds it closed
}

TEST_P(ChainTest, TheBackgroundIsPacedAndEnds) {
  write(0, 40 * kUnit, 'a');
  auto one = cut("one");
  int jobs = 0;
  while (world_.pacer.run_one() && jobs < 1000) {
    ++jobs;
    world_.chain->remove(Uuid::random()).has_error();  // behind it on the lane
    ASSERT_TRUE(world_.chain->rename(one, "one").has_value());
  }
  EXPECT_LT(jobs, 1000);
  EXPECT_EQ(world_.rows[one].whole, shares());
  EXPECT_EQ(world_.pacer.waiting(), 0U);
  ASSERT_TRUE(world_.remove(one).has_value());
  EXPECT_EQ(world_.pacer.waiting(), 1U);
}

}  // namespace
}  // namespace caisson::tests
