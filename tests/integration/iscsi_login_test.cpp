// SPDX-License-Identifier: Apache-2.0
// Discovery, login and logout over a real socket.
#include <gtest/gtest.h>

#include <thread>

#include "gateway/iscsi/chap.hpp"
#include "gateway/iscsi/text.hpp"
#include "tests/support/iscsi_client.hpp"
#include "tests/support/iscsi_target.hpp"

namespace caisson::tests {
namespace {

using namespace iscsi;
using namespace std::chrono_literals;

constexpr auto kTarget = IscsiTarget::kTarget;

scsi::HostIdentity chap_host() {
  return {.id = 2,
          .name = "guarded",
          .no_auth = false,
          .chap_user = "alice",
          .chap_secret = "wonderland-12",
          .mutual_user = "caisson",
          .mutual_secret = "looking-glass"};
}

/// A login by CHAP up to the target's challenge, then with the given secret.
IscsiClient::LoginReply chap_login(IscsiClient& client, const std::string& user,
                                   const std::string& secret, const std::string& algorithm,
                                   const IscsiClient::Keys& more = {}) {
  client.login_step(
      0, 0, {{"InitiatorName", client.name}, {"TargetName", kTarget}, {"AuthMethod", "CHAP,None"}});
  auto challenge = client.login_step(0, 0, {{"CHAP_A", algorithm}});
  if (challenge.status != 0) return challenge;
  auto response =
      chap_response(static_cast<ChapAlgorithm>(std::stoi(challenge.keys.at("CHAP_A"))),
                    static_cast<std::uint8_t>(std::stoi(challenge.keys.at("CHAP_I"))), secret,
                    *parse_binary(challenge.keys.at("CHAP_C"), kMaxChapChallenge));
  IscsiClient::Keys keys{{"CHAP_N", user}, {"CHAP_R", format_binary(response)}};
  for (auto [key, value] : more)
    keys.emplace_back(key, value == "reflect" ? challenge.keys.at("CHAP_C") : value);
  return client.login_step(0, 3, keys);
}

/// The answer to a text request, or to the request for more of one.
Pdu ask(IscsiClient& client, std::string_view text, std::uint32_t transfer_tag = kNoTag) {
  auto header = make_header<TextRequestBhs>(Opcode::text_request);
  header.initiator_task_tag = 0x7e;
  header.target_transfer_tag = transfer_tag;
  header.cmd_sn = client.cmd_sn++;
  client.send(header, to_bytes(text));
  auto reply = client.receive();
  EXPECT_EQ(reply.opcode(), Opcode::text_response);
  return reply;
}

std::string send_targets(IscsiClient& client, std::string_view which) {
  std::string text;
  append_text(text, "SendTargets", which);
  return std::string(ask(client, text).text());
}

class IscsiLogin : public ::testing::Test {
 protected:
  void guard() {
    target_.directory.add_host(chap_host(), {std::string(IscsiClient::kName)});
    target_.directory.grant(2, kTarget, {scsi::Verdict::granted, {{0, target_.unit, false}}});
  }
  IscsiTarget target_;
};

TEST_F(IscsiLogin, DiscoveryListsTheGrantedTargetAtTheAddressItWasReached) {
  target_.directory.grant(9, "iqn.2026-11.io.caisson:node:other", {scsi::Verdict::granted, {}});
  IscsiClient client(target_.port());
  ASSERT_EQ(client.discover().status, 0);
  auto listed = send_targets(client, "All");
  std::string expected;
  append_text(expected, "TargetName", kTarget);
  append_text(expected, "TargetAddress", "127.0.0.1:" + std::to_string(target_.port()) + ",1");
  EXPECT_EQ(listed, expected);
  EXPECT_EQ(client.logout().opcode(), Opcode::logout_response);
  EXPECT_TRUE(client.closed());
}

TEST_F(IscsiLogin, TargetsAreListedOnceARequest) {
  IscsiClient client(target_.port());
  ASSERT_EQ(client.discover().status, 0);
  auto once = send_targets(client, "All");
  std::string text;
  for (int i = 0; i < 3; ++i) append_text(text, "SendTargets", "All");
  std::string rejected;
  for (int i = 0; i < 2; ++i) append_text(rejected, "SendTargets", "Reject");
  EXPECT_EQ(ask(client, text).text(), once + rejected);
}

TEST_F(IscsiLogin, LongTextComesInPiecesOnRequest) {
  for (int i = 0; i < 40; ++i)
    target_.directory.grant(IscsiTarget::kOpenHost,
                            "iqn.2026-11.io.caisson:node:lun-" + std::to_string(i),
                            {scsi::Verdict::granted, {{0, target_.unit, false}}});
  IscsiClient client(target_.port());
  ASSERT_EQ(client.discover({{"MaxRecvDataSegmentLength", "512"}}).status, 0);
  std::string request, whole;
  append_text(request, "SendTargets", "All");
  std::uint32_t tag = kNoTag;
  for (int pieces = 0; pieces < 100; ++pieces) {
    auto reply = ask(client, request, tag);
    ASSERT_LE(reply.data.size(), 512u);
    if (!reply.bhs.final()) {
      EXPECT_NE(target_.server->bytes_held(), 0u) << "of what waits";
    }
    whole += reply.text();
    tag = reply.as<TextResponseBhs>().target_transfer_tag;
    request.clear();
    if (reply.bhs.final()) break;
  }
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->bytes_held() == 0; }));
  std::size_t names = 0;
  for (auto at = whole.find("TargetName="); at != whole.npos;
       at = whole.find("TargetName=", at + 1))
    ++names;
  EXPECT_EQ(names, 41u);
}

TEST_F(IscsiLogin, NegotiatesLargeTransfers) {
  IscsiClient client(target_.port());
  auto reply = client.login(kTarget, {{"InitialR2T", "No"},
                                      {"ImmediateData", "Yes"},
                                      {"FirstBurstLength", "1048576"},
                                      {"MaxBurstLength", "16776192"},
                                      {"MaxOutstandingR2T", "16"},
                                      {"HeaderDigest", "None,CRC32C"},
                                      {"MaxConnections", "4"}});
  EXPECT_EQ(reply.status, 0);
  EXPECT_NE(reply.tsih, 0);
  EXPECT_EQ(reply.keys["InitialR2T"], "No");
  EXPECT_EQ(reply.keys["FirstBurstLength"], "262144");
  EXPECT_EQ(reply.keys["MaxBurstLength"], "1048576");
  EXPECT_EQ(reply.keys["MaxOutstandingR2T"], "8");
  EXPECT_EQ(reply.keys["MaxConnections"], "1");
  EXPECT_EQ(reply.keys["TargetPortalGroupTag"], "1");
  EXPECT_EQ(reply.keys["MaxRecvDataSegmentLength"], "262144");
}

TEST_F(IscsiLogin, ASessionHasOneConnection) {
  IscsiClient first(target_.port());
  auto session = first.login(kTarget).tsih;
  auto join = [&](unsigned tsih, unsigned cid, unsigned isid) {
    IscsiClient client(target_.port());
    auto header = make_header<LoginRequestBhs>(Opcode::login_request, std::byte{0x87});
    header.opcode |= kImmediateBit;
    header.isid = client.isid;
    header.isid[5] = static_cast<std::byte>(isid);
    header.tsih = static_cast<std::uint16_t>(tsih);
    header.cid = static_cast<std::uint16_t>(cid);
    std::string text;
    append_text(text, "InitiatorName", client.name);
    append_text(text, "TargetName", kTarget);
    client.send(header, to_bytes(text));
    return client.login_answer().status;
  };
  EXPECT_EQ(join(session, 1, 0), 0x0206) << "too many connections (RFC 7143 11.13.5)";
  EXPECT_EQ(join(session, 2, 0), 0x0206);
  EXPECT_EQ(join(session, 2, 1), 0x020a) << "another initiator port's";
  EXPECT_EQ(join(session + 1u, 2, 0), 0x020a);
  first.clear_attentions();
}

TEST_F(IscsiLogin, ALengthThatIsRejectedLaterChangesNothing) {
  IscsiClient client(target_.port());
  ASSERT_EQ(client.login(kTarget, {{"MaxRecvDataSegmentLength", "512"}}).status, 0);
  client.clear_attentions();
  auto declare = [&](std::string_view length) {
    auto header = make_header<TextRequestBhs>(Opcode::text_request);
    header.initiator_task_tag = client.next_tag();
    header.target_transfer_tag = kNoTag;
    header.cmd_sn = client.cmd_sn++;
    std::string text;
    append_text(text, "MaxRecvDataSegmentLength", length);
    client.send(header, to_bytes(text));
    return std::string(client.receive().text());
  };
  for (auto wrong : {"511", "16777216", "many", "Reject"}) {
    declare(wrong);
    EXPECT_EQ(client.read(0, 8).data_ins, 8u) << wrong;
  }
  EXPECT_NE(declare("1").find("Reject"), std::string::npos);
  declare("1024");
  EXPECT_EQ(client.read(0, 8).data_ins, 4u);
}

TEST_F(IscsiLogin, StatusTellsWhyNot) {
  target_.directory.grant(IscsiTarget::kOpenHost, "iqn.2026-11.io.caisson:node:away",
                          {scsi::Verdict::unavailable, {}});
  EXPECT_EQ(IscsiClient(target_.port()).login("iqn.2026-11.io.caisson:node:none").status, 0x0203);
  EXPECT_EQ(IscsiClient(target_.port()).login("iqn.2026-11.io.caisson:node:away").status, 0x0301);
  guard();
  EXPECT_EQ(IscsiClient(target_.port()).login(kTarget).status, 0x0201);
}

TEST_F(IscsiLogin, ChapWithEveryAlgorithm) {
  guard();
  for (const char* algorithm : {"5", "6", "7", "8"}) {
    IscsiClient client(target_.port());
    EXPECT_EQ(chap_login(client, "alice", "wonderland-12", algorithm).status, 0) << algorithm;
    client.clear_attentions();
  }
  IscsiClient wrong(target_.port());
  EXPECT_EQ(chap_login(wrong, "alice", "wonderland-13", "7").status, 0x0201);
  EXPECT_TRUE(wrong.closed());
  IscsiClient unknown(target_.port());
  EXPECT_EQ(chap_login(unknown, "bob", "wonderland-12", "7").status, 0x0201);
  IscsiClient no_common(target_.port());
  EXPECT_EQ(chap_login(no_common, "alice", "wonderland-12", "99").status, 0x0201);
}

TEST_F(IscsiLogin, MutualChapProvesTheTargetAndReflectionCloses) {
  guard();
  auto challenge = pattern(16);
  IscsiClient client(target_.port());
  auto reply = chap_login(client, "alice", "wonderland-12", "5,7",
                          {{"CHAP_I", "17"}, {"CHAP_C", format_binary(challenge)}});
  ASSERT_EQ(reply.status, 0);
  EXPECT_EQ(reply.keys["CHAP_N"], "caisson");
  EXPECT_EQ(reply.keys["CHAP_R"],
            format_binary(chap_response(ChapAlgorithm::md5, 17, "looking-glass", challenge)));
  IscsiClient mirror(target_.port());
  EXPECT_EQ(
      chap_login(mirror, "alice", "wonderland-12", "7", {{"CHAP_I", "17"}, {"CHAP_C", "reflect"}})
          .status,
      0x0201);
  EXPECT_TRUE(mirror.closed());
}

TEST_F(IscsiLogin, ARemovedHostLosesItsSessionsAtOnce) {
  target_.directory.add_host({.id = 7, .name = "short", .no_auth = true},
                             {std::string(IscsiClient::kName)});
  target_.directory.grant(7, kTarget, {scsi::Verdict::granted, {{0, target_.unit, false}}});
  IscsiClient client(target_.port());
  ASSERT_EQ(client.login(kTarget).status, 0);
  client.clear_attentions();
  target_.directory.remove_host(7);  // "*" may log in there all the same
  target_.sessions.refresh_all();
  EXPECT_EQ(client.receive().as<AsyncMessageBhs>().event, AsyncEvent::drop_session);
  EXPECT_TRUE(client.closed());
}

TEST_F(IscsiLogin, TightenedAuthenticationEndsWhatProvedLess) {
  auto host = chap_host();
  host.no_auth = true;
  const std::vector<std::string> names{std::string(IscsiClient::kName)};
  target_.directory.add_host(host, names);
  target_.directory.grant(2, kTarget, {scsi::Verdict::granted, {{0, target_.unit, false}}});
  IscsiClient open(target_.port());
  ASSERT_EQ(open.login(kTarget).status, 0);
  open.clear_attentions();
  IscsiClient looking(target_.port());
  ASSERT_EQ(looking.discover().status, 0);

  guard();
  target_.sessions.refresh_all();
  EXPECT_EQ(open.receive().as<AsyncMessageBhs>().event, AsyncEvent::drop_session);
  EXPECT_TRUE(open.closed());
  EXPECT_EQ(send_targets(looking, "All"), "");  // it is told nothing more either
  EXPECT_TRUE(looking.closed());

  IscsiClient proved(target_.port());
  ASSERT_EQ(chap_login(proved, "alice", "wonderland-12", "7").status, 0);
  target_.sessions.refresh_all();  // nothing changed: it stays
  proved.clear_attentions();
  host = chap_host();
  host.chap_secret = "wonderland-13";
  target_.directory.add_host(host, names);
  target_.sessions.refresh_all();
  EXPECT_EQ(proved.receive().as<AsyncMessageBhs>().event, AsyncEvent::drop_session);
  EXPECT_TRUE(proved.closed());
}

TEST_F(IscsiLogin, ARedirectNamesWhereToGo) {
  target_.directory.grant(
      IscsiTarget::kOpenHost, kTarget,
      {scsi::Verdict::granted, {{0, target_.unit, false}}, scsi::Redirect{"192.0.2.7:3260"}});
  IscsiClient client(target_.port());
  auto reply = client.login(kTarget);
  EXPECT_EQ(reply.status, 0x0101);
  EXPECT_EQ(reply.keys["TargetAddress"], "192.0.2.7:3260");
  EXPECT_TRUE(client.closed());
  target_.directory.grant(
      IscsiTarget::kOpenHost, kTarget,
      {scsi::Verdict::unavailable, {}, scsi::Redirect{"[2001:db8::7]:3260", true}});
  reply = IscsiClient(target_.port()).login(kTarget);
  EXPECT_EQ(reply.status, 0x0102);
  EXPECT_EQ(reply.keys["TargetAddress"], "[2001:db8::7]:3260");
}

TEST(IscsiServer, ASessionIsAskedToGoWhereItsTargetWent) {
  IscsiTarget target([](ServerOptions& options) {
    options.portals = {{"127.0.0.1", 0}, {"127.0.0.2", 0}};
    options.timers.drain = 30s;
  });
  IscsiClient here(target.port()), there(target.bound[1].port, "127.0.0.2");
  there.isid[5] = std::byte{1};
  for (auto* client : {&here, &there}) {
    ASSERT_EQ(client->login(kTarget).status, 0);
    client->clear_attentions();
  }
  scsi::Admission admission{scsi::Verdict::granted, {{0, target.unit, false}}};
  admission.redirect = scsi::Redirect{target.bound[1].to_string()};
  target.directory.grant(IscsiTarget::kOpenHost, kTarget, admission);
  target.sessions.refresh_all();
  auto asked = here.receive().as<AsyncMessageBhs>();
  EXPECT_EQ(asked.event, AsyncEvent::request_logout);
  EXPECT_EQ(asked.parameter_3, 30);
  here.clear_attentions();  // until it goes, it is served
  EXPECT_EQ(here.logout().as<LogoutResponseBhs>().response, 0);
  there.clear_attentions();  // it is where it belongs
  EXPECT_EQ(IscsiClient(target.port()).login(kTarget).status, 0x0101);
  IscsiClient follower(target.bound[1].port, "127.0.0.2");
  EXPECT_EQ(follower.login(kTarget).status, 0);
}

TEST(IscsiServer, WhoDoesNotGoWhereItsTargetWentIsDropped) {
  IscsiTarget target([](ServerOptions& options) { options.timers.drain = 10ms; });
  IscsiClient deaf(target.port());
  ASSERT_EQ(deaf.login(kTarget).status, 0);
  deaf.clear_attentions();
  target.directory.grant(
      IscsiTarget::kOpenHost, kTarget,
      {scsi::Verdict::granted, {{0, target.unit, false}}, scsi::Redirect{"192.0.2.7:3260"}});
  target.sessions.refresh_all();
  EXPECT_EQ(deaf.receive().as<AsyncMessageBhs>().event, AsyncEvent::request_logout);
  EXPECT_EQ(deaf.receive().as<AsyncMessageBhs>().event, AsyncEvent::drop_session);
  EXPECT_TRUE(deaf.closed());
}

TEST(IscsiServer, PortalGroupsAreToldAndKeptApart) {
  IscsiTarget target([](ServerOptions& options) {
    options.portals = {{"127.0.0.1", 0, 1}, {"127.0.0.2", 0, 7}, {"0.0.0.0", 0, 7}};
    options.target_groups = {{"iqn.2026-11.io.caisson:node:one", {1}}};
  });
  target.directory.grant(IscsiTarget::kOpenHost, "iqn.2026-11.io.caisson:node:one",
                         {scsi::Verdict::granted, {{0, target.unit, false}}});
  IscsiClient looking(target.bound[1].port, "127.0.0.2");
  ASSERT_EQ(looking.discover().status, 0);
  std::string expected;
  append_text(expected, "TargetName", kTarget);
  append_text(expected, "TargetAddress", target.bound[0].to_string() + ",1");
  append_text(expected, "TargetAddress", target.bound[1].to_string() + ",7");
  append_text(expected, "TargetAddress",
              "127.0.0.2:" + std::to_string(target.bound[2].port) + ",7");
  append_text(expected, "TargetName", "iqn.2026-11.io.caisson:node:one");
  append_text(expected, "TargetAddress", target.bound[0].to_string() + ",1");
  EXPECT_EQ(send_targets(looking, "All"), expected);

  IscsiClient first(target.bound[0].port), second(target.bound[1].port, "127.0.0.2");
  EXPECT_EQ(first.login(kTarget).keys["TargetPortalGroupTag"], "1");
  EXPECT_EQ(second.login(kTarget).keys["TargetPortalGroupTag"], "7");  // same ISID, other port
  first.clear_attentions();
  second.clear_attentions();
  auto sessions = target.sessions.list();
  ASSERT_EQ(sessions.size(), 2u);
  EXPECT_EQ(sessions[0].identity.relative_port, 1);
  EXPECT_EQ(sessions[1].identity.relative_port, 7);
  EXPECT_EQ(sessions[1].identity.portal_group, 7);
  const std::vector<scsi::TargetPortGroup> groups{{1, {1}}, {7, {7}}};
  EXPECT_EQ(sessions[0].identity.port_groups, groups);
  EXPECT_EQ(IscsiClient(target.bound[2].port).login("iqn.2026-11.io.caisson:node:one").status,
            0x0203);
  EXPECT_EQ(IscsiClient(target.bound[0].port).login("iqn.2026-11.io.caisson:node:one").status, 0);
}

TEST_F(IscsiLogin, LogoutForRecoveryAndOfAnotherConnectionAreRefused) {
  IscsiClient client(target_.port());
  ASSERT_EQ(client.login(kTarget).status, 0);
  auto header = make_header<LogoutRequestBhs>(Opcode::logout_request);
  header.reason = kFinalBit | std::byte{2};
  header.cid = 1;
  header.cmd_sn = client.cmd_sn++;
  client.send(header);
  EXPECT_EQ(client.receive().as<LogoutResponseBhs>().response, 2);
  header.reason = kFinalBit | std::byte{1};
  header.cid = 77;
  header.cmd_sn = client.cmd_sn++;
  client.send(header);
  EXPECT_EQ(client.receive().as<LogoutResponseBhs>().response, 1);
  EXPECT_EQ(client.logout().as<LogoutResponseBhs>().response, 0);
  EXPECT_TRUE(client.closed());
}

TEST(IscsiServer, StopAsksForLogoutAndWaits) {
  IscsiTarget target([](ServerOptions& options) { options.timers.drain = 10s; });
  IscsiClient client(target.port());
  ASSERT_EQ(client.login(kTarget).status, 0);
  std::thread stopper([&] { target.server->stop(); });
  auto asked = client.receive();
  EXPECT_EQ(asked.as<AsyncMessageBhs>().event, AsyncEvent::request_logout);
  EXPECT_EQ(asked.as<AsyncMessageBhs>().parameter_3, 10);
  EXPECT_EQ(IscsiClient(target.port()).login(kTarget).status, 0x0301);  // come back later
  EXPECT_EQ(IscsiClient(target.port()).login("iqn.2026-11.io.caisson:node:none").status, 0x0203);
  EXPECT_EQ(client.logout().opcode(), Opcode::logout_response);
  stopper.join();
  EXPECT_EQ(target.server->connections(), 0u);
  EXPECT_THROW(IscsiClient again(target.port()), std::runtime_error);
}

TEST(IscsiServer, StopClosesWhoDoesNotLogOut) {
  IscsiTarget target;
  IscsiClient client(target.port());
  ASSERT_EQ(client.login(kTarget).status, 0);
  target.server->stop();
  EXPECT_TRUE(client.closed());
}

TEST(IscsiServer, SeveralPortalsOfBothFamilies) {
  IscsiTarget target([](ServerOptions& options) {
    options.portals = {{"127.0.0.1", 0}, {"127.0.0.2", 0}, {"::1", 0}};
  });
  for (const auto& portal : target.bound) {
    IscsiClient client(portal.port, portal.address);
    EXPECT_EQ(client.login(kTarget).status, 0) << portal.to_string();
    client.clear_attentions();
  }
}

TEST(IscsiServer, UnusablePortalIsNamed) {
  IscsiTarget target;
  ServerOptions options;
  options.portals = {{"127.0.0.1", target.port()}};
  options.threads = {target.threads[0].get()};
  options.directory = &target.directory;
  options.sessions = &target.sessions;
  Server second(options);
  auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find("127.0.0.1:" + std::to_string(target.port())),
            std::string::npos);
}

}  // namespace
}  // namespace caisson::tests
