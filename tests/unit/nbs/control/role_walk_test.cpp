// SPDX-License-Identifier: Apache-2.0
// The one test that walks the table: every role tries every verb.
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

#include "tests/unit/nbs/control/fixture.hpp"

namespace caisson::nbs::control {
namespace {

using wire::Role;

/// Written down by itself, so that a slip in the opcode table shows: what a
/// role may do beside the verbs of every connection. An admin may do all.
const std::set<std::string_view> kOperatorMay = {
    "store.list",      "store.show",    "lun.list",      "lun.show",      "host.list",
    "host.show",       "access.list",   "session.list",  "status",        "events",
    "snapshot.create", "snapshot.list", "snapshot.show", "snapshot.diff", "snapshot.policy.show",
    "schedule.list",   "schedule.show",
};
const std::set<std::string_view> kHostMay = {
    "lun.resize",    "snapshot.create", "snapshot.list",
    "snapshot.show", "snapshot.diff",   "snapshot.restore",
};
const std::set<std::string_view> kAgentMay = {};

bool may(Role role, std::string_view verb) {
  switch (role) {
    case Role::admin: return true;
    case Role::operator_: return kOperatorMay.contains(verb);
    case Role::host: return kHostMay.contains(verb);
    case Role::agent: return kAgentMay.contains(verb);
  }
  return false;
}

class RoleWalk : public ControlServerTest, public ::testing::WithParamInterface<Role> {};

TEST_P(RoleWalk, EveryVerbIsPermittedOrRefusedAsTheTableSays) {
  be(GetParam());
  serve();
  auto client = greeted();
  std::uint64_t id = 1;
  std::size_t reached = 0, refused = 0;
  for (const auto& row : wire::opcodes()) {
    if (row.name == "hello") continue;
    wire::Header header;
    header.opcode = row.number;
    header.request_id = ++id;
    client.send(header);
    auto answer = client.receive();
    ASSERT_TRUE(answer.has_value()) << row.name << " closed the connection";
    EXPECT_EQ(answer->header.request_id, id);
    const bool expected = row.name == "keepalive" || may(GetParam(), row.name);
    EXPECT_EQ(status_of(*answer), expected ? wire::Status::ok : wire::Status::permission_denied)
        << row.name;
    if (expected && row.name != "keepalive") ++reached;
    EXPECT_EQ(service_.count(), reached) << row.name;
    if (!expected) {
      ++refused;
      ASSERT_EQ(service_.refusals().size(), refused) << row.name << " was refused without a trace";
      EXPECT_EQ(service_.refusals().back().opcode, &row);
      EXPECT_EQ(service_.refusals().back().caller.role, GetParam());
    }
    if (reached != 0) {
      EXPECT_EQ(service_.last_caller().role, GetParam());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Every, RoleWalk,
                         ::testing::Values(Role::admin, Role::operator_, Role::host, Role::agent),
                         [](const auto& info) { return std::string(to_string(info.param)); });

}  // namespace
}  // namespace caisson::nbs::control
