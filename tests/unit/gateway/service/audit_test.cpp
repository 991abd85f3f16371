// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/audit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/service/verbs.hpp"
#include "nbs/wire/control.pb.h"

namespace caisson::service {
namespace {

TEST(AuditSubject, NamesWhatIsChanged) {
  wire::LunRenameRequest rename;
  rename.set_name("a");
  rename.set_to("b");
  EXPECT_EQ(audit_subject(wire::opcode(wire::Op::lun_rename), rename.SerializeAsString()).object,
            "a b");
  wire::AccessGrantRequest grant;
  grant.set_lun("a");
  grant.set_host("db");
  grant.set_dry_run(true);
  auto subject = audit_subject(wire::opcode(wire::Op::access_grant), grant.SerializeAsString());
  EXPECT_EQ(subject.object, "a db");
  EXPECT_TRUE(subject.dry_run);
}

TEST(AuditSubject, NamesSnapshotsAndGroups) {
  wire::SnapshotCreateRequest create;
  create.add_luns("a");
  create.add_luns("b");
  create.set_name("monday");
  EXPECT_EQ(
      audit_subject(wire::opcode(wire::Op::snapshot_create), create.SerializeAsString()).object,
      "a,b monday");
  wire::SnapshotRenameRequest rename;
  rename.set_lun("a");
  rename.set_snapshot("monday");
  rename.set_to("first");
  EXPECT_EQ(
      audit_subject(wire::opcode(wire::Op::snapshot_rename), rename.SerializeAsString()).object,
      "a monday first");
}

TEST(AuditSubject, NeverNamesSecrets) {
  wire::HostCreateRequest create;
  create.set_name("db");
  create.set_chap_user("user-of-db");
  create.set_chap_secret("secret-secret-1");
  create.set_mutual_secret("secret-secret-2");
  auto subject = audit_subject(wire::opcode(wire::Op::host_create), create.SerializeAsString());
  EXPECT_EQ(subject.object, "db");
}

TEST(AuditSubject, UnreadableRequestHasNoObject) {
  EXPECT_EQ(audit_subject(wire::opcode(wire::Op::lun_create), "\xff\xff").object, "");
}

TEST(Verbs, EveryOpcodeButTheConnectionsHasOne) {
  for (const auto& row : wire::opcodes()) {
    bool of_connection = row.number < 0x1000;
    EXPECT_EQ(find_verb(row.number) == nullptr, of_connection) << row.name;
  }
}

TEST(Verbs, MutatingRequestsHaveDryRun) {
  for (const auto& row : wire::opcodes()) {
    auto full = "caisson.nbs.wire." + std::string(row.request);
    const auto* type =
        google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(full);
    ASSERT_NE(type, nullptr) << full;
    EXPECT_EQ(type->FindFieldByName("dry_run") != nullptr, row.mutating) << row.name;
  }
}

}  // namespace
}  // namespace caisson::service
