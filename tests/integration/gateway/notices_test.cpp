// SPDX-License-Identifier: Apache-2.0
// What sessions that are logged in hear of changes an administrator makes.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/support/foreign_initiator.hpp"
#include "tests/support/running_gateway.hpp"

namespace caisson::tests {
namespace {

namespace wire = nbs::wire;
using std::chrono::steady_clock;

constexpr std::uint64_t kSize = 64 << 20;

class NoticesTest : public ::testing::Test {
 protected:
  NoticesTest() { gateway_.create_lun("a", kSize); }
  std::unique_ptr<ForeignInitiator> login(const std::string& name, std::size_t portal = 0) {
    auto session = std::make_unique<ForeignInitiator>(
        gateway_.portal(portal), gateway_.show("a").target_name(), "iqn.2026-11.test:" + name);
    session->clear_attentions();
    return session;
  }
  RunningGateway gateway_{[](config::Config& config) {
    config.iscsi_listen = {{{"127.0.0.1", 0}}, {{"::1", 0}}};
  }};
};

std::tuple<int, int, int> sense(const ForeignResult& result) {
  return {result.key, result.asc, result.ascq};
}

constexpr std::tuple kCapacityChanged{0x6, 0x2a, 0x09};

TEST_F(NoticesTest, GrowIsPendingOnEverySessionWhenTheVerbReturns) {
  auto one = login("one");
  auto two = login("two", 1);  // by the IPv6 portal
  gateway_.resize("a", 2 * kSize);
  // The issue allows a second; the attention is raised before the reply is sent.
  EXPECT_EQ(sense(one->test_unit_ready()), kCapacityChanged);
  EXPECT_EQ(sense(two->test_unit_ready()), kCapacityChanged);
  EXPECT_TRUE(one->test_unit_ready().good());
  EXPECT_EQ(one->last_lba(), 2 * kSize / 512 - 1);
}

TEST_F(NoticesTest, TwoGrowsAreOneAttention) {
  auto session = login("one");
  gateway_.resize("a", 2 * kSize);
  gateway_.resize("a", 3 * kSize);
  EXPECT_EQ(sense(session->test_unit_ready()), kCapacityChanged);
  EXPECT_TRUE(session->test_unit_ready().good());
}

TEST_F(NoticesTest, SessionsAreListedWithWhatTheyDid) {
  auto session = login("one");
  ASSERT_TRUE(session->read(0, 4096).good());
  auto list =
      gateway_.call<wire::SessionListReply>(wire::Op::session_list, wire::SessionListRequest{});
  ASSERT_EQ(list.sessions_size(), 1);
  const auto& shown = list.sessions(0);
  EXPECT_EQ(shown.host(), "*");
  EXPECT_EQ(shown.auth(), "none");
  ASSERT_EQ(shown.luns_size(), 1);
  EXPECT_EQ(shown.luns(0), "a");
  EXPECT_GE(shown.read_bytes(), 4096U);
  EXPECT_EQ(shown.portal(), gateway_.portal());
}

TEST_F(NoticesTest, ReadOnlyGrantIsEnforcedAtOnce) {
  auto session = login("one");
  std::vector<std::byte> data(512);
  EXPECT_TRUE(session->write(0, data).good());
  wire::AccessGrantRequest grant;
  grant.set_lun("a");
  grant.set_host("*");
  grant.set_read_only(true);
  gateway_.call<wire::AccessReply>(wire::Op::access_grant, grant);
  auto deadline = steady_clock::now() + std::chrono::seconds(20);
  ForeignResult refused;
  do {
    session->clear_attentions();
    refused = session->write(0, data);
  } while (refused.good() && steady_clock::now() < deadline);
  EXPECT_EQ(sense(refused), (std::tuple{0x7, 0x27, 0x00}));
}

TEST_F(NoticesTest, UnknownTargetAndOfflineLunAreRefused) {
  EXPECT_THROW(ForeignInitiator(gateway_.portal(), "iqn.2026-11.io.caisson:test:none"),
               std::runtime_error);
  auto target = gateway_.show("a").target_name();
  wire::LunOfflineRequest offline;
  offline.set_name("a");
  gateway_.call<wire::LunReply>(wire::Op::lun_offline, offline);
  try {
    ForeignInitiator session(gateway_.portal(), target);
    ADD_FAILURE() << "logged in to a LUN that is offline";
  } catch (const std::runtime_error& refused) {
    EXPECT_NE(std::string(refused.what()).find("unavailable"), std::string::npos) << refused.what();
  }
}

}  // namespace
}  // namespace caisson::tests
