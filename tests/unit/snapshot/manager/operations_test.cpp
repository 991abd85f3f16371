// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/manager/snapshot_machine.hpp"

namespace caisson::tests {
namespace {

using testing::ElementsAre;

class OperationsTest : public SnapshotTest {
 protected:
  void SetUp() override {
    machine->make("a");
    machine->fill("a", 1);
    machine->cut({"a"}, "s1");
    machine->fill("a", 2);
    machine->cut({"a"}, "s2");
    machine->fill("a", 3);
  }
};

TEST_F(OperationsTest, ARenameOutlivesARestart) {
  auto planned = machine->snapshots().rename("a", "s1", "old", true);
  ASSERT_TRUE(planned);
  EXPECT_THAT(machine->names("a"), ElementsAre("s1", "s2"));
  ASSERT_TRUE(machine->snapshots().rename("a", "s1", "old", false));
  EXPECT_EQ(machine->snapshots().rename("a", "s2", "old", false).error().code,
            Errc::already_exists);
  EXPECT_EQ(machine->snapshots().rename("a", "s2", "O", false).error().code,
            Errc::invalid_argument);
  restart();
  EXPECT_THAT(machine->names("a"), ElementsAre("old", "s2"));
  EXPECT_EQ(machine->held("a", "old"), filled(8192, 1));
}

TEST_F(OperationsTest, WhatAnOlderOneNeedsOutlivesARemoval) {
  ASSERT_TRUE(machine->snapshots().remove("a", "s2", true));
  EXPECT_THAT(machine->names("a"), ElementsAre("s1", "s2"));
  machine->fill("a", 4, 16384);  // only s2 has what was there
  ASSERT_TRUE(machine->snapshots().remove("a", "s2", false));
  EXPECT_THAT(machine->names("a"), ElementsAre("s1"));
  machine->fill("a", 5, 32768);
  EXPECT_EQ(machine->held("a", "s1", 16384), filled(8192, 0));
  EXPECT_EQ(machine->held("a", "s1", 32768), filled(8192, 0));
  restart();
  EXPECT_THAT(machine->names("a"), ElementsAre("s1"));
  EXPECT_EQ(machine->held("a", "s1"), filled(8192, 1));
  EXPECT_EQ(machine->held("a", "s1", 32768), filled(8192, 0));
}

TEST_F(OperationsTest, WhatIsRemovedLeavesNothingBehind) {
  ASSERT_TRUE(machine->snapshots().remove("a", "s1", false));
  ASSERT_TRUE(machine->snapshots().remove("a", "s2", false));
  EXPECT_EQ(machine->snapshots().remove("a", "s2", false).error().code, Errc::not_found);
  EXPECT_TRUE(machine->until([&] { return machine->catalog().snapshots()->empty(); }));
  EXPECT_TRUE(machine->until([&] { return disk->list(".snapshots/a")->empty(); }));
  machine->cut({"a"}, "s1");
}

TEST_F(OperationsTest, ALunIsDeletedAfterWhatIsLeftOfItsSnapshots) {
  EXPECT_EQ(machine->snapshots().prepare_deletion("a", true).error().code, Errc::in_use);
  ASSERT_TRUE(machine->snapshots().remove("a", "s1", false));
  ASSERT_TRUE(machine->snapshots().remove("a", "s2", false));
  EXPECT_FALSE(machine->registry().remove("a")) << "its ghosts have space";
  ASSERT_TRUE(machine->snapshots().prepare_deletion("a", false));
  EXPECT_TRUE(disk->list(".snapshots/a")->empty());
  EXPECT_TRUE(machine->registry().remove("a"));
}

TEST_F(OperationsTest, TheFolderFollowsTheNameOfTheLun) {
  ASSERT_TRUE(machine->registry().rename("a", "b"));
  EXPECT_FALSE(disk->list(".snapshots/b")->empty());
  EXPECT_FALSE(disk->list(".snapshots/a"));
  machine->fill("b", 6, 32768);
  EXPECT_EQ(machine->held("b", "s1"), filled(8192, 1));
  EXPECT_EQ(machine->held("b", "s2", 32768), filled(8192, 0));
  machine->cut({"b"}, "s3");
  kill();
  EXPECT_THAT(machine->names("b"), ElementsAre("s1", "s2", "s3"));
  EXPECT_EQ(machine->held("b", "s1"), filled(8192, 1));
  machine->make("a");  // the name is free for somebody else
  machine->cut({"a"}, "s1");
  EXPECT_EQ(machine->held("a", "s1"), filled(8192, 0));
}

TEST_F(OperationsTest, NamesWhatIsMissing) {
  auto none = machine->snapshots().show("a", "none");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::not_found);
  EXPECT_NE(none.error().message.find("none"), std::string::npos);
  EXPECT_EQ(machine->snapshots().list("x").error().code, Errc::not_found);
}

}  // namespace
}  // namespace caisson::tests
