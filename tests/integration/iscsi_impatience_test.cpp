// SPDX-License-Identifier: Apache-2.0
// Peers that say nothing, too little or the wrong thing too often: limits in number and time.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>

#include "gateway/iscsi/text.hpp"
#include "tests/integration/hostile.hpp"

namespace caisson::tests {
namespace {

using namespace iscsi;
using namespace std::chrono_literals;

constexpr auto kTarget = IscsiTarget::kTarget;

class IscsiImpatient : public IscsiHostile {
 protected:
  IscsiImpatient()
      : IscsiHostile([](ServerOptions& options) {
          options.timers.login = 300ms;
          options.limits.half_logins_per_address = 64;
          options.limits.failed_login_burst = 3;
          options.limits.failed_login_interval = 200ms;
        }) {}
};

TEST_F(IscsiImpatient, LoginsThatStopHalfWay) {
  IscsiClient silent(target_.port());
  IscsiClient partial(target_.port());
  partial.send_raw(pattern(20));
  IscsiClient half(target_.port());
  half.login_step(1, 0, {{"InitiatorName", half.name}, {"TargetName", kTarget}});
  EXPECT_TRUE(silent.closed());
  EXPECT_TRUE(partial.closed());
  EXPECT_TRUE(half.closed());
}

TEST_F(IscsiImpatient, TwoThousandIdleConnections) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < 5000) GTEST_SKIP() << "too few descriptors: " << files.rlim_max;
  std::vector<std::unique_ptr<IscsiClient>> idle;
  for (int i = 0; i < 2000; ++i) {
    idle.push_back(std::make_unique<IscsiClient>(target_.port()));
    if (i % 500 != 0) continue;
    EXPECT_EQ(good_.read(0, 8).status, 0);
    IscsiClient newcomer(target_.port());
    login(newcomer);
  }
  for (auto& client : idle) EXPECT_TRUE(client->closed());
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->connections() == 1; }));
}

TEST_F(IscsiImpatient, FailedLoginsAreAnsweredEverSlower) {
  auto fail = [&](IscsiClient& client) {
    std::string text;
    append_text(text, "InitiatorName", client.name);
    append_text(text, "TargetName", "iqn.2026-11.io.caisson:node:none");
    client.send_login(1, 3, text);
  };
  for (int i = 0; i < 3; ++i) {
    IscsiClient client(target_.port());
    fail(client);
    EXPECT_EQ(client.login_answer().status, 0x0203);
  }
  IscsiClient late(target_.port());
  fail(late);
  EXPECT_FALSE(late.readable(20ms));
  IscsiClient honest(target_.port());
  login(honest);  // is not delayed
  EXPECT_EQ(late.login_answer().status, 0x0203);
}

TEST_F(IscsiImpatient, EveryWrongLoginIsAnsweredAndItsCauseLogged) {
  constexpr int kLogins = 40;
  target_.directory.add_host({.id = 2, .name = "closed"}, {"iqn.2026-11.io.caisson.test:closed"});
  ::testing::internal::CaptureStderr();
  std::vector<std::unique_ptr<IscsiClient>> clients;
  for (int i = 0; i < kLogins; ++i) {
    auto& client = *clients.emplace_back(std::make_unique<IscsiClient>(target_.port()));
    std::string text;
    append_text(text, "InitiatorName", "iqn.2026-11.io.caisson.test:closed");
    append_text(text, "TargetName", kTarget);
    client.send_login(1, 3, text);
  }
  for (auto& client : clients) {
    EXPECT_EQ(client->login_answer().status, 0x0201);
    EXPECT_TRUE(client->closed());
  }
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->connections() == 1; }));
  auto log = ::testing::internal::GetCapturedStderr();
  int causes = 0;
  for (auto at = log.find("host closed must authenticate"); at != log.npos;
       at = log.find("host closed must authenticate", at + 1))
    ++causes;
  EXPECT_EQ(causes, kLogins);
}

TEST(IscsiLimits, ConnectionsOfOneAddressAreCounted) {
  IscsiTarget target([](ServerOptions& options) { options.limits.connections_per_address = 2; });
  IscsiClient first(target.port()), second(target.port());
  ASSERT_EQ(first.login(kTarget).status, 0);
  ASSERT_TRUE(IscsiTarget::eventually([&] { return target.server->connections() == 2; }));
  IscsiClient third(target.port());
  EXPECT_TRUE(third.closed());
  second.close();
  ASSERT_TRUE(IscsiTarget::eventually([&] { return target.server->connections() == 1; }));
  IscsiClient fourth(target.port());
  fourth.isid[5] = std::byte{1};
  EXPECT_EQ(fourth.login(kTarget).status, 0);
}

TEST(IscsiLimits, LoginsThatGaveUpWaitingLeaveNothingBehind) {
  IscsiTarget target([](ServerOptions& options) { options.limits.half_logins_per_address = 1; }, 1);
  IscsiClient hung(target.port());
  ASSERT_EQ(hung.login(kTarget).status, 0);
  hung.clear_attentions();
  target.on_thread([&] { target.object->hold(); });
  hung.send_command(read_16(0, 1), kFinalBit | kReadBit, 512);
  ASSERT_TRUE(IscsiTarget::eventually([&] { return target.server->bytes_held() != 0; }));
  std::string text;
  append_text(text, "InitiatorName", hung.name);
  append_text(text, "TargetName", kTarget);
  auto before = allocated();
  for (int i = 0; i < 300; ++i) {  // each evicts the one before it
    IscsiClient retry(target.port());
    retry.send_login(1, 3, text);
    if (i == 0) {
      EXPECT_TRUE(hung.closed());
    }
  }
  IscsiClient last(target.port());
  last.send_login(1, 3, text);
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target.server->connections() == 1; }));
  EXPECT_LT(allocated(), before + (std::size_t{512} << 10));
  target.on_thread([&] { target.object->release(); });
  EXPECT_EQ(last.login_answer().status, 0);
}

TEST(IscsiSilence, IsAskedAboutAndThenEnded) {
  IscsiTarget target([](ServerOptions& options) {
    options.timers.nop_interval = 100ms;
    options.timers.nop_timeout = 100ms;
  });
  IscsiClient client(target.port());
  ASSERT_EQ(client.login(kTarget).status, 0);
  auto ping = client.receive();
  EXPECT_EQ(ping.opcode(), Opcode::nop_in);
  EXPECT_EQ(ping.bhs.initiator_task_tag, kNoTag);
  auto answer = make_header<NopOutBhs>(Opcode::nop_out);
  answer.opcode |= kImmediateBit;
  answer.initiator_task_tag = kNoTag;
  answer.target_transfer_tag = ping.as<NopInBhs>().target_transfer_tag;
  answer.cmd_sn = client.cmd_sn;
  client.send(answer);
  EXPECT_EQ(client.receive().opcode(), Opcode::nop_in);  // alive: asked again later
  EXPECT_TRUE(client.closed());                          // and this time not answered
}

}  // namespace
}  // namespace caisson::tests
