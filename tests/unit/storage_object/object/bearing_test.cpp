// SPDX-License-Identifier: Apache-2.0
// Containers that share users delete, replace, move or link while hosts use them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "storage_object/base/errc.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using block::BlockErrc;
using catalog::LunState;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;

/// A gateway whose catalog lies elsewhere than its store.
class BearingTest : public ::testing::Test {
 protected:
  void start(std::chrono::milliseconds watch_interval) {
    machine_.reset();
    machine_ = std::make_unique<Machine>(
        catalog_, nullptr, [this, watch_interval](object::RegistryOptions& options) {
          options.watch_interval = watch_interval;
          options.open_store = [this](const catalog::StoreRecord& record)
              -> Outcome<std::unique_ptr<file_store::Store>> {
            return std::make_unique<BorrowedStore>(record.name == "other" ? other_ : store_);
          };
        });
    ASSERT_FALSE(machine_->failure());
  }
  void SetUp() override { start(std::chrono::milliseconds(0)); }
  object::ObjectRegistry& registry() { return machine_->registry(); }
  std::string reason() { return registry().find("db")->reason; }

  /// A file of that content in place of the container.
  void put(const std::string& name, std::span<const std::byte> bytes) {
    auto file = store_.create_unnamed().value();
    ASSERT_TRUE(file_store::write_at(*file, 0, bytes));
    ASSERT_TRUE(store_.publish(*file, name));
  }
  bool has_event(const std::string& kind, const std::string& text) {
    auto events = machine_->catalog().latest_events(1000);
    for (const auto& event : *events)
      if (event.kind == kind && event.object == "db" && event.text.find(text) != std::string::npos)
        return true;
    return false;
  }
  void expect_stopped(object::StorageObject& object) {
    auto data = filled(512, 0);
    EXPECT_EQ(object.state(), LunState::failed);
    EXPECT_EQ(write(object, 0, filled(512, 1)), BlockErrc::failed);
    EXPECT_EQ(flush(object), BlockErrc::failed);
    EXPECT_EQ(read(object, 0, data), Error());
    EXPECT_EQ(data, filled(512, 5));
  }
  std::shared_ptr<object::StorageObject> written() {
    auto object = machine_->make("db", kMiB);
    EXPECT_EQ(write(*object, 0, filled(512, 5)), Error());
    EXPECT_EQ(flush(*object), Error());
    return object;
  }

  SimStore catalog_, store_, other_;
  std::unique_ptr<Machine> machine_;
};

TEST_F(BearingTest, ADeletedContainerIsNoticedAndWritesEnd) {
  start(std::chrono::milliseconds(1));
  auto object = written();
  ASSERT_TRUE(store_.remove("db.img"));
  while (object->state() == LunState::online) std::this_thread::yield();
  expect_stopped(*object);
  EXPECT_THAT(reason(), HasSubstr("main/db.img was deleted"));
  EXPECT_TRUE(has_event("lun.failed", "was deleted"));
}

TEST_F(BearingTest, OneThatIsReplacedIsNoticedToo) {
  start(std::chrono::milliseconds(1));
  auto object = written();
  ASSERT_TRUE(store_.remove("db.img"));
  store_.plant("db.img", SimKind::symbolic_link);
  while (object->state() == LunState::online) std::this_thread::yield();
  expect_stopped(*object);
}

TEST_F(BearingTest, AHungStoreKeepsNoOtherFromBeingWatched) {
  ASSERT_TRUE(registry().add_store({.name = "other", .location = "/other"}));
  start(std::chrono::milliseconds(1));
  auto object = written();
  ASSERT_TRUE(registry().create({.name = "hung", .store = "other", .capacity = kMiB}));
  other_.inject({.op = SimOp::look_up, .times = 1 << 20, .hang = true});
  while (other_.hanging() == 0) std::this_thread::yield();
  ASSERT_TRUE(store_.remove("db.img"));
  while (object->state() == LunState::online) std::this_thread::yield();
  EXPECT_EQ(registry().find("hung")->state, LunState::online);
  other_.clear_faults();
  other_.release();
}

TEST_F(BearingTest, WhatCannotBeToldChangesNothing) {
  auto object = written();
  store_.inject({.op = SimOp::look_up, .times = 1 << 20, .error = EIO});
  EXPECT_TRUE(registry().resize("db", 2 * kMiB, false));
  EXPECT_EQ(object->state(), LunState::online);
}

TEST_F(BearingTest, ChangesLookFirst) {
  using Change = std::function<bool(object::ObjectRegistry&)>;
  const Change changes[] = {
      [](auto& all) { return all.rename("db", "mail").has_value(); },
      [](auto& all) { return all.resize("db", 2 * kMiB, false).has_value(); },
      [](auto& all) { return all.resize("db", kMiB / 2, true).has_value(); },
      [](auto& all) { return all.set_offline("db").has_value(); },
  };
  for (const auto& change : changes) {
    auto object = written();
    ASSERT_TRUE(store_.remove("db.img"));
    put("db.img", filled(4096, 9));
    EXPECT_FALSE(change(registry()));
    expect_stopped(*object);
    EXPECT_THAT(reason(), HasSubstr("main/db.img was replaced"));
    EXPECT_EQ(store_.content("db.img"), filled(4096, 9));
    ASSERT_TRUE(registry().remove("db"));
    EXPECT_EQ(store_.content("db.img"), filled(4096, 9));
    ASSERT_TRUE(store_.remove("db.img"));
  }
}

TEST_F(BearingTest, AStopSaysSoAndTheNextStartKnows) {
  written();
  ASSERT_TRUE(store_.remove("db.img"));
  ASSERT_TRUE(registry().stop());
  EXPECT_TRUE(has_event("lun.failed", "was deleted"));
  start(std::chrono::milliseconds(0));
  EXPECT_FALSE(machine_->object("db"));
}

TEST_F(BearingTest, ARenameStopsNobodyAndIsToldUntilItIsUndone) {
  start(std::chrono::milliseconds(1));
  auto object = written();
  ASSERT_TRUE(store_.rename("db.img", "gone.img"));
  while (reason().empty()) std::this_thread::yield();
  EXPECT_THAT(reason(), HasSubstr("renamed or moved"));
  EXPECT_EQ(write(*object, 0, filled(512, 6)), Error());
  EXPECT_EQ(flush(*object), Error());
  EXPECT_FALSE(registry().resize("db", 2 * kMiB, false));
  ASSERT_TRUE(store_.rename("gone.img", "db.img"));
  while (!reason().empty()) std::this_thread::yield();
  EXPECT_TRUE(has_event("lun.container_moved", "renamed or moved"));
  EXPECT_EQ(object->state(), LunState::online);
  EXPECT_TRUE(registry().resize("db", 2 * kMiB, false));
  EXPECT_EQ(store_.content("db.img")[0], std::byte{6});
}

TEST_F(BearingTest, OneThatWasDisplacedGoesOnByItselfWhenItIsBack) {
  start(std::chrono::milliseconds(1));
  auto object = written();
  // Never both at once: a look between the two finds it moved.
  ASSERT_TRUE(store_.rename("db.img", "gone.img"));
  store_.plant("db.img", SimKind::symbolic_link);
  while (object->state() == LunState::online) std::this_thread::yield();
  expect_stopped(*object);
  ASSERT_TRUE(store_.remove("db.img"));
  ASSERT_TRUE(store_.rename("gone.img", "db.img"));
  while (object->state() == LunState::failed) std::this_thread::yield();
  EXPECT_EQ(write(*object, 0, filled(512, 6)), Error());
  EXPECT_EQ(flush(*object), Error());
  EXPECT_TRUE(has_event("lun.resumed", "nothing was lost"));
  while (registry().find("db")->state != LunState::online) std::this_thread::yield();
  start(std::chrono::milliseconds(0));
  EXPECT_EQ(flush(*machine_->object("db")), Error());
}

TEST_F(BearingTest, ALossMeanwhileIsNotLifted) {
  auto object = written();
  EXPECT_EQ(write(*object, 512, filled(512, 6)), Error());
  ASSERT_TRUE(store_.rename("db.img", "gone.img"));
  store_.plant("db.img", SimKind::symbolic_link);
  EXPECT_FALSE(registry().resize("db", 2 * kMiB, false));
  expect_stopped(*object);
  store_.fail_writeback("gone.img", EIO);
  ASSERT_TRUE(store_.remove("db.img"));
  ASSERT_TRUE(store_.rename("gone.img", "db.img"));
  (void)registry().resize("db", 2 * kMiB, false);
  EXPECT_EQ(object->state(), LunState::failed);
  EXPECT_EQ(write(*object, 512, filled(512, 6)), BlockErrc::failed);
  auto online = registry().set_online("db", true);
  ASSERT_TRUE(online) << online.error().message;
  EXPECT_EQ(flush(*object), Error());
}

TEST_F(BearingTest, WhatIsHeldOpenIsNotLetGoButForACopyInItsPlace) {
  written();
  auto copy = store_.content("db.img");
  ASSERT_TRUE(store_.remove("db.img"));
  EXPECT_EQ(registry().set_offline("db").error().code, Errc::corrupt);
  EXPECT_FALSE(registry().set_online("db", true));
  put("db.img", filled(4096, 9));  // not this LUN's
  EXPECT_FALSE(registry().set_online("db", true));
  EXPECT_TRUE(machine_->object("db"));
  ASSERT_TRUE(store_.remove("db.img"));
  put("db.img", copy);
  auto online = registry().set_online("db", true);
  ASSERT_TRUE(online) << online.error().message;
  auto object = machine_->object("db");
  auto data = filled(512, 0);
  EXPECT_EQ(read(*object, 0, data), Error());
  EXPECT_EQ(data, filled(512, 5));
  EXPECT_EQ(write(*object, 0, filled(512, 6)), Error());
  EXPECT_EQ(store_.content("db.img")[0], std::byte{6});
  start(std::chrono::milliseconds(0));
  EXPECT_EQ(flush(*machine_->object("db")), Error());
}

TEST_F(BearingTest, ASecondNameIsToldAndStopsNobody) {
  start(std::chrono::milliseconds(1));
  auto object = written();
  store_.plant_hard_link("db.img", "other.img");
  while (reason().empty()) std::this_thread::yield();
  EXPECT_THAT(reason(), HasSubstr("second name"));
  EXPECT_EQ(write(*object, 0, filled(512, 6)), Error());
  EXPECT_EQ(flush(*object), Error());
  ASSERT_TRUE(store_.remove("other.img"));
  while (!reason().empty()) std::this_thread::yield();
  EXPECT_TRUE(has_event("lun.container_linked", "second name"));
  EXPECT_EQ(object->state(), LunState::online);
}

}  // namespace
}  // namespace caisson::tests
