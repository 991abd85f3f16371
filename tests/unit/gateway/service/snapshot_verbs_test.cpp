// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/gateway/service/recording_snapshots.hpp"

namespace caisson::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <class Request>
Request of(const char* lun, const char* snapshot) {
  Request request;
  request.set_lun(lun);
  request.set_snapshot(snapshot);
  return request;
}

TEST_F(SnapshotVerbsTest, AGroupIsCutAsItWasAskedFor) {
  wire::SnapshotCreateRequest request;
  request.add_luns("b");
  request.add_luns("a");
  request.set_name("monday");
  request.set_allow_unreserved(true);
  request.set_dry_run(true);
  auto reply = snapshot_create(*parts_, call(), request);
  ASSERT_TRUE(reply) << reply.error().message;
  ASSERT_EQ(reply->snapshots_size(), 2);
  EXPECT_EQ(reply->snapshots(0).lun(), "a");
  EXPECT_TRUE(reply->change().dry_run());
  EXPECT_THAT(engine_.created.luns, ElementsAre("b", "a"));
  EXPECT_EQ(engine_.created.name, "monday");
  EXPECT_EQ(engine_.created.made_by, "admin");
  EXPECT_TRUE(engine_.created.allow_unreserved && engine_.created.dry_run);
}

TEST_F(SnapshotVerbsTest, ASnapshotKnowsWhoMadeIt) {
  grant("a", "snapshot");
  wire::SnapshotCreateRequest request;
  request.add_luns("a");
  be(wire::Role::operator_);
  ASSERT_TRUE(snapshot_create(*parts_, call(), request));
  EXPECT_EQ(engine_.created.made_by, "operator");
  be(wire::Role::host);
  ASSERT_TRUE(snapshot_create(*parts_, call(), request));
  EXPECT_EQ(engine_.created.made_by, "host:web");
}

TEST_F(SnapshotVerbsTest, WhatCannotBeIsRefusedBeforeTheCut) {
  wire::SnapshotCreateRequest request;
  EXPECT_EQ(code_of(snapshot_create(*parts_, call(), request).error()), Errc::invalid_argument);
  request.add_luns("a");
  request.add_luns("nowhere");
  EXPECT_EQ(code_of(snapshot_create(*parts_, call(), request).error()), Errc::not_found);
  request.mutable_luns()->RemoveLast();
  request.set_quiesce("nobody");
  EXPECT_EQ(code_of(snapshot_create(*parts_, call(), request).error()), Errc::not_found);
  request.set_quiesce("web");
  auto refused = snapshot_create(*parts_, call(), request);
  EXPECT_EQ(code_of(refused.error()), Errc::unsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("host web has no agent"));
  EXPECT_THAT(engine_.asked, IsEmpty());
}

TEST_F(SnapshotVerbsTest, AGatewayWithoutAnEngineSaysSo) {
  parts_->snapshots = nullptr;
  EXPECT_EQ(code_of(snapshot_list(*parts_, call(), {}).error()), Errc::unsupported);
  EXPECT_EQ(code_of(schedule_list(*parts_, call(), {}).error()), Errc::unsupported);
  EXPECT_EQ(code_of(snapshot_policy_show(*parts_, call(), {}).error()), Errc::unsupported);
}

TEST_F(SnapshotVerbsTest, EverythingIsShown) {
  auto& view = engine_.add("a", "monday");
  view.record.sequence = 3;
  view.record.created_ms = 1795200000123;
  view.record.capacity = 1 << 20;
  view.record.complete = true;
  view.record.group = Uuid::random();
  view.record.made_by = "schedule:hourly";
  view.record.locked_until = 1600;
  view.record.details = "{}";
  view.condition = "whole";
  view.captured = 4096;
  view.allocated = 8192;
  view.path = "/s/.snapshots/a/monday.img";
  auto reply = snapshot_show(*parts_, call(), of<wire::SnapshotShowRequest>("a", "monday"));
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_FALSE(reply->has_change());
  const auto& shown = reply->snapshot();
  EXPECT_EQ(shown.lun(), "a");
  EXPECT_EQ(shown.name(), "monday");
  EXPECT_EQ(shown.uuid(), view.record.uuid.to_string());
  EXPECT_EQ(shown.sequence(), 3U);
  EXPECT_EQ(shown.created_ms(), 1795200000123);
  EXPECT_EQ(shown.capacity(), 1U << 20);
  EXPECT_EQ(shown.state(), "whole");
  EXPECT_TRUE(shown.complete());
  EXPECT_EQ(shown.path(), "/s/.snapshots/a/monday.img");
  EXPECT_EQ(shown.captured(), 4096U);
  EXPECT_EQ(shown.allocated(), 8192U);
  EXPECT_EQ(shown.group(), view.record.group->to_string());
  EXPECT_EQ(shown.made_by(), "schedule:hourly");
  EXPECT_EQ(shown.grade(), "crash");
  EXPECT_EQ(shown.details(), "{}");
  EXPECT_EQ(shown.locked_seconds(), 600U);
  engine_.now = 1600;
  reply = snapshot_show(*parts_, call(), of<wire::SnapshotShowRequest>("a", "monday"));
  EXPECT_EQ(reply->snapshot().locked_seconds(), 0U);
}

TEST_F(SnapshotVerbsTest, WhoReadsThroughASnapshotIsNamed) {
  auto snapshot = engine_.add("a", "monday").record.uuid;
  be_made_of("b", catalog::LunKind::clone, snapshot);
  auto reply = snapshot_show(*parts_, call(), of<wire::SnapshotShowRequest>("a", "monday"));
  ASSERT_TRUE(reply);
  EXPECT_THAT(reply->snapshot().used_by(), ElementsAre("b"));
}

TEST_F(SnapshotVerbsTest, RenameToTheSameNameChangesNothing) {
  engine_.add("a", "s");
  auto request = of<wire::SnapshotRenameRequest>("a", "s");
  request.set_to("t");
  EXPECT_TRUE(snapshot_rename(*parts_, call(), request)->change().changed());
  request.set_to("s");
  EXPECT_FALSE(snapshot_rename(*parts_, call(), request)->change().changed());
}

TEST_F(SnapshotVerbsTest, LocksGrowAndEndByUnlockAlone) {
  engine_.add("a", "s");
  auto request = of<wire::SnapshotLockRequest>("a", "s");
  request.set_seconds(600);
  auto locked = snapshot_lock(*parts_, call(), request);
  ASSERT_TRUE(locked) << locked.error().message;
  EXPECT_TRUE(locked->change().changed());
  EXPECT_EQ(locked->snapshot().locked_seconds(), 600U);
  request.set_seconds(60);
  EXPECT_FALSE(snapshot_lock(*parts_, call(), request)->change().changed());
  auto unlock = of<wire::SnapshotUnlockRequest>("a", "s");
  auto unlocked = snapshot_unlock(*parts_, call(), unlock);
  EXPECT_TRUE(unlocked->change().changed());
  EXPECT_EQ(unlocked->snapshot().locked_seconds(), 0U);
  engine_.now = 1600;  // it has ended
  EXPECT_FALSE(snapshot_unlock(*parts_, call(), unlock)->change().changed());
}

TEST_F(SnapshotVerbsTest, LocksOfNoLengthOrAllTimeAreRefused) {
  engine_.add("a", "s");
  auto request = of<wire::SnapshotLockRequest>("a", "s");
  for (std::uint64_t seconds : {std::uint64_t{0}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    request.set_seconds(seconds);
    EXPECT_EQ(code_of(snapshot_lock(*parts_, call(), request).error()), Errc::invalid_argument);
  }
  EXPECT_THAT(engine_.asked, IsEmpty());
}

TEST_F(SnapshotVerbsTest, DeleteNamesWhatWent) {
  auto request = of<wire::SnapshotDeleteRequest>("a", "s");
  request.set_dry_run(true);
  auto reply = snapshot_delete(*parts_, call(), request);
  EXPECT_EQ(reply->name(), "a s");
  EXPECT_TRUE(reply->change().dry_run());
  EXPECT_THAT(engine_.asked, ElementsAre("remove a s true"));
}

}  // namespace
}  // namespace caisson::service
