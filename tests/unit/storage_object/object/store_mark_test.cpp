// SPDX-License-Identifier: Apache-2.0
// A store that is not there is not worked on, and what waited for it is finished
// when it comes.
#include "storage_object/object/store_mark.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"
#include "storage_object/format/trailer.hpp"
#include "tests/unit/storage_object/object/mounts.hpp"

namespace caisson::tests {
namespace {

using catalog::LunRecord;
using catalog::LunState;
using object::kMarkName;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;
const std::string kMark(kMarkName);

std::string text_of(SimStore& store) {
  auto bytes = store.content(kMark);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

using StoreMarkTest = MountedStoreTest;

TEST_F(StoreMarkTest, AStoreIsMarkedWhenItIsAddedAndTheCatalogKnowsTheMark) {
  auto id = registry().stores().at(0).mark;
  ASSERT_TRUE(id);
  EXPECT_EQ(text_of(store_), object::mark_text(*id));
  EXPECT_EQ(machine_->catalog().stores()->at(0).mark, id);
  EXPECT_TRUE(store_.power_cut(0)->content(kMark).size());  // durably
}

TEST_F(StoreMarkTest, ADryRunMarksNothing) {
  ASSERT_TRUE(registry().add_store({.name = "b", .location = "/srv/b"}, true));
  EXPECT_TRUE(mounts_.at("/srv/b").list("").value().empty());
}

TEST_F(StoreMarkTest, AStoreThatIsNotMountedIsOfflineAndNothingIsDoneThere) {
  machine_->make("db", kMiB);
  start_unmounted();
  EXPECT_FALSE(registry().store("main"));
  EXPECT_THAT(registry().store_reason("main"), HasSubstr("does not bear its mark"));
  EXPECT_THAT(lun("db").reason, HasSubstr("does not bear its mark"));
  EXPECT_EQ(registry().create({.name = "x", .capacity = kMiB}).error().code, Errc::offline);
  EXPECT_EQ(registry().remove("db").error().code, Errc::offline);
  EXPECT_EQ(registry().add_store(main_).error().code, Errc::offline);
  EXPECT_EQ(mounts_.mount_point(kPlace).operations(), 0u);
  mount();
  start();
  EXPECT_TRUE(lun("db").object);
}

TEST_F(StoreMarkTest, ItComesBackWithoutARestart) {
  for (auto ask : {0, 1}) {
    auto name = "db" + std::to_string(ask);
    auto beside = "beside" + std::to_string(ask);
    machine_->make(name, kMiB);
    machine_->make(beside, kMiB);
    start_unmounted();
    EXPECT_FALSE(registry().set_online(name, false));
    mount();
    if (ask == 0)
      EXPECT_TRUE(registry().add_store(main_));
    else
      EXPECT_TRUE(registry().set_online(name, false));
    EXPECT_TRUE(lun(name).object);
    EXPECT_TRUE(lun(beside).object) << lun(beside).reason;
  }
}

TEST_F(StoreMarkTest, ARenameOutlivesAStartWithoutItsStore) {
  machine_->make("a", kMiB);
  machine_->make("b", kMiB);
  change_row("a", [](LunRecord& row) { row.rename_to = "a2"; });
  change_row("b", [](LunRecord& row) { row.rename_to = "b2"; });
  ASSERT_TRUE(store_.rename("a.img", "a2.img"));  // of "b" only the note was durable
  start_unmounted();
  EXPECT_EQ(lun("a").record.rename_to, "a2");
  mount();
  start();
  EXPECT_TRUE(lun("a2").object);
  EXPECT_TRUE(lun("b").object);
  EXPECT_EQ(lun("a2").record.rename_to + lun("b").record.rename_to, "");
  EXPECT_FALSE(registry().find("a"));
}

TEST_F(StoreMarkTest, ACreationAndADeletionOutliveAStartWithoutTheirStore) {
  for (auto name : {"made", "gone", "never"}) machine_->make(name, kMiB);
  change_row("made", [](LunRecord& row) { row.state = LunState::creating; });
  change_row("never", [](LunRecord& row) { row.state = LunState::creating; });
  change_row("gone", [](LunRecord& row) { row.state = LunState::deleting; });
  machine_.reset();
  ASSERT_TRUE(store_.remove("never.img"));
  start_unmounted();
  EXPECT_EQ(registry().list().size(), 3u);
  mount();
  ASSERT_TRUE(registry().add_store(main_));
  EXPECT_TRUE(lun("made").object);
  EXPECT_EQ(registry().list().size(), 1u);
  EXPECT_TRUE(store_.content("gone.img").empty());
}

TEST_F(StoreMarkTest, AnotherStoreInItsPlaceIsRefused) {
  machine_->make("db", kMiB);
  SimStore other;
  ASSERT_TRUE(object::write_mark(other, "other", Uuid::random()));
  auto before = other.operations();
  mounts_.mount(kPlace, other);
  start();
  EXPECT_THAT(lun("db").reason, HasSubstr("is another store"));
  EXPECT_EQ(registry().add_store(main_).error().code, Errc::offline);
  EXPECT_EQ(other.operations(), before);
}

TEST_F(StoreMarkTest, WhatIsPlantedAsAMarkIsNone) {
  machine_->make("db", kMiB);
  const auto good = text_of(store_);
  auto bytes = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  const std::function<void(SimStore&)> kPlants[] = {
      [](SimStore& at) { at.plant(kMark, SimKind::symbolic_link); },
      [](SimStore& at) { at.plant(kMark, SimKind::fifo); },
      [&](SimStore& at) { put_file(at, kMark, bytes(good + std::string(5000, 'x'))); },
      [&](SimStore& at) { put_file(at, kMark, bytes(good.substr(0, 30))); },
      [&](SimStore& at) { put_file(at, kMark, {}); },
      [&](SimStore& at) {
        put_file(at, "elsewhere", bytes(object::mark_text(Uuid::random())));
        at.plant_hard_link("elsewhere", kMark);
      },
  };
  for (const auto& plant : kPlants) {
    SimStore planted;
    plant(planted);
    mounts_.mount(kPlace, planted);
    start();
    EXPECT_FALSE(registry().store("main"));
    EXPECT_THAT(lun("db").reason, HasSubstr("is not the mark of a store"));
    EXPECT_EQ(registry().add_store(main_).error().code, Errc::corrupt);
    EXPECT_FALSE(registry().add_store({.name = "new", .location = kPlace}));
    machine_.reset();
  }
}

TEST_F(StoreMarkTest, ALostMarkIsRenewedWhereAContainerProvesTheStoreAndAnAdministratorAsks) {
  machine_->make("db", kMiB);
  machine_.reset();
  ASSERT_TRUE(store_.remove(kMark));
  start();
  EXPECT_FALSE(lun("db").object);
  ASSERT_TRUE(registry().add_store(main_));
  EXPECT_TRUE(lun("db").object);
  EXPECT_EQ(text_of(store_), object::mark_text(*registry().stores().at(0).mark));
}

TEST_F(StoreMarkTest, ALostMarkIsRenewedWhenALunIsBroughtOnline) {
  machine_->make("db", kMiB);
  machine_->make("beside", kMiB);
  machine_.reset();
  ASSERT_TRUE(store_.remove(kMark));
  start();
  EXPECT_FALSE(lun("db").object);
  auto online = registry().set_online("db", false);
  ASSERT_TRUE(online) << online.error().message;
  EXPECT_TRUE(lun("beside").object);
  EXPECT_EQ(text_of(store_), object::mark_text(*registry().stores().at(0).mark));
}

TEST_F(StoreMarkTest, ASecondNameOfTheMarkTakesNothingAway) {
  machine_->make("db", kMiB);
  store_.plant_hard_link(kMark, "mine");
  start();
  EXPECT_TRUE(lun("db").object) << lun("db").reason;
}

TEST_F(StoreMarkTest, AMarkWrittenByHandCounts) {
  machine_->make("db", kMiB);
  auto line = text_of(store_);
  line.pop_back();
  machine_.reset();
  ASSERT_TRUE(store_.remove(kMark));
  ASSERT_TRUE(store_.remove("db.img"));
  start();
  EXPECT_THAT(registry().store_reason("main"), HasSubstr(line));
  EXPECT_FALSE(registry().add_store(main_));
  put_file(store_, kMark, std::as_bytes(std::span(line)));
  ASSERT_TRUE(registry().add_store(main_));
  EXPECT_TRUE(registry().remove("db"));
}

/// Stores of an earlier version, which had no marks.
class UnmarkedStoreTest : public MountedStoreTest {
 protected:
  void forget_mark() {
    auto record = registry().stores().at(0);
    record.mark.reset();
    ASSERT_TRUE(machine_->catalog().change(
        [&](catalog::Transaction& transaction) { return transaction.put_store(record); }));
    machine_.reset();
    ASSERT_TRUE(store_.remove(kMark));
  }
};

TEST_F(UnmarkedStoreTest, WithOneOfOurContainersIsMarkedAtItsFirstStart) {
  machine_->make("db", kMiB);
  machine_->make("lost", kMiB);
  forget_mark();
  ASSERT_TRUE(store_.remove("lost.img"));
  start();
  EXPECT_TRUE(lun("db").object);
  EXPECT_EQ(text_of(store_), object::mark_text(*machine_->catalog().stores()->at(0).mark));
}

TEST_F(UnmarkedStoreTest, WithoutLunsIsMarkedAtItsFirstStart) {
  forget_mark();
  start();
  EXPECT_TRUE(registry().store("main"));
  EXPECT_FALSE(text_of(store_).empty());
}

TEST_F(UnmarkedStoreTest, WithNothingOfOursIsTakenForAnEmptyMountPoint) {
  machine_->make("db", kMiB);
  forget_mark();
  put_file(mounts_.mount_point(kPlace), "db.img", filled(format::container_length(kMiB), 1));
  auto before = mounts_.mount_point(kPlace).operations();
  start_unmounted();
  EXPECT_THAT(lun("db").reason, HasSubstr("none of its containers"));
  EXPECT_EQ(mounts_.mount_point(kPlace).operations(), before);
  mount();
  EXPECT_TRUE(registry().set_online("db", false));
}

TEST_F(UnmarkedStoreTest, ThatIsFullIsServedAllTheSame) {
  machine_->make("db", kMiB);
  forget_mark();
  store_.inject({.op = SimOp::write, .error = ENOSPC});
  start();
  EXPECT_TRUE(lun("db").object);
  EXPECT_FALSE(machine_->catalog().stores()->at(0).mark);
  start();
  EXPECT_TRUE(machine_->catalog().stores()->at(0).mark);
}

TEST_F(StoreMarkTest, AFreshCatalogTakesTheMarkThatIsThere) {
  auto mark = registry().stores().at(0).mark;
  machine_.reset();
  SimStore fresh;
  Machine again(
      fresh, nullptr,
      [this](auto& options) {
        options.open_store =
            [this](
                const catalog::StoreRecord& record) -> Outcome<std::unique_ptr<file_store::Store>> {
          return std::make_unique<BorrowedStore>(mounts_.at(record.location));
        };
      },
      Machine::Main::left);
  ASSERT_TRUE(again.registry().add_store(main_));
  EXPECT_EQ(again.registry().stores().at(0).mark, mark);
}

TEST_F(StoreMarkTest, AStoreIsNotAddedTwiceByAnotherPathNorItsCopy) {
  mounts_.mount("/srv/bound", store_);
  auto added = registry().add_store({.name = "b", .location = "/srv/bound"});
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, Errc::already_exists);
  EXPECT_THAT(added.error().message, HasSubstr("'main'"));
}

}  // namespace
}  // namespace caisson::tests
