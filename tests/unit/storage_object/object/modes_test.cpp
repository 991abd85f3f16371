// SPDX-License-Identifier: Apache-2.0
// Settings of hosts: what a restart keeps of them, and the mode that is real.
#include <algorithm>
#include <future>

#include "storage_object/base/errc.hpp"
#include "storage_object/block/block_errc.hpp"
#include "storage_object/object/lun_object.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using catalog::CacheMode;
using object::ModeChange;
using object::ModeValues;
using object::UpkeepRequest;
using object::UpkeepState;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

class ModesTest : public ::testing::Test {
 protected:
  void restart() {
    machine_.reset();
    machine_ = std::make_unique<Machine>(*disk_);
    ASSERT_FALSE(machine_->failure()) << machine_->failure()->message;
  }
  /// What a machine finds after the power was cut now.
  void restart_after(std::unique_ptr<SimStore> found) {
    machine_.reset();
    disk_ = std::move(found);
    restart();
  }
  object::StorageObject& db() { return *machine_->object("db"); }

  Error change(const ModeChange& change) {
    std::promise<Error> told;
    db().change_modes({7}, change, [&](Error error) { told.set_value(error); });
    return told.get_future().get();
  }
  Error upkeep(UpkeepRequest request) {
    std::promise<Error> told;
    db().start_upkeep(
        {}, std::move(request),
        [&](Error error) {
          if (error) told.set_value(error);
        },
        [&](Error error) { told.set_value(error); });
    return told.get_future().get();
  }
  Error leave_failure() {
    std::promise<Error> told;
    db().leave_failed_sanitize([&](Error error) { told.set_value(error); });
    return told.get_future().get();
  }

  std::unique_ptr<SimStore> disk_ = std::make_unique<SimStore>();
  std::unique_ptr<Machine> machine_ = std::make_unique<Machine>(*disk_);
};

constexpr ModeChange kEverything{
    .write_cache = false, .write_protect = true, .descriptor_sense = true, .task_aborted = true};

constexpr ModeChange kNothing{
    .write_cache = true, .write_protect = false, .descriptor_sense = false, .task_aborted = false};

ModeChange saved(ModeChange change) {
  change.save = true;
  return change;
}

TEST_F(ModesTest, WhatIsNotSavedEndsWithARestart) {
  machine_->make("db", kMiB);
  EXPECT_EQ(change(kEverything), Error());
  EXPECT_EQ(db().modes().current(), (ModeValues{CacheMode::writethrough, true, true, true}));
  EXPECT_EQ(db().modes().saved(), ModeValues());
  EXPECT_EQ(db().cache_mode(), CacheMode::writethrough);
  restart();
  EXPECT_EQ(db().modes().current(), ModeValues());
  EXPECT_EQ(db().cache_mode(), CacheMode::writeback);
}

TEST_F(ModesTest, WhatIsSavedComesBackAfterARestart) {
  machine_->make("db", kMiB);
  EXPECT_EQ(change(saved(kEverything)), Error());
  restart();
  EXPECT_EQ(db().modes().current(), (ModeValues{CacheMode::writethrough, true, true, true}));
  EXPECT_EQ(db().cache_mode(), CacheMode::writethrough);
  EXPECT_EQ(machine_->registry().find("db")->record.cache, CacheMode::writethrough);
  EXPECT_EQ(change(saved(kNothing)), Error());
  restart();
  EXPECT_EQ(db().modes().current(), ModeValues());
}

TEST_F(ModesTest, WhatIsSavedOutlivesAPowerCut) {
  machine_->make("db", kMiB);
  EXPECT_EQ(change(saved(kEverything)), Error());
  restart_after(disk_->power_cut(1));
  EXPECT_EQ(db().modes().current(), (ModeValues{CacheMode::writethrough, true, true, true}));
}

/// Hears whose change it is told of.
struct Listener final : object::ObjectObserver {
  void on_object_event(object::ObjectEvent) noexcept override {}
  void on_nexus_event(std::uint64_t, object::NexusEvent) noexcept override {}
  void on_modes_changed(std::uint64_t nexus) noexcept override { heard.push_back(nexus); }
  std::vector<std::uint64_t> heard;
};

TEST_F(ModesTest, AnAdministratorEndsAndSetsWriteProtection) {
  machine_->make("db", kMiB);
  auto& registry = machine_->registry();
  EXPECT_EQ(change(saved({.write_protect = true})), Error());
  EXPECT_EQ(change({.descriptor_sense = true}), Error());
  Listener listener;
  db().subscribe(listener);
  EXPECT_TRUE(registry.set("db", {.write_protect = false}));
  EXPECT_EQ(listener.heard, std::vector<std::uint64_t>{0}) << "of nobody's nexus: all hear";
  EXPECT_FALSE(db().modes().write_protect());
  EXPECT_TRUE(db().modes().descriptor_sense());
  EXPECT_EQ(db().modes().saved(), ModeValues()) << "the rest is not saved with it";
  EXPECT_EQ(write(db(), 0, std::vector<std::byte>(512)), Error());
  EXPECT_TRUE(registry.set("db", {.write_protect = true}));
  EXPECT_TRUE(registry.set("db", {.write_protect = true}));
  EXPECT_EQ(listener.heard.size(), 2u);
  db().unsubscribe(listener);
  restart_after(disk_->power_cut(1));
  EXPECT_TRUE(db().modes().write_protect());
}

TEST_F(ModesTest, WriteProtectionThatCannotBeSavedIsNotChanged) {
  machine_->make("db", kMiB);
  disk_->inject({.op = SimOp::write, .times = 100, .error = EIO, .file = "db.img"});
  EXPECT_FALSE(machine_->registry().set("db", {.write_protect = true}));
  EXPECT_EQ(db().modes().current(), ModeValues());
  EXPECT_EQ(db().modes().saved(), ModeValues());
  disk_->clear_faults();
  ASSERT_TRUE(machine_->registry().set_offline("db"));
  auto set = machine_->registry().set("db", {.write_protect = true});
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code, Errc::offline);
  EXPECT_FALSE(set.error().remedy.empty());
}

TEST_F(ModesTest, EveryChangeIsToldAlsoOfTheCacheAlone) {
  machine_->make("db", kMiB);
  Listener others;
  db().subscribe(others);
  EXPECT_EQ(change({.write_cache = false}), Error());
  EXPECT_EQ(others.heard, (std::vector<std::uint64_t>{7}));
  EXPECT_EQ(change({.write_cache = false}), Error());
  EXPECT_EQ(others.heard.size(), 1u) << "nothing has changed";
  EXPECT_EQ(change({.write_protect = true}), Error());
  EXPECT_EQ(others.heard.size(), 2u);
  db().unsubscribe(others);
}

TEST_F(ModesTest, WhatAHostDidToAllOfALunIsAnEvent) {
  machine_->make("db", kMiB);
  db().note("lun.wipe_begun", "FORMAT UNIT of host a has begun");
  machine_->registry().set_offline("db");  // what was noted before is written first
  auto events = machine_->catalog().latest_events(100);
  ASSERT_TRUE(events);
  auto noted = std::ranges::find(*events, "lun.wipe_begun", &catalog::EventRecord::kind);
  ASSERT_NE(noted, events->end());
  EXPECT_EQ(noted->object, "db");
  EXPECT_EQ(noted->text, "FORMAT UNIT of host a has begun");
}

TEST_F(ModesTest, AResetBringsBackTheSavedModes) {
  machine_->make("db", kMiB, CacheMode::none);
  EXPECT_EQ(change(saved({.descriptor_sense = true})), Error());
  EXPECT_EQ(change({.write_cache = false, .write_protect = true}), Error());
  EXPECT_EQ(db().reset(), Error());
  EXPECT_TRUE(db().modes().descriptor_sense());
  EXPECT_FALSE(db().modes().write_protect());
  // The cache mode follows behind what is in flight; another change waits for it.
  EXPECT_EQ(change(saved({.write_protect = true})), Error());
  EXPECT_EQ(db().cache_mode(), CacheMode::none);
}

TEST_F(ModesTest, AnAdministratorsModeIsTheSavedOne) {
  machine_->make("db", kMiB);
  EXPECT_EQ(change({.write_cache = false}), Error());
  ASSERT_TRUE(machine_->registry().set("db", {.cache = CacheMode::writeback}));
  EXPECT_EQ(db().cache_mode(), CacheMode::writeback) << "though the catalog said so all the time";
  ASSERT_TRUE(machine_->registry().set("db", {.cache = CacheMode::none}));
  EXPECT_EQ(db().modes().saved().cache, CacheMode::none);
  EXPECT_EQ(change({.write_cache = false}), Error());
  EXPECT_EQ(change({.write_cache = true}), Error());
  EXPECT_EQ(db().cache_mode(), CacheMode::none);
}

TEST_F(ModesTest, WritesOfTheModeBeforeAreDurableOnceThereIsNoCache) {
  machine_->make("db", kMiB);
  EXPECT_EQ(write(db(), 0, filled(4096, 3)), Error());
  EXPECT_EQ(change({.write_cache = false}), Error());
  EXPECT_EQ(write(db(), 4096, filled(4096, 4)), Error());
  restart_after(disk_->power_cut(2));
  EXPECT_EQ(disk_->content("db.img")[0], std::byte{3});
  EXPECT_EQ(disk_->content("db.img")[4096], std::byte{4});
}

// Upkeep

UpkeepRequest erase(bool may_be_left = false) {
  UpkeepRequest request;
  request.kind = UpkeepRequest::Kind::block_erase;
  request.may_be_left = may_be_left;
  return request;
}

TEST_F(ModesTest, AnErasedLunIsZerosAndOwnsNoBlocks) {
  machine_->make("db", 4 * kMiB);
  EXPECT_EQ(write(db(), kMiB, filled(kMiB, 9)), Error());
  auto before = *db().allocated();
  EXPECT_EQ(upkeep(erase()), Error());
  EXPECT_EQ(db().upkeep().state(), UpkeepState::none);
  EXPECT_LT(*db().allocated(), before);
  auto content = disk_->content("db.img");
  EXPECT_TRUE(std::all_of(content.begin(), content.begin() + 4 * kMiB,
                          [](std::byte b) { return b == std::byte{0}; }));
  restart();
  EXPECT_EQ(db().upkeep().state(), UpkeepState::none);
}

TEST_F(ModesTest, AnInterruptedSanitizeHasFailedAfterTheRestart) {
  for (bool may_be_left : {false, true}) {
    machine_->make("db", 4 * kMiB);
    EXPECT_EQ(write(db(), 0, filled(kMiB, 9)), Error());
    std::unique_ptr<SimStore> found;
    std::promise<void> ended;
    db().start_upkeep(
        {}, erase(may_be_left), [&](Error) { found = disk_->power_cut(3); },
        [&](Error) { ended.set_value(); });
    ended.get_future().get();
    ASSERT_TRUE(found);
    restart_after(std::move(found));
    EXPECT_EQ(db().upkeep().state(), UpkeepState::sanitize_failed);
    block::IoRequest request;
    request.op = block::IoOp::flush;
    request.context.nexus = 5;
    EXPECT_EQ(block::perform(db(), request), block::BlockErrc::busy) << "hosts are kept out";
    EXPECT_EQ(!leave_failure(), may_be_left);
    EXPECT_EQ(upkeep(erase()), Error());
    EXPECT_EQ(db().upkeep().state(), UpkeepState::none);
    ASSERT_TRUE(machine_->registry().remove("db"));
  }
}

}  // namespace
}  // namespace caisson::tests
