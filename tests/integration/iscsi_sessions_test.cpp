// SPDX-License-Identifier: Apache-2.0
// Which sessions of an initiator live beside each other, and what ends them.
#include <gtest/gtest.h>

#include <future>

#include "gateway/iscsi/text.hpp"
#include "tests/support/iscsi_client.hpp"
#include "tests/support/iscsi_target.hpp"

namespace caisson::tests {
namespace {

using namespace iscsi;
using namespace std::chrono_literals;

constexpr auto kTarget = IscsiTarget::kTarget;

class IscsiSessions : public ::testing::Test {
 protected:
  IscsiTarget target_;
};

TEST_F(IscsiSessions, SecondLoginOfAnInitiatorPortEndsTheFirst) {
  IscsiClient first(target_.port());
  ASSERT_EQ(first.login(kTarget).status, 0);
  first.clear_attentions();
  IscsiClient second(target_.port());
  ASSERT_EQ(second.login(kTarget).status, 0);
  EXPECT_TRUE(first.closed());
  second.clear_attentions();
  EXPECT_EQ(target_.sessions.list().size(), 1u);
  IscsiClient third(target_.port());
  third.isid[5] = std::byte{9};
  ASSERT_EQ(third.login(kTarget).status, 0);
  second.clear_attentions();
  EXPECT_EQ(target_.sessions.list().size(), 2u);
}

/// An initiator has closed a session, and its thread is too busy to see it.
struct UnseenClose {
  explicit UnseenClose(std::chrono::milliseconds patience)
      : target([=](auto& options) { options.timers.predecessors = patience; }) {
    other.isid[5] = std::byte{6};
    closed.isid[5] = std::byte{7};
    successor.isid[5] = std::byte{9};
    EXPECT_EQ(other.login(kTarget).status, 0);
    EXPECT_EQ(closed.login(kTarget).status, 0);
    target.threads[1]->post([held = busy.get_future().share()] { held.wait(); });
    closed.close();
  }

  IscsiTarget target;
  std::promise<void> busy;           // broken at the latest before the target ends
  IscsiClient other{target.port()};  // takes the thread that accepts
  IscsiClient closed{target.port()};
  IscsiClient successor{target.port()};
};

TEST(IscsiSessionAfterAClose, MeetsNothingOfTheNexusThatWasClosed) {
  UnseenClose now(60s);
  std::string keys;
  append_text(keys, "InitiatorName", now.successor.name);
  append_text(keys, "TargetName", kTarget);
  now.successor.send_login(1, 3, keys);
  EXPECT_FALSE(now.successor.readable(200ms));
  now.busy.set_value();
  EXPECT_EQ(now.successor.login_answer().status, 0);
  EXPECT_EQ(now.target.sessions.list().size(), 2u);
}

TEST(IscsiSessionAfterAClose, WaitsForABoundedTimeIfItDoesNotEnd) {
  UnseenClose now(1ms);
  EXPECT_EQ(now.successor.login(kTarget).status, 0);
  EXPECT_EQ(now.target.sessions.list().size(), 3u);
  now.busy.set_value();
}

TEST_F(IscsiSessions, AdministratorSeesAndDropsSessions) {
  IscsiClient client(target_.port());
  ASSERT_EQ(client.login(kTarget).status, 0);
  client.clear_attentions();
  auto views = target_.sessions.list();
  ASSERT_EQ(views.size(), 1u);
  EXPECT_EQ(views[0].identity.initiator_port,
            std::string(IscsiClient::kName) + ",i,0x800102030000");
  EXPECT_EQ(views[0].luns, std::vector<std::uint64_t>{0});
  EXPECT_GE(views[0].commands, 1u);
  EXPECT_TRUE(target_.sessions.drop(views[0].identity.id, "asked for"));
  EXPECT_EQ(client.receive().as<AsyncMessageBhs>().event, AsyncEvent::drop_session);
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.sessions.list().empty(); }));
}

TEST_F(IscsiSessions, WithdrawnGrantEndsTheSession) {
  IscsiClient client(target_.port());
  ASSERT_EQ(client.login(kTarget).status, 0);
  target_.sessions.refresh_all();
  client.clear_attentions();
  target_.directory.revoke(IscsiTarget::kOpenHost, kTarget);
  target_.sessions.refresh_all();
  EXPECT_TRUE(client.closed());
}

}  // namespace
}  // namespace caisson::tests
