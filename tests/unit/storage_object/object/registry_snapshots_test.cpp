// SPDX-License-Identifier: Apache-2.0
// What the registry does to a LUN never loses its snapshots.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using catalog::LunKind;
using catalog::Transaction;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;

class RegistrySnapshotsTest : public ::testing::Test {
 protected:
  RegistrySnapshotsTest() { machine_->make("db", kMiB); }
  void restart() {
    machine_.reset();
    machine_ = std::make_unique<Machine>(disk_);
    ASSERT_FALSE(machine_->failure()) << machine_->failure()->message;
  }
  object::ObjectRegistry& registry() { return machine_->registry(); }
  catalog::LunRecord row(const std::string& name) { return registry().find(name)->record; }
  void change(const std::function<Outcome<>(Transaction&)>& body) {
    auto changed = machine_->catalog().change(body);
    ASSERT_TRUE(changed) << changed.error().message;
  }
  catalog::SnapshotRecord cut() {
    catalog::SnapshotRecord snapshot{.uuid = Uuid::random(), .lun = row("db").uuid, .name = "s"};
    change([&](Transaction& t) -> Outcome<> {
      auto number = t.next_snapshot_sequence(snapshot.lun);
      if (!number) return number.error();
      snapshot.sequence = *number;
      return t.put_snapshot(snapshot);
    });
    return snapshot;
  }
  /// The container of another LUN lies where db's was.
  void replace_container() {
    machine_->make("other", kMiB);
    ASSERT_TRUE(registry().set_offline("db"));
    ASSERT_TRUE(disk_.rename("other.img", "away.img"));
    ASSERT_TRUE(registry().remove("other"));
    ASSERT_TRUE(disk_.rename("db.img", "old.img"));
    ASSERT_TRUE(disk_.rename("away.img", "db.img"));
  }

  SimStore disk_;
  std::unique_ptr<Machine> machine_ = std::make_unique<Machine>(disk_);
};

TEST_F(RegistrySnapshotsTest, ADeletionIsRefusedBeforeAnythingIsTouched) {
  const auto snapshot = cut();
  auto refused = registry().remove("db");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::in_use);
  EXPECT_THAT(refused.error().message, HasSubstr("LUN db still has snapshots"));
  EXPECT_EQ(flush(*machine_->object("db")), Error());
  restart();
  EXPECT_TRUE(machine_->object("db"));
  change([&](Transaction& t) { return t.remove_snapshot(snapshot.uuid); });
  EXPECT_TRUE(registry().remove("db"));
  EXPECT_TRUE(disk_.content("db.img").empty());
}

TEST_F(RegistrySnapshotsTest, AChangeOfTheLunLeavesWhatWasCutMeanwhile) {
  const auto snapshot = cut();
  ASSERT_TRUE(registry().resize("db", 2 * kMiB, false));
  ASSERT_TRUE(registry().rename("db", "mail"));
  EXPECT_THAT(*machine_->catalog().snapshots(), ::testing::ElementsAre(snapshot));
}

TEST_F(RegistrySnapshotsTest, AnotherObjectIsNotAdoptedOverThem) {
  cut();
  replace_container();
  for (bool dry_run : {true, false}) {
    auto refused = registry().adopt("main", "db.img", std::nullopt, dry_run);
    ASSERT_FALSE(refused) << dry_run;
    EXPECT_EQ(refused.error().code, Errc::in_use);
    EXPECT_THAT(refused.error().message, HasSubstr("1 snapshots"));
  }
  EXPECT_EQ(machine_->catalog().snapshots()->size(), 1u);
  ASSERT_TRUE(disk_.remove("db.img"));
  ASSERT_TRUE(disk_.rename("old.img", "db.img"));
  EXPECT_TRUE(registry().adopt("main", "db.img", std::nullopt));
}

TEST_F(RegistrySnapshotsTest, WhatALunReadsFromOutlivesItsAdoption) {
  const auto snapshot = cut();
  auto changed = row("db");
  changed.state = catalog::LunState::offline;
  changed.kind = LunKind::clone;
  changed.file = "." + changed.uuid.to_string() + ".clone";  // no disk like any other yet
  changed.origin = Uuid::random();
  changed.restoring = snapshot.uuid;
  change([&](Transaction& t) { return t.put_lun(changed); });
  ASSERT_TRUE(disk_.rename("db.img", changed.file));
  restart();
  EXPECT_EQ(row("db").kind, LunKind::clone);
  ASSERT_TRUE(registry().adopt("main", changed.file, std::nullopt));
  const auto adopted = machine_->catalog().luns()->at(0);
  EXPECT_EQ(adopted.kind, LunKind::clone);
  EXPECT_EQ(adopted.origin, changed.origin);
  EXPECT_EQ(adopted.restoring, changed.restoring);
}

}  // namespace
}  // namespace caisson::tests
