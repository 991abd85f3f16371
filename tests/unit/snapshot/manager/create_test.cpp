// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/manager/snapshot_machine.hpp"

namespace caisson::tests {
namespace {

using snapshot::CreateOptions;
using testing::ElementsAre;
using testing::IsEmpty;

class CreateTest : public SnapshotTest {};

TEST_F(CreateTest, WhatIsOverwrittenAfterTheCutIsKept) {
  machine->make("a");
  machine->fill("a", 1);
  auto view = machine->cut({"a"}, "s1");
  EXPECT_EQ(view.record.made_by, "admin");
  EXPECT_EQ(view.record.capacity, std::uint64_t{1} << 20);
  machine->fill("a", 2);
  EXPECT_EQ(machine->held("a", "s1"), filled(8192, 1));
  machine->cut({"a"}, "s2");
  machine->fill("a", 3);
  EXPECT_EQ(machine->held("a", "s1"), filled(8192, 1));
  EXPECT_EQ(machine->held("a", "s2"), filled(8192, 2));
  EXPECT_THAT(machine->names("a"), ElementsAre("s1", "s2"));
  EXPECT_EQ(machine->events("snapshot.created").size(), 2U);
}

TEST_F(CreateTest, AGroupIsCutTogetherOrNotAtAll) {
  machine->make("a");
  machine->make("b");
  machine->fill("a", 1);
  machine->fill("b", 2);
  auto made = machine->snapshots().create({.luns = {"b", "a"}, .name = "g"});
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_EQ(made->size(), 2U);
  ASSERT_TRUE(made->front().record.group);
  EXPECT_EQ(made->front().record.group, made->back().record.group);
  machine->fill("a", 3);
  machine->fill("b", 4);
  EXPECT_EQ(machine->held("a", "g"), filled(8192, 1));
  EXPECT_EQ(machine->held("b", "g"), filled(8192, 2));

  machine->cut({"b"}, "taken");
  auto refused = machine->snapshots().create({.luns = {"a", "b"}, .name = "taken"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::already_exists);
  EXPECT_THAT(machine->names("a"), ElementsAre("g"));
}

/// What is cached is written before a cut for the hosts' sake only.
TEST_F(CreateTest, DoesNotWaitForAFileThatHangsWhileItIsWrittenBack) {
  machine->make("a");
  machine->fill("a", 1);
  disk->inject({.op = SimOp::write_back, .hang = true});
  machine->cut({"a"}, "s1");
  EXPECT_EQ(disk->hanging(), 1U);
  machine->cut({"a"}, "s2");  // does not try it again meanwhile
  machine->fill("a", 2);
  EXPECT_EQ(machine->held("a", "s1"), filled(8192, 1));
  disk->release();
}

TEST_F(CreateTest, RefusesWhatCannotBeCut) {
  machine->make("a");
  auto code_of = [&](CreateOptions options) {
    auto made = machine->snapshots().create(options);
    return made ? Error() : made.error().code;
  };
  EXPECT_EQ(code_of({.luns = {}}), Errc::invalid_argument);
  EXPECT_EQ(code_of({.luns = {"a", "a"}}), Errc::invalid_argument);
  EXPECT_EQ(code_of({.luns = {"a"}, .name = "../x"}), Errc::invalid_argument);
  EXPECT_EQ(code_of({.luns = {"a", "none"}}), Errc::not_found);
  ASSERT_TRUE(machine->registry().set_offline("a"));
  EXPECT_EQ(code_of({.luns = {"a"}}), Errc::offline);
  EXPECT_THAT(machine->names("a"), IsEmpty());
}

TEST_F(CreateTest, ADryRunLeavesNothing) {
  machine->make("a");
  auto planned = machine->snapshots().create({.luns = {"a"}, .name = "s", .dry_run = true});
  ASSERT_TRUE(planned);
  EXPECT_EQ(planned->front().record.name, "s");
  EXPECT_THAT(machine->names("a"), IsEmpty());
  EXPECT_FALSE(disk->look_up(".snapshots/a"));
}

TEST_F(CreateTest, AFullStoreLeavesNothing) {
  machine->make("a");
  disk->inject({.op = SimOp::create, .times = 100, .error = ENOSPC});
  auto made = machine->snapshots().create({.luns = {"a"}, .name = "s"});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::no_space);
  disk->clear_faults();
  EXPECT_THAT(machine->names("a"), IsEmpty());
  machine->cut({"a"}, "s");
}

TEST_F(CreateTest, ARestartFindsWhatWasReported) {
  machine->make("a");
  machine->fill("a", 1);
  machine->cut({"a"}, "s1");
  machine->fill("a", 2);
  restart();
  EXPECT_EQ(machine->held("a", "s1"), filled(8192, 1));
  machine->fill("a", 3, 8192);
  machine->cut({"a"}, "s2");
  machine->fill("a", 4, 8192);
  kill();
  EXPECT_THAT(machine->names("a"), ElementsAre("s1", "s2"));
  EXPECT_EQ(machine->held("a", "s1"), filled(8192, 1));
  EXPECT_EQ(machine->held("a", "s1", 8192), filled(8192, 0));
  EXPECT_EQ(machine->held("a", "s2", 8192), filled(8192, 3));
}

TEST_F(CreateTest, TheNameOfOneThatACrashTookIsFree) {
  machine->make("a");
  for (std::uint64_t operations : {30, 15}) {
    disk->cut_at(disk->operations() + operations);
    EXPECT_FALSE(machine->snapshots().create({.luns = {"a"}, .name = "s"}));
    kill();
  }
  auto left = machine->catalog().snapshots();
  ASSERT_TRUE(left);
  EXPECT_FALSE(left->empty()) << "none of them got as far as its row";
  machine->cut({"a"}, "s");
  EXPECT_THAT(machine->names("a"), ElementsAre("s"));
}

TEST_F(CreateTest, OneThatBecomesWholeIsAFileInTheExport) {
  replace_by_reflink();
  machine->make("a");
  machine->fill("a", 1);
  machine->cut({"a"}, "s");
  machine->fill("a", 2);
  EXPECT_TRUE(machine->until([&] { return machine->snapshots().show("a", "s")->record.complete; }));
  auto image = disk->content(".snapshots/a/s.img");
  ASSERT_EQ(image.size(), std::size_t{1} << 20);
  EXPECT_EQ(std::vector(image.begin(), image.begin() + 8192), filled(8192, 1));
  restart();
  auto view = machine->snapshots().show("a", "s");
  ASSERT_TRUE(view);
  EXPECT_EQ(view->condition, "whole");
  EXPECT_EQ(machine->held("a", "s"), filled(8192, 1));
}

}  // namespace
}  // namespace caisson::tests
