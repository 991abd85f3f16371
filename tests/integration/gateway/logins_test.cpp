// SPDX-License-Identifier: Apache-2.0
// What an administrator changes about hosts and access, as initiators meet it at
// their next login and in the sessions they have.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/iscsi_client.hpp"
#include "tests/support/iscsi_target.hpp"
#include "tests/support/running_gateway.hpp"

namespace caisson::tests {
namespace {

namespace wire = nbs::wire;
using namespace iscsi;

constexpr std::uint16_t kOtherGroup = 7;

class LoginsTest : public ::testing::Test {
 protected:
  LoginsTest() {
    gateway_.create_lun("a", 16 << 20);
    target_ = gateway_.show("a").target_name();
  }
  std::uint16_t port(std::size_t portal) {
    auto address = gateway_.portal(portal);
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }
  IscsiClient::LoginReply login(std::size_t portal = 0) {
    return IscsiClient(port(portal)).login(target_);
  }
  static wire::AccessRedirectRequest redirect(const std::string& to, bool permanent = false) {
    wire::AccessRedirectRequest request;
    request.set_lun("a");
    request.set_host("*");
    request.set_to(to);
    request.set_remove(to.empty());
    request.set_permanent(permanent);
    return request;
  }
  wire::AccessReply set(const wire::AccessRedirectRequest& request) {
    return gateway_.call<wire::AccessReply>(wire::Op::access_redirect, request);
  }
  wire::AccessDescription listed() {
    return gateway_.call<wire::AccessListReply>(wire::Op::access_list, wire::AccessListRequest())
        .access(0);
  }

  RunningGateway gateway_{[](config::Config& config) {
    config.iscsi_listen = {{{"127.0.0.1", 0}}, {{"127.0.0.1", 0}, kOtherGroup}};
  }};
  std::string target_;
};

TEST_F(LoginsTest, ARedirectIsShownFollowedKeptAndRemoved) {
  auto reply = set(redirect(gateway_.portal(1)));
  EXPECT_TRUE(reply.change().changed());
  EXPECT_EQ(listed().redirect_to(), gateway_.portal(1));
  EXPECT_FALSE(listed().redirect_permanent());
  auto answer = login();
  EXPECT_EQ(answer.status, 0x0101);
  EXPECT_EQ(answer.keys["TargetAddress"], gateway_.portal(1));
  auto arrived = login(1);
  EXPECT_EQ(arrived.status, 0);
  EXPECT_EQ(arrived.keys["TargetPortalGroupTag"], "7");
  EXPECT_FALSE(set(redirect(gateway_.portal(1))).change().changed());

  wire::AccessGrantRequest grant;  // of other rights
  grant.set_lun("a");
  grant.set_host("*");
  grant.set_read_only(true);
  gateway_.call<wire::AccessReply>(wire::Op::access_grant, grant);
  EXPECT_EQ(login().status, 0x0101);

  EXPECT_TRUE(set(redirect("[2001:db8:0::7]:3260", true)).change().changed());
  answer = login(1);
  EXPECT_EQ(answer.status, 0x0102);
  EXPECT_EQ(answer.keys["TargetAddress"], "[2001:db8::7]:3260");
  EXPECT_TRUE(listed().redirect_permanent());

  EXPECT_TRUE(set(redirect("")).change().changed());
  EXPECT_EQ(listed().redirect_to(), "");
  EXPECT_EQ(login().status, 0);
}

TEST_F(LoginsTest, ARedirectThatLeadsNowhereIsRefused) {
  auto both = redirect("192.0.2.7:3260");
  both.set_remove(true);
  auto neither = redirect("");
  neither.set_remove(false);
  auto stranger = redirect("192.0.2.7:3260");
  stranger.set_host("nobody");
  for (const auto& wrong : {both, neither, stranger, redirect("192.0.2.7"), redirect("name:3260"),
                            redirect("0.0.0.0:3260"), redirect("192.0.2.7:0")}) {
    auto failure = gateway_.refused<wire::AccessReply>(wire::Op::access_redirect, wrong);
    EXPECT_FALSE(failure.remedy.empty()) << wrong.ShortDebugString() << ": " << failure.message;
  }
  EXPECT_EQ(login().status, 0);
}

TEST_F(LoginsTest, ADryRunRedirectsNobody) {
  auto request = redirect("192.0.2.7:3260");
  request.set_dry_run(true);
  EXPECT_TRUE(set(request).change().changed());
  EXPECT_EQ(login().status, 0);
}

TEST_F(LoginsTest, WhatIsNotServedNowIsUnavailableAndWhatWasNeverGrantedIsNotFound) {
  wire::LunOfflineRequest offline;
  offline.set_name("a");
  gateway_.call<wire::LunReply>(wire::Op::lun_offline, offline);
  EXPECT_EQ(login().status, 0x0301);
  IscsiClient client(port(0));
  EXPECT_EQ(client.login("iqn.2026-11.io.caisson:test:never").status, 0x0203);
  wire::AccessRevokeRequest revoke;
  revoke.set_lun("a");
  revoke.set_host("*");
  gateway_.call<wire::RemoveReply>(wire::Op::access_revoke, revoke);
  EXPECT_EQ(login().status, 0x0203);
}

TEST_F(LoginsTest, ChapForAHostThatHadNoneEndsItsSessions) {
  IscsiClient client(port(0));
  ASSERT_EQ(client.login(target_).status, 0);
  client.clear_attentions();
  wire::HostSetRequest request;
  request.set_name("*");
  request.set_new_secret(true);
  gateway_.call<wire::HostReply>(wire::Op::host_set, request);
  EXPECT_EQ(client.receive().as<AsyncMessageBhs>().event, AsyncEvent::drop_session);
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(login().status, 0x0201);
}

/// Two LUNs below one target, which is where a login leads: "web" has its own way to one.
class SharedTargetTest : public LoginsTest {
 protected:
  static constexpr const char* kElsewhere = "192.0.2.9:3260";
  static constexpr const char* kWeb = "iqn.2026-11.test:web";

  SharedTargetTest() {
    wire::LunCreateRequest create;
    create.set_name("b");
    create.set_size(16 << 20);
    create.set_target_name(target_);
    create.set_target_lun(1);
    gateway_.call<wire::LunReply>(wire::Op::lun_create, create);
    wire::HostCreateRequest host;
    host.set_name("web");
    host.add_iqns(kWeb);
    host.set_no_auth(true);
    gateway_.call<wire::HostReply>(wire::Op::host_create, host);
    grant("b", "web");
    EXPECT_TRUE(set(redirect_of("b", "web", kElsewhere)).change().changed());
  }
  void grant(const std::string& lun, const std::string& host) {
    wire::AccessGrantRequest request;
    request.set_lun(lun);
    request.set_host(host);
    gateway_.call<wire::AccessReply>(wire::Op::access_grant, request);
  }
  static wire::AccessRedirectRequest redirect_of(const std::string& lun, const std::string& host,
                                                 const std::string& to) {
    auto request = redirect(to);
    request.set_lun(lun);
    request.set_host(host);
    return request;
  }
  std::string sent_to(const std::string& initiator) {
    IscsiClient client(port(0));
    client.name = initiator;
    return client.login(target_).keys["TargetAddress"];
  }
};

TEST_F(SharedTargetTest, ARedirectOfAnyHostMindsThoseThatGoByIt) {
  auto refused =
      gateway_.refused<wire::AccessReply>(wire::Op::access_redirect, redirect(gateway_.portal(1)));
  EXPECT_NE(refused.message.find("LUN b shares target"), std::string::npos) << refused.message;
  EXPECT_EQ(set(redirect(kElsewhere)).change().notes_size(), 1) << "the same way is no other way";
  EXPECT_EQ(sent_to("iqn.2026-11.test:any"), kElsewhere);
}

TEST_F(SharedTargetTest, ARedirectOfAnyHostDoesNotConcernThoseWithAccessOfTheirOwn) {
  grant("a", "web");
  EXPECT_EQ(set(redirect(gateway_.portal(1))).change().notes_size(), 0);
  EXPECT_EQ(sent_to("iqn.2026-11.test:any"), gateway_.portal(1));
  EXPECT_EQ(sent_to(kWeb), kElsewhere);
}

/// MODE SELECT (10) of the control mode page, saved, with SWP set.
void set_write_protect(IscsiClient& client) {
  constexpr std::size_t kHeader = 8, kPage = 12;
  std::vector<std::byte> sense{std::byte{0x5a}, std::byte{0x08}, std::byte{0x0a}}, select(16);
  sense.resize(16);
  sense[8] = select[8] = std::byte{kHeader + kPage};
  auto asked = client.send_command(sense, kFinalBit | kReadBit, kHeader + kPage);
  auto list = client.finish(asked).data;
  ASSERT_EQ(list.size(), kHeader + kPage);
  std::fill_n(list.begin(), kHeader, std::byte{0});
  list[kHeader] &= std::byte{0x3f};      // PS
  list[kHeader + 4] |= std::byte{0x08};  // SWP
  select[0] = std::byte{0x55};
  select[1] = std::byte{0x11};
  auto tag = client.send_command(select, kFinalBit | kWriteBit, kHeader + kPage, list);
  EXPECT_EQ(client.finish(tag).status, 0);
}

TEST_F(LoginsTest, AnAdministratorEndsAWriteProtectionOfAHostAndAllHearOfIt) {
  std::vector<std::byte> data(512);
  IscsiClient one(port(0)), two(port(1));
  two.isid[5] = std::byte{1};
  for (auto* client : {&one, &two}) {
    ASSERT_EQ(client->login(target_).status, 0);
    client->clear_attentions();
  }
  set_write_protect(one);
  two.clear_attentions();
  EXPECT_EQ(one.write(0, data).sense[12], std::byte{0x27}) << "WRITE PROTECTED";
  EXPECT_TRUE(gateway_.show("a").write_protect());
  wire::LunSetRequest request;
  request.set_name("a");
  request.set_write_protect(false);
  request.set_dry_run(true);
  auto set = [&] { return gateway_.call<wire::LunReply>(wire::Op::lun_set, request); };
  EXPECT_TRUE(set().change().changed());
  EXPECT_TRUE(gateway_.show("a").write_protect());
  request.set_dry_run(false);
  EXPECT_TRUE(set().change().changed());
  for (auto* client : {&one, &two}) {
    auto told = client->finish(client->send_command(test_unit_ready(), kFinalBit, 0));
    EXPECT_EQ(told.status, 2);
    EXPECT_EQ(told.sense[12], std::byte{0x2a}) << "MODE PARAMETERS CHANGED";
    EXPECT_EQ(told.sense[13], std::byte{0x01});
    EXPECT_EQ(client->write(0, data).status, 0);
  }
  EXPECT_FALSE(set().change().changed());
}

}  // namespace
}  // namespace caisson::tests
