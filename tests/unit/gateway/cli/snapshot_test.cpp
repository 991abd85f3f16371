// SPDX-License-Identifier: Apache-2.0
// `caisson snapshot`: requests as typed, and what is shown.
#include <gtest/gtest.h>

#include "tests/unit/gateway/cli/fixture.hpp"

namespace caisson::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

wire::SnapshotDescription monday() {
  wire::SnapshotDescription snapshot;
  snapshot.set_lun("db1");
  snapshot.set_name("monday");
  snapshot.set_sequence(4);
  snapshot.set_created_ms(1795200000123);
  snapshot.set_capacity(10ULL << 30);
  snapshot.set_state("filling");
  snapshot.set_captured(1ULL << 30);
  snapshot.set_allocated(512 << 20);
  snapshot.set_made_by("admin");
  snapshot.set_grade("crash");
  snapshot.set_locked_seconds(604799);
  return snapshot;
}

TEST_F(CliTest, SnapshotListIsATable) {
  wire::SnapshotListReply reply;
  *reply.add_snapshots() = monday();
  auto& whole = *reply.add_snapshots();
  whole = monday();
  whole.set_name("auto-20261120-180000");
  whole.set_state("whole");
  whole.set_made_by("schedule:hourly");
  whole.set_locked_seconds(0);
  answer(reply);
  auto ran = caisson({"snapshot", "list", "db1"});
  EXPECT_EQ(ran.out,
            "LUN  SNAPSHOT              CUT                   STATE    CAPTURED  ALLOCATED  LOCKED "
            "FOR  MADE BY\n"
            "db1  monday                2026-11-20T18:40:00Z  filling        1G       512M      6d "
            "23h  admin\n"
            "db1  auto-20261120-180000  2026-11-20T18:40:00Z  whole          1G       512M         "
            "  -  schedule:hourly\n");
  EXPECT_EQ(request<wire::SnapshotListRequest>().lun(), "db1");
  caisson({"snapshot", "list"});
  EXPECT_EQ(request<wire::SnapshotListRequest>().lun(), "");
}

TEST_F(CliTest, SnapshotCreateTakesAGroup) {
  auto reply = changed<wire::SnapshotCreateReply>();
  *reply.add_snapshots() = monday();
  answer(reply);
  auto ran = caisson({"snapshot", "create", "db1,db2", "--name", "monday", "--quiesce", "web",
                      "--allow-unreserved"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("snapshot of LUN 'db1, db2' created\nLUN  SNAPSHOT"));
  auto sent = request<wire::SnapshotCreateRequest>();
  EXPECT_THAT(sent.luns(), ElementsAre("db1", "db2"));
  EXPECT_EQ(sent.name(), "monday");
  EXPECT_EQ(sent.quiesce(), "web");
  EXPECT_TRUE(sent.allow_unreserved());
}

TEST_F(CliTest, RestoreKeepsTheStateBeforeUnlessToldNotTo) {
  auto reply = changed<wire::SnapshotRestoreReply>();
  reply.set_kept("before-monday");
  answer(reply);
  auto ran = caisson({"snapshot", "restore", "db1", "monday", "--force"});
  EXPECT_EQ(ran.out,
            "LUN 'db1' restored from snapshot 'monday'\n"
            "  State before, as snapshot:  before-monday\n");
  auto sent = request<wire::SnapshotRestoreRequest>();
  EXPECT_TRUE(sent.force());
  EXPECT_FALSE(sent.has_keep_state());
  // What then cannot be taken back is asked for.
  ran = caisson({"snapshot", "restore", "db1", "monday", "--no-keep"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("--yes"));
  EXPECT_EQ(service_.count(), 1U);
  EXPECT_EQ(caisson({"snapshot", "restore", "db1", "monday", "--no-keep", "--yes"}).exit, 0);
  sent = request<wire::SnapshotRestoreRequest>();
  EXPECT_TRUE(sent.has_keep_state());
  EXPECT_FALSE(sent.keep_state());
}

TEST_F(CliTest, LocksAreSecondsForTheGateway) {
  auto reply = changed<wire::SnapshotReply>();
  *reply.mutable_snapshot() = monday();
  answer(reply);
  EXPECT_EQ(caisson({"snapshot", "lock", "db1", "monday", "--for", "7d"}).out,
            "snapshot 'monday' of LUN 'db1' locked\n"
            "  Locked for:  6d 23h\n");
  EXPECT_EQ(request<wire::SnapshotLockRequest>().seconds(), 604800U);
}

TEST_F(CliTest, CopiesNameWhatTheyComeFrom) {
  answer(changed<wire::LunReply>());
  EXPECT_THAT(caisson({"snapshot", "clone", "db1", "monday", "copy", "--store", "fast"}).out,
              HasSubstr("LUN 'copy' cloned from snapshot 'monday' of LUN 'db1'\n"));
  auto clone = request<wire::SnapshotCloneRequest>();
  EXPECT_EQ(clone.name(), "copy");
  EXPECT_EQ(clone.store(), "fast");
  EXPECT_THAT(caisson({"snapshot", "expose", "db1", "monday", "--as", "look"}).out,
              HasSubstr("LUN 'look' created, which shows snapshot 'monday' of LUN 'db1'\n"));
  EXPECT_EQ(request<wire::SnapshotExposeRequest>().name(), "look");
  caisson({"snapshot", "export", "db1", "monday", "out.img"});
  EXPECT_EQ(request<wire::SnapshotExportRequest>().file(), "out.img");
}

TEST_F(CliTest, ScheduleTimesAreOneText) {
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"--every", "1h"}, "every 1h"},
      {{"--at", "02:30"}, "daily at 02:30"},
      {{"--at", "02:30", "--zone", "Europe/Berlin"}, "daily at 02:30 in Europe/Berlin"},
      {{"--at", "02:30", "--on", "mon,thu"}, "weekly on mon,thu at 02:30"},
  };
  for (const auto& [options, spec] : rows) {
    std::vector<std::string> words{"snapshot", "schedule", "create", "n",
                                   "--luns",   "a,b",      "--keep", "24x1h | 14x1d"};
    words.insert(words.end(), options.begin(), options.end());
    ASSERT_EQ(caisson(words).exit, 0);
    auto sent = request<wire::ScheduleCreateRequest>();
    EXPECT_EQ(sent.spec(), spec);
    EXPECT_EQ(sent.retention(), "24x1h | 14x1d");
    EXPECT_THAT(sent.luns(), ElementsAre("a", "b"));
  }
}

TEST_F(CliTest, ScheduleSetLeavesAloneWhatIsNotTyped) {
  caisson({"snapshot", "schedule", "set", "n", "--disable"});
  auto sent = request<wire::ScheduleSetRequest>();
  EXPECT_TRUE(sent.has_enabled() && !sent.enabled());
  EXPECT_FALSE(sent.has_spec() || sent.has_retention() || sent.has_quiesce());
  EXPECT_EQ(sent.luns_size(), 0);
  caisson({"snapshot", "schedule", "set", "n", "--every", "5m", "--quiesce", ""});
  sent = request<wire::ScheduleSetRequest>();
  EXPECT_EQ(sent.spec(), "every 5m");
  EXPECT_TRUE(sent.has_quiesce() && !sent.has_enabled());
}

TEST_F(CliTest, PolicyIsShownAndSet) {
  auto reply = changed<wire::SnapshotPolicyReply>();
  reply.mutable_policy()->set_full_store("snapshots-first");
  reply.mutable_policy()->set_pace(10);
  answer(reply);
  EXPECT_EQ(caisson({"snapshot", "policy", "show"}).out,
            "When a store is full:  snapshots-first\n"
            "Pace:                  10\n");
  EXPECT_THAT(caisson({"snapshot", "policy", "set", "--pace", "10"}).out,
              HasSubstr("policy of snapshots changed\n"));
  auto sent = request<wire::SnapshotPolicySetRequest>();
  EXPECT_TRUE(sent.has_pace() && !sent.has_full_store());
}

TEST_F(CliTest, ASnapshotMayHaveTheNameOfAVerb) {
  for (const char* name : {"schedule", "policy", "list", "snapshot"}) {
    auto ran = caisson({"snapshot", "show", name, name});
    EXPECT_EQ(ran.exit, 0) << name << ": " << ran.err;
    EXPECT_EQ(request<wire::SnapshotShowRequest>().snapshot(), name);
  }
}

}  // namespace
}  // namespace caisson::cli
