// SPDX-License-Identifier: Apache-2.0
// Golden output: tables for people, JSON for programs.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "gateway/cli/view.hpp"
#include "tests/unit/gateway/cli/fixture.hpp"

namespace caisson::cli {
namespace {

using ::testing::HasSubstr;

wire::LunDescription db1() {
  wire::LunDescription lun;
  lun.set_name("db1");
  lun.set_uuid("6f1c2f1e-3f8e-4f0a-9a60-0f5f6d1b2c3d");
  lun.set_store("main");
  lun.set_file("db1.img");
  lun.set_path("/srv/main/db1.img");
  lun.set_state("online");
  lun.set_capacity(10ULL << 30);
  lun.set_used(1610612736);
  lun.set_free(500ULL << 30);
  lun.set_logical_block(512);
  lun.set_physical_block(4096);
  lun.set_cache("writeback");
  lun.set_naa("3a1b2c3d4e5f6071");
  lun.set_serial("6f1c2f1e3f8e");
  lun.set_target_name("iqn.2026-11.io.caisson:n1:db1");
  lun.set_organization("single container");
  lun.set_config_id(2);
  lun.set_owner_epoch(1);
  lun.set_created_at(1795200000);
  return lun;
}

TEST_F(CliTest, LunListIsATable) {
  wire::LunListReply reply;
  *reply.add_luns() = db1();
  auto& archive = *reply.add_luns();
  archive = db1();
  archive.set_name("archive-2025");
  archive.set_state("failed");
  archive.set_capacity(2ULL << 40);
  archive.set_used(0);
  archive.set_cache("none");
  archive.set_target_name("iqn.2026-11.io.caisson:n1:archive");
  answer(reply);
  auto ran = caisson({"lun", "list"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(
      ran.out,
      "NAME          STATE   STORE  CAPACITY  USED  CACHE      TARGET\n"
      "db1           online  main        10G  1.5G  writeback  iqn.2026-11.io.caisson:n1:db1\n"
      "archive-2025  failed  main         2T     0  none       "
      "iqn.2026-11.io.caisson:n1:archive\n");
  EXPECT_EQ(ran.err, "");
}

TEST_F(CliTest, AnEmptyListIsItsHeader) {
  EXPECT_EQ(caisson({"access", "list"}).out,
            "LUN  HOST  PERMISSION  QUOTA  LUN NUMBER  ALLOWS  AUTH  PROPOSED  REDIRECTED TO  "
            "FOR GOOD\n");
  EXPECT_EQ(caisson({"access", "list", "--output", "json"}).out, "{\"access\":[]}\n");
}

TEST_F(CliTest, LunShowIsEveryAttribute) {
  wire::LunReply reply;
  *reply.mutable_lun() = db1();
  auto& user = *reply.mutable_lun()->add_users();
  user.set_lun("db1");
  user.set_host("web");
  user.set_permission("read-only");
  user.set_lun_number(1);
  user.add_allow("snapshot");
  user.add_allow("trim");
  user.set_auth("mutual-chap");
  user.set_redirect_to("192.0.2.7:3260");
  user.set_redirect_permanent(true);
  answer(reply);
  EXPECT_EQ(caisson({"lun", "show", "db1"}).out,
            "Name:                       db1\n"
            "UUID:                       6f1c2f1e-3f8e-4f0a-9a60-0f5f6d1b2c3d\n"
            "State:                      online\n"
            "Reason:                     -\n"
            "Store:                      main\n"
            "Container:                  /srv/main/db1.img\n"
            "Capacity:                   10G\n"
            "Used:                       1.5G\n"
            "Free in store:              500G\n"
            "Logical block:              512\n"
            "Physical block:             4096\n"
            "Cache:                      writeback\n"
            "Thick:                      no\n"
            "Removable:                  no\n"
            "Write protected for hosts:  no\n"
            "Descriptor sense:           no\n"
            "After a restart:            -\n"
            "Condition:                  -\n"
            "NAA:                        3a1b2c3d4e5f6071\n"
            "Serial:                     6f1c2f1e3f8e\n"
            "Target:                     iqn.2026-11.io.caisson:n1:db1\n"
            "Target LUN:                 0\n"
            "Location:                   -\n"
            "Organization:               single container\n"
            "Configuration id:           2\n"
            "Owner epoch:                1\n"
            "Created:                    2026-11-20T18:40:00Z\n"
            "Snapshots:                  -\n"
            "Users:\n"
            "  LUN  HOST  PERMISSION  QUOTA  LUN NUMBER  ALLOWS          AUTH         PROPOSED  "
            "REDIRECTED TO   FOR GOOD\n"
            "  db1  web   read-only    none           1  snapshot, trim  mutual-chap  no        "
            "192.0.2.7:3260  yes\n");
}

TEST_F(CliTest, JsonHasEveryKeyAndRawBytes) {
  wire::LunReply reply;
  *reply.mutable_lun() = db1();
  reply.mutable_lun()->set_capacity(0xffffffffffffffff);
  answer(reply);
  EXPECT_EQ(caisson({"lun", "show", "db1", "--output", "json"}).out,
            R"({"lun":{"name":"db1","uuid":"6f1c2f1e-3f8e-4f0a-9a60-0f5f6d1b2c3d","store":"main",)"
            R"("file":"db1.img","path":"/srv/main/db1.img","state":"online","reason":"",)"
            R"("capacity":18446744073709551615,"used":1610612736,"free":536870912000,)"
            R"("logical_block":512,"physical_block":4096,"cache":"writeback","thick":false,)"
            R"("removable":false,"naa":"3a1b2c3d4e5f6071","serial":"6f1c2f1e3f8e",)"
            R"("target_name":"iqn.2026-11.io.caisson:n1:db1","target_lun":0,"location":"",)"
            R"("organization":"single container","config_id":2,"owner_epoch":1,)"
            R"("created_at":1795200000,"snapshots":[],"users":[],"accounting":null,"sessions":[],)"
            R"("write_protect":false,"descriptor_sense":false,"saved_modes":"","condition":""},)"
            R"("change":null})"
            "\n");
}

TEST_F(CliTest, EveryReplyIsOneJsonDocumentWithEveryKey) {
  struct Row {
    std::vector<std::string> words;
    std::string keys;
  };
  const Row rows[] = {
      {{"store", "list"}, "stores"},
      {{"store", "add", "a", "/b"}, "store change"},
      {{"lun", "delete", "a", "--yes"}, "name change"},
      {{"host", "create", "a"}, "host change generated"},
      {{"access", "grant", "a", "b"}, "access change"},
      {{"session", "list"}, "sessions"},
      {{"events"}, "events"},
      {{"snapshot", "create", "a"}, "snapshots change"},
      {{"snapshot", "list"}, "snapshots"},
      {{"snapshot", "lock", "a", "b", "--for", "7d"}, "snapshot change"},
      {{"snapshot", "restore", "a", "b"}, "lun snapshot kept change"},
      {{"snapshot", "export", "a", "b", "c"}, "file size change"},
      {{"snapshot", "schedule", "list"}, "schedules"},
      {{"snapshot", "policy", "show"}, "policy change"},
      {{"catalog", "backup", "a"}, "file size change"},
      {{"catalog", "restore", "a", "--yes"}, "file restart_required change"},
      {{"status"},
       "node version state started_at pid portals stores luns luns_online luns_offline luns_failed "
       "hosts grants_proposed sessions capacity used io_engine io_threads clean_start problems "
       "accounting"},
  };
  for (const auto& row : rows) {
    auto words = row.words;
    words.insert(words.end(), {"--output", "json"});
    auto ran = caisson(words);
    EXPECT_EQ(ran.exit, 0);
    auto document = boost::json::parse(ran.out).as_object();
    std::string keys;
    for (const auto& member : document)
      keys += (keys.empty() ? "" : " ") + std::string(member.key());
    EXPECT_EQ(keys, row.keys);
  }
}

TEST_F(CliTest, StatusShowsPortalsAndProblems) {
  wire::StatusReply reply;
  reply.set_node("n1");
  reply.set_version("0.1.0");
  reply.set_state("serving");
  reply.set_luns(3);
  reply.set_luns_failed(1);
  reply.set_capacity(30ULL << 30);
  reply.set_io_engine("io_uring");
  reply.add_problems("LUN 'db2' failed: a flush was lost");
  auto& portal = *reply.add_portals();
  portal.set_protocol("iscsi");
  portal.set_address("[::1]:3260");
  answer(reply);
  auto out = caisson({"status"}).out;
  EXPECT_THAT(out, HasSubstr("Node:             n1\n"));
  EXPECT_THAT(out, HasSubstr("  failed:         1\n"));
  EXPECT_THAT(out, HasSubstr("Problems:         LUN 'db2' failed: a flush was lost\n"));
  EXPECT_THAT(out, HasSubstr("Portals:\n  PROTOCOL  ADDRESS\n  iscsi     [::1]:3260\n"));
}

TEST_F(CliTest, EventsAreOneLineEach) {
  wire::EventsReply reply;
  auto& event = *reply.add_events();
  event.set_sequence(41);
  event.set_time_ms(1795200000123);
  event.set_kind("lun.created");
  event.set_object("db1");
  event.set_actor("uid:0");
  event.set_text("LUN 'db1' was created");
  answer(reply);
  EXPECT_EQ(caisson({"events", "--after", "40", "--limit", "5"}).out,
            "SEQUENCE  TIME                  KIND         OBJECT  BY     WHAT\n"
            "      41  2026-11-20T18:40:00Z  lun.created  db1     uid:0  LUN 'db1' was created\n");
  auto sent = request<wire::EventsRequest>();
  EXPECT_EQ(sent.after(), 40U);
  EXPECT_EQ(sent.limit(), 5U);
}

TEST_F(CliTest, WhatPeersNamedThemselvesCannotSteerTheTerminal) {
  wire::SessionListReply reply;
  reply.add_sessions()->set_initiator("iqn.evil\x1b[2J\r\n\xc2\x9b");
  answer(reply);
  auto out = caisson({"session", "list"}).out;
  EXPECT_EQ(out.find('\x1b'), std::string::npos);
  EXPECT_THAT(out, HasSubstr(R"(iqn.evil\x1b[2J\x0d\x0a\xc2\x9b)"));
}

TEST(CliPrintable, KeepsWholeCharactersOnly) {
  EXPECT_EQ(printable("Zürich 東京 😀"), "Zürich 東京 😀");
  EXPECT_EQ(printable("a\x7f"), "a\\x7f");
  EXPECT_EQ(printable("cut \xe6\x9d"), "cut \\xe6\\x9d");
  EXPECT_EQ(printable("\xff\xc0\x80"), "\\xff\\xc0\\x80");
}

}  // namespace
}  // namespace caisson::cli
