// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/login.hpp"

#include <gtest/gtest.h>

#include <map>

namespace caisson::iscsi {
namespace {

constexpr std::string_view kInitiator = "iqn.2026-11.io.caisson.test:i";
constexpr std::string_view kTarget = "iqn.2026-11.io.caisson:node:disk";

/// One host, one target.
class OneTarget final : public scsi::TargetDirectory {
 public:
  std::optional<scsi::HostIdentity> identify(std::string_view initiator) const override {
    if (initiator != kInitiator) return std::nullopt;
    return host;
  }
  std::vector<std::string> targets(std::uint64_t) const override { return {std::string(kTarget)}; }
  scsi::Admission admit(std::uint64_t, std::string_view target) const override {
    ++asked;
    if (target != kTarget) return {};
    return {verdict, {}, redirect};
  }
  scsi::HostIdentity host{.id = 1, .name = "host", .no_auth = true};
  scsi::Verdict verdict = scsi::Verdict::granted;
  std::optional<scsi::Redirect> redirect;
  mutable int asked = 0;
};

class LoginTest : public ::testing::Test {
 protected:
  using Keys = std::vector<std::pair<std::string_view, std::string_view>>;

  static LoginRequestBhs request(unsigned csg, unsigned nsg, bool more = false) {
    auto header =
        make_header<LoginRequestBhs>(Opcode::login_request, static_cast<std::byte>(csg << 2 | nsg));
    if (nsg != 0) header.flags |= kTransitBit;
    if (more) header.flags |= kContinueBit;
    header.isid[0] = std::byte{0x80};
    header.cid = 3;
    header.cmd_sn = 42;
    header.initiator_task_tag = 1;
    return header;
  }
  static std::string text(const Keys& keys) {
    std::string out;
    for (auto [key, value] : keys) append_text(out, key, value);
    return out;
  }
  Login::Answer send(unsigned csg, unsigned nsg, const Keys& keys) {
    return login_.take(request(csg, nsg), text(keys));
  }
  static Keys names() { return {{"InitiatorName", kInitiator}, {"TargetName", kTarget}}; }
  static void expect(const Login::Answer& answer, LoginStatus status) {
    EXPECT_EQ(answer.status, status) << answer.reason;
    EXPECT_EQ(answer.header.status_class << 8 | answer.header.status_detail,
              static_cast<int>(status));
    EXPECT_EQ(answer.next == Login::Next::refused, status != LoginStatus::success);
  }

  OneTarget directory_;
  Login login_{LoginContext{.directory = directory_}};
};

TEST_F(LoginTest, NamesAreTakenInLowerCase) {
  auto answer = send(1, 3,
                     {{"InitiatorName", "IQN.2026-11.io.Caisson.TEST:I"},
                      {"TargetName", "iqn.2026-11.IO.caisson:Node:DISK"}});
  EXPECT_EQ(answer.next, Login::Next::established) << answer.reason;
  auto result = login_.result();
  EXPECT_EQ(result.initiator_name, kInitiator);
  EXPECT_EQ(result.target_name, kTarget);
}

TEST_F(LoginTest, StraightToTheFullFeaturePhase) {
  auto answer = send(1, 3, names());
  EXPECT_EQ(answer.next, Login::Next::established);
  EXPECT_EQ(answer.header.flags, std::byte{0x87});
  auto result = login_.result();
  EXPECT_EQ(result.initiator_name, kInitiator);
  EXPECT_EQ(result.target_name, kTarget);
  EXPECT_EQ(result.cmd_sn, 42u);
  EXPECT_EQ(result.cid, 3);
}

TEST_F(LoginTest, ThroughBothStages) {
  auto keys = names();
  keys.emplace_back("AuthMethod", "CHAP,None");
  auto first = send(0, 1, keys);
  EXPECT_EQ(first.next, Login::Next::more);
  EXPECT_EQ(first.header.flags, std::byte{0x81});
  EXPECT_NE(first.text.find("AuthMethod=None"), std::string::npos);
  EXPECT_NE(first.text.find("TargetPortalGroupTag=1"), std::string::npos);
  auto second = send(1, 0, {{"InitialR2T", "No"}});
  EXPECT_EQ(second.header.flags, std::byte{0x04});
  EXPECT_NE(second.text.find("MaxRecvDataSegmentLength=262144"), std::string::npos);
  EXPECT_EQ(send(1, 3, {}).next, Login::Next::established);
  EXPECT_EQ(login_.result().parameters.initial_r2t, 0u);
}

TEST_F(LoginTest, SecurityStageMayLeadToTheEnd) {
  EXPECT_EQ(send(0, 3, names()).next, Login::Next::established);
}

TEST_F(LoginTest, AuthenticationCannotBeSkipped) {
  directory_.host = {.id = 1, .name = "host", .chap_user = "u", .chap_secret = "secret-12345"};
  expect(send(1, 3, names()), LoginStatus::authentication_failure);
  for (const char* methods : {"None", "KRB5"}) {
    Login login(LoginContext{.directory = directory_});
    auto keys = names();
    keys.emplace_back("AuthMethod", methods);
    expect(login.take(request(0, 1), text(keys)), LoginStatus::authentication_failure);
  }
  Login silent(LoginContext{.directory = directory_});
  expect(silent.take(request(0, 1), text(names())), LoginStatus::authentication_failure);
  EXPECT_EQ(directory_.asked, 0);  // nothing was told about targets
}

TEST_F(LoginTest, ChapStaysInItsStageUntilProved) {
  directory_.host = {.id = 1, .name = "host", .chap_user = "u", .chap_secret = "secret-12345"};
  auto keys = names();
  keys.emplace_back("AuthMethod", "CHAP");
  EXPECT_EQ(send(0, 1, keys).header.flags, std::byte{0});  // T was asked for, not given
  auto challenge = send(0, 1, {{"CHAP_A", "7"}});
  EXPECT_EQ(challenge.header.flags, std::byte{0});
  std::map<std::string, std::string> told;
  auto pairs = parse_text(challenge.text);
  for (const auto& pair : *pairs) told.emplace(pair.key, pair.value);
  auto proof = format_binary(chap_response(ChapAlgorithm::sha256,
                                           static_cast<std::uint8_t>(std::stoi(told["CHAP_I"])),
                                           "secret-12345", *parse_binary(told["CHAP_C"], 1024)));
  auto done = send(0, 1, {{"CHAP_N", "u"}, {"CHAP_R", proof}});
  EXPECT_EQ(done.header.flags, std::byte{0x81});
  EXPECT_EQ(directory_.asked, 1);
  EXPECT_EQ(send(1, 3, {}).next, Login::Next::established);
  EXPECT_TRUE(login_.result().host.chap_secret.empty());
}

TEST_F(LoginTest, ChapKeysOutOfPlace) {
  directory_.host = {.id = 1, .name = "host", .chap_user = "u", .chap_secret = "secret-12345"};
  auto keys = names();
  keys.emplace_back("CHAP_A", "7");
  expect(send(0, 0, keys), LoginStatus::initiator_error);
}

TEST_F(LoginTest, WhoAndWhatMustBeTold) {
  expect(send(1, 3, {{"TargetName", kTarget}}), LoginStatus::missing_parameter);
  Login no_target(LoginContext{.directory = directory_});
  expect(no_target.take(request(1, 3), text({{"InitiatorName", kInitiator}})),
         LoginStatus::missing_parameter);
  Login stranger(LoginContext{.directory = directory_});
  expect(stranger.take(request(1, 3),
                       text({{"InitiatorName", "iqn.2026-11.x"}, {"TargetName", kTarget}})),
         LoginStatus::authorization_failure);
  Login elsewhere(LoginContext{.directory = directory_});
  expect(elsewhere.take(request(1, 3),
                        text({{"InitiatorName", kInitiator}, {"TargetName", "iqn.none"}})),
         LoginStatus::target_not_found);
  directory_.verdict = scsi::Verdict::unavailable;
  Login later(LoginContext{.directory = directory_});
  expect(later.take(request(1, 3), text(names())), LoginStatus::service_unavailable);
  Login odd(LoginContext{.directory = directory_});
  auto keys = names();
  keys.emplace_back("SessionType", "Odd");
  expect(odd.take(request(1, 3), text(keys)), LoginStatus::session_type_unsupported);
}

TEST_F(LoginTest, DiscoveryNeedsNoTarget) {
  auto answer = send(1, 3, {{"InitiatorName", kInitiator}, {"SessionType", "Discovery"}});
  EXPECT_EQ(answer.next, Login::Next::established);
  EXPECT_EQ(answer.text.find("TargetPortalGroupTag"), std::string::npos);
  EXPECT_TRUE(login_.result().discovery);
}

TEST_F(LoginTest, VersionAndExistingSessions) {
  auto newer = request(1, 3);
  newer.version_min = 1;
  expect(login_.take(newer, text(names())), LoginStatus::unsupported_version);
  Login second(LoginContext{.directory = directory_});
  auto joining = request(1, 3);
  joining.tsih = 9;
  expect(second.take(joining, text(names())), LoginStatus::session_does_not_exist);
}

TEST_F(LoginTest, StagesGoForward) {
  expect(send(3, 0, names()), LoginStatus::initiator_error);
  Login back(LoginContext{.directory = directory_});
  EXPECT_EQ(back.take(request(0, 1), text(names())).next, Login::Next::more);
  expect(back.take(request(0, 1), ""), LoginStatus::initiator_error);
  Login nowhere(LoginContext{.directory = directory_});
  expect(nowhere.take(request(1, 2), text(names())), LoginStatus::initiator_error);
  Login same(LoginContext{.directory = directory_});
  expect(same.take(request(1, 1), text(names())), LoginStatus::initiator_error);
}

TEST_F(LoginTest, WhatIdentifiesTheLoginMayNotChange) {
  EXPECT_EQ(send(1, 0, names()).next, Login::Next::more);
  auto other = request(1, 3);
  other.isid[5] = std::byte{1};
  expect(login_.take(other, ""), LoginStatus::initiator_error);
  Login renamed(LoginContext{.directory = directory_});
  EXPECT_EQ(renamed.take(request(1, 0), text(names())).next, Login::Next::more);
  expect(renamed.take(request(1, 3), text({{"TargetName", "iqn.other"}})),
         LoginStatus::initiator_error);
}

TEST_F(LoginTest, TextMayContinue) {
  auto whole = text(names());
  auto first = login_.take(request(1, 0, true), whole.substr(0, 11));
  EXPECT_EQ(first.next, Login::Next::more);
  EXPECT_TRUE(first.text.empty());
  EXPECT_EQ(login_.take(request(1, 3), whole.substr(11)).next, Login::Next::established);
  Login both(LoginContext{.directory = directory_});
  expect(both.take(request(1, 3, true), whole), LoginStatus::initiator_error);
}

TEST_F(LoginTest, LoginsAreBounded) {
  Login much(LoginContext{.directory = directory_, .max_text = 100});
  EXPECT_EQ(much.take(request(1, 0, true), std::string(60, 'a')).next, Login::Next::more);
  expect(much.take(request(1, 0, true), std::string(60, 'a')), LoginStatus::initiator_error);
  Login::Answer answer = send(1, 0, names());
  int rounds = 1;
  for (; answer.next == Login::Next::more && rounds < 100; ++rounds) answer = send(1, 0, {});
  expect(answer, LoginStatus::initiator_error);
  EXPECT_EQ(rounds, 33);
}

TEST_F(LoginTest, InitiatorNamesHaveTheirForm) {
  for (const char* name : {"iqn.", "initiator", "iqn.2026-11.io.caisson.test:i_", "eui.12"}) {
    Login login(LoginContext{.directory = directory_});
    auto answer =
        login.take(request(1, 3), text({{"InitiatorName", name}, {"TargetName", kTarget}}));
    expect(answer, LoginStatus::initiator_error);
    EXPECT_NE(answer.reason.find(name), std::string::npos) << answer.reason;
  }
}

TEST_F(LoginTest, RedirectsNameTheAddressAndComeAfterTheProof) {
  directory_.redirect = scsi::Redirect{"192.0.2.7:3260", false};
  auto answer = send(1, 3, names());
  expect(answer, LoginStatus::moved_temporarily);
  EXPECT_EQ(answer.text, text({{"TargetAddress", "192.0.2.7:3260"}}));  // no tag: RFC 7143 13.8
  directory_.redirect->permanent = true;
  directory_.verdict = scsi::Verdict::unavailable;  // it may have moved because it is gone here
  Login permanent(LoginContext{.directory = directory_});
  expect(permanent.take(request(1, 3), text(names())), LoginStatus::moved_permanently);
  directory_.verdict = scsi::Verdict::granted;
  Login arrived(LoginContext{.directory = directory_, .local = "192.0.2.7:3260"});
  expect(arrived.take(request(1, 3), text(names())), LoginStatus::success);
  directory_.host = {.id = 1, .name = "host", .chap_user = "u", .chap_secret = "secret-12345"};
  Login unproved(LoginContext{.directory = directory_});
  expect(unproved.take(request(1, 3), text(names())), LoginStatus::authentication_failure);
}

TEST_F(LoginTest, AConfinedTargetIsReachedThroughItsGroupsOnly) {
  PortalGroups groups({1, 2, 3}, {{std::string(kTarget), {1, 3}}});
  for (std::uint16_t tag : {1, 2, 3}) {
    Login login(LoginContext{.directory = directory_, .portal_group = tag, .groups = &groups});
    auto answer = login.take(request(1, 3), text(names()));
    expect(answer, tag == 2 ? LoginStatus::target_not_found : LoginStatus::success);
    if (tag == 2) continue;
    EXPECT_NE(answer.text.find("TargetPortalGroupTag=" + std::to_string(tag)), std::string::npos);
    EXPECT_EQ(login.result().portal_group, tag);
  }
}

TEST_F(LoginTest, WhileStoppingServiceIsUnavailableToWhoMayLogIn) {
  std::atomic<bool> stopping = true;
  auto take = [&](const Keys& keys) {
    Login login(LoginContext{.directory = directory_, .stopping = &stopping});
    return login.take(request(1, 3), text(keys));
  };
  expect(take(names()), LoginStatus::service_unavailable);
  expect(take({{"InitiatorName", kInitiator}, {"SessionType", "Discovery"}}),
         LoginStatus::service_unavailable);
  expect(take({{"InitiatorName", kInitiator}, {"TargetName", "iqn.none"}}),
         LoginStatus::target_not_found);
}

TEST_F(LoginTest, NamesMayBeToldAgainIfTheyStay) {  // libiscsi does
  EXPECT_EQ(send(0, 1, names()).next, Login::Next::more);
  EXPECT_EQ(send(1, 3, names()).next, Login::Next::established);
}

TEST_F(LoginTest, KeysTwiceInOneRequestEndIt) {
  for (auto [key, value] : {std::pair{"InitiatorName", kInitiator},
                            {"TargetName", kTarget},
                            {"SessionType", "Normal"},
                            {"InitiatorAlias", "a"},
                            {"AuthMethod", "None"},
                            {"MaxBurstLength", "4096"},
                            {"X-odd", "1"}}) {
    Login login(LoginContext{.directory = directory_});
    auto keys = names();
    keys.emplace_back(key, value);
    keys.emplace_back(key, value);
    auto answer = login.take(request(0, 1), text(keys));
    expect(answer, LoginStatus::initiator_error);
    EXPECT_EQ(answer.reason, std::string(key) + " was given twice");
  }
}

TEST_F(LoginTest, ChapKeysTwiceEndIt) {
  directory_.host = {.id = 1, .name = "host", .chap_user = "u", .chap_secret = "secret-12345"};
  auto keys = names();
  keys.emplace_back("AuthMethod", "CHAP");
  send(0, 1, keys);
  EXPECT_EQ(send(0, 1, {{"CHAP_A", "7"}}).next, Login::Next::more);
  auto answer = send(0, 1, {{"CHAP_A", "5"}});  // another challenge for another algorithm
  expect(answer, LoginStatus::initiator_error);
  EXPECT_EQ(answer.reason, "CHAP_A was given twice");
}

TEST_F(LoginTest, KeysTwiceEndIt) {
  EXPECT_EQ(send(1, 0, {names()[0], names()[1], {"MaxBurstLength", "4096"}}).next,
            Login::Next::more);
  expect(send(1, 3, {{"MaxBurstLength", "8192"}}), LoginStatus::initiator_error);
}

}  // namespace
}  // namespace caisson::iscsi
