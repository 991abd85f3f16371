// SPDX-License-Identifier: Apache-2.0
// What an administrator is told who restores a LUN: exit status and words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/snapshots/disks.hpp"
#include "tests/support/gateway_process.hpp"

namespace caisson::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kSize = 1 << 20;
const std::string kIqn = "iqn.2026-11.test:db1";

TEST(SnapshotCommandLine, RestoreNamesWhoUsesTheLunAndIsForced) {
  GatewayProcess gateway;
  gateway.create_lun("mail", kSize);
  gateway.admit("mail", "db1", kIqn);
  ForeignInitiator disk(gateway.portal(), gateway.show("mail").target_name(), kIqn);
  disk.clear_attentions();
  write_at(disk, 0, content(kSize, 1));
  EXPECT_EQ(gateway.caisson({"snapshot", "create", "mail", "--name", "s"}).exit, 0);
  write_at(disk, 0, content(kSize, 2));

  auto refused = gateway.caisson({"snapshot", "restore", "mail", "s"});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_THAT(refused.err, HasSubstr("'mail' is in use: host db1 (" + kIqn));
  EXPECT_THAT(refused.err, HasSubstr("--force"));
  EXPECT_THAT(gateway.snapshots("mail"), ElementsAre("s"));
  EXPECT_EQ(difference(read_all(disk, kSize), content(kSize, 2)), "");

  auto forced = gateway.caisson({"snapshot", "restore", "mail", "s", "--force"});
  EXPECT_EQ(forced.exit, 0) << forced.err;
  EXPECT_THAT(forced.out, HasSubstr("before-restore"));
  EXPECT_THAT(gateway.snapshots("mail"), ElementsAre("s", "before-restore"));
  EXPECT_EQ(sense(disk.test_unit_ready()), Sense(0x6, 0x28, 0x00));
  EXPECT_EQ(difference(read_all(disk, kSize), content(kSize, 1)), "");

  const std::vector<std::string> for_good{"snapshot", "restore", "mail",
                                          "s",        "--force", "--no-keep"};
  EXPECT_EQ(gateway.caisson(for_good).exit, 2) << "it takes a --yes";
  auto sure = for_good;
  sure.emplace_back("--yes");
  auto lost = gateway.caisson(sure);
  EXPECT_EQ(lost.exit, 0) << lost.err;
  EXPECT_THAT(gateway.snapshots("mail"), ElementsAre("s", "before-restore")) << "none was added";
}

}  // namespace
}  // namespace caisson::tests
