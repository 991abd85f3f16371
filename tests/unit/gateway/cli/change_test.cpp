// SPDX-License-Identifier: Apache-2.0
// What changes something: requests as typed, dry runs, questions, secrets.
#include <gtest/gtest.h>

#include <fstream>

#include "gateway/cli/command.hpp"
#include "tests/unit/gateway/cli/fixture.hpp"

namespace caisson::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// A command line that gives `command` all it requires.
std::vector<std::string> minimal(const Command& command) {
  std::vector<std::string> words{std::string(command.noun)};
  std::istringstream verb{std::string(command.verb)};
  for (std::string word; verb >> word;) words.push_back(word);
  if (command.op == wire::Op::schedule_create) words.insert(words.end(), {"--every", "1h"});
  for (const auto& argument : command.arguments) {
    if (!argument.required) continue;
    if (!argument.positional()) words.emplace_back(argument.name);
    words.emplace_back(argument.kind == Kind::size       ? "1G"
                       : argument.kind == Kind::duration ? "7d"
                                                         : "x");
  }
  return words;
}

TEST_F(CliTest, EveryMutationCanBeTriedWithEitherFlag) {
  for (const auto& command : commands()) {
    if (!command.op || !wire::opcode(*command.op).mutating) continue;
    auto dry_run_of = [&] {
      auto message = wire::make_message(wire::opcode(*command.op).request);
      EXPECT_TRUE(message->ParseFromString(service_.last_request()));
      const auto* field = message->GetDescriptor()->FindFieldByName("dry_run");
      return message->GetReflection()->GetBool(*message, field);
    };
    for (const char* flag : {"-n", "--dry-run"}) {
      auto words = minimal(command);
      words.emplace_back(flag);
      EXPECT_EQ(caisson(words).exit, 0) << ::testing::PrintToString(words);
      EXPECT_TRUE(dry_run_of()) << ::testing::PrintToString(words);
    }
    auto words = minimal(command);
    if (command.confirm) words.emplace_back("--yes");
    EXPECT_EQ(caisson(words).exit, 0) << ::testing::PrintToString(words);
    EXPECT_FALSE(dry_run_of()) << ::testing::PrintToString(words);
  }
}

TEST_F(CliTest, LunCreateSendsWhatWasTyped) {
  auto ran = caisson({"lun", "create", "db1", "--size", "1.5T", "--store", "main", "--block-size",
                      "4096", "--cache", "none", "--thick", "--removable", "--location", "rack 7",
                      "--target", "iqn.2026-11.io.caisson:n1:shared", "--target-lun", "3"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  auto sent = request<wire::LunCreateRequest>();
  EXPECT_EQ(sent.name(), "db1");
  EXPECT_EQ(sent.size(), 1649267441664U);
  EXPECT_EQ(sent.store(), "main");
  EXPECT_EQ(sent.block_size(), "4096");
  EXPECT_EQ(sent.cache(), "none");
  EXPECT_TRUE(sent.thick());
  EXPECT_TRUE(sent.removable());
  EXPECT_EQ(sent.location(), "rack 7");
  EXPECT_EQ(sent.target_name(), "iqn.2026-11.io.caisson:n1:shared");
  EXPECT_EQ(sent.target_lun(), 3U);
  EXPECT_FALSE(sent.dry_run());
}

TEST_F(CliTest, LunCreateSaysWhatThereIsNow) {
  auto reply = changed<wire::LunReply>();
  reply.mutable_lun()->set_path("/srv/main/db1.img");
  reply.mutable_lun()->set_capacity(10ULL << 30);
  reply.mutable_lun()->set_target_name("iqn.2026-11.io.caisson:n1:db1");
  reply.mutable_change()->add_notes("no host may use it yet: see `caisson access grant`");
  answer(reply);
  EXPECT_EQ(caisson({"lun", "create", "db1", "--size", "10G"}).out,
            "LUN 'db1' created\n"
            "  no host may use it yet: see `caisson access grant`\n"
            "  Container:  /srv/main/db1.img\n"
            "  Capacity:   10G\n"
            "  Target:     iqn.2026-11.io.caisson:n1:db1\n");
}

TEST_F(CliTest, DryRunsAndRepetitionsSaySo) {
  answer(changed<wire::LunReply>(true));
  EXPECT_THAT(caisson({"lun", "rename", "db1", "db2", "-n"}).out,
              HasSubstr("LUN 'db1' would be renamed to 'db2' (dry run, nothing was changed)\n"));
  answer(wire::StoreReply());
  EXPECT_THAT(caisson({"store", "add", "main", "/srv/main"}).out,
              HasSubstr("store 'main': nothing to change, it is so already\n"));
}

TEST_F(CliTest, OnAndOffAreSaid) {
  for (bool on : {true, false}) {
    caisson({"lun", "set", "db1", "--write-protect", on ? "on" : "off"});
    auto lun = request<wire::LunSetRequest>();
    EXPECT_TRUE(lun.has_write_protect());
    EXPECT_EQ(lun.write_protect(), on);
  }
}

TEST_F(CliTest, WhatIsNotTypedIsNotSet) {
  caisson({"lun", "set", "db1", "--location", ""});
  auto lun = request<wire::LunSetRequest>();
  EXPECT_FALSE(lun.has_write_protect());
  EXPECT_FALSE(lun.has_cache());
  EXPECT_TRUE(lun.has_location());
  caisson({"host", "set", "web", "--quota", "0", "--no-mutual", "--add-iqn", "iqn.a", "--add-iqn",
           "iqn.b"});
  auto host = request<wire::HostSetRequest>();
  EXPECT_TRUE(host.has_quota() && host.quota() == 0);
  EXPECT_TRUE(host.has_mutual() && !host.mutual());
  EXPECT_FALSE(host.has_no_auth() || host.has_chap_user() || host.has_chap_secret());
  EXPECT_THAT(host.add_iqns(), ElementsAre("iqn.a", "iqn.b"));
  caisson({"access", "grant", "db1", "web"});
  EXPECT_FALSE(request<wire::AccessGrantRequest>().has_lun_number());
}

TEST_F(CliTest, AccessGrantTakesVerbsAsAList) {
  caisson({"access", "grant", "db1", "*", "--read-only", "--quota", "5G", "--allow",
           "snapshot,resize", "--lun-number", "0"});
  auto sent = request<wire::AccessGrantRequest>();
  EXPECT_EQ(sent.host(), "*");
  EXPECT_TRUE(sent.read_only());
  EXPECT_EQ(sent.quota(), 5ULL << 30);
  EXPECT_THAT(sent.allow(), ElementsAre("snapshot", "resize"));
  EXPECT_TRUE(sent.has_lun_number());
}

TEST_F(CliTest, AccessRedirectLeadsSomewhereOrIsRemoved) {
  caisson({"access", "redirect", "db1", "web", "--to", "192.0.2.7:3260", "--permanent"});
  auto sent = request<wire::AccessRedirectRequest>();
  EXPECT_EQ(sent.lun(), "db1");
  EXPECT_EQ(sent.host(), "web");
  EXPECT_EQ(sent.to(), "192.0.2.7:3260");
  EXPECT_TRUE(sent.permanent());
  EXPECT_FALSE(sent.remove());
  caisson({"access", "redirect", "db1", "web", "--remove", "--dry-run"});
  sent = request<wire::AccessRedirectRequest>();
  EXPECT_TRUE(sent.remove());
  EXPECT_TRUE(sent.dry_run());
  EXPECT_EQ(sent.to(), "");
}

TEST_F(CliTest, PathsAreTheOnesHereAndNamesInAStoreStay) {
  caisson({"catalog", "backup", "copy.db"});
  EXPECT_EQ(request<wire::CatalogBackupRequest>().file(),
            (std::filesystem::current_path() / "copy.db").string());
  caisson({"lun", "import", "disk.img"});
  auto copied = request<wire::LunImportRequest>();
  EXPECT_EQ(copied.file(), (std::filesystem::current_path() / "disk.img").string());
  EXPECT_FALSE(copied.in_place());
  caisson({"lun", "import", "disk.img", "--in-place", "--as", "db1"});
  auto kept = request<wire::LunImportRequest>();
  EXPECT_EQ(kept.file(), "disk.img");
  EXPECT_EQ(kept.name(), "db1");
  EXPECT_TRUE(kept.in_place());
}

TEST_F(CliTest, DeletingInAScriptNeedsAYes) {
  auto ran = caisson({"lun", "delete", "db1"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("LUN 'db1'"), HasSubstr("--yes")));
  EXPECT_EQ(service_.count(), 0U);
  answer(changed<wire::RemoveReply>());
  ran = caisson({"lun", "delete", "db1", "--yes"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.out, "LUN 'db1' deleted\n");
}

TEST_F(CliTest, DeletingOnATerminalAsks) {
  terminal_ = true;
  for (const char* no : {"\n", "y\n", "no\n", ""}) {
    typed_ = no;
    auto ran = caisson({"host", "delete", "web"});
    EXPECT_EQ(ran.exit, 1);
    EXPECT_THAT(ran.err, HasSubstr("host 'web' will be deleted, for good"));
    EXPECT_EQ(service_.count(), 0U);
  }
  typed_ = "yes\n";
  EXPECT_EQ(caisson({"host", "delete", "web"}).exit, 0);
  EXPECT_EQ(service_.count(), 1U);
}

TEST_F(CliTest, GeneratedSecretsAreShownOnce) {
  auto reply = changed<wire::HostReply>();
  reply.mutable_generated()->set_chap_user("web");
  reply.mutable_generated()->set_chap_secret("abcdefghijklmnop");
  answer(reply);
  EXPECT_EQ(caisson({"host", "create", "web", "--iqn", "iqn.a"}).out,
            "host 'web' created\n"
            "  The gateway shows these once; keep them:\n"
            "  CHAP user:    web\n"
            "  CHAP secret:  abcdefghijklmnop\n");
  EXPECT_THAT(caisson({"host", "create", "web", "--output", "json"}).out,
              HasSubstr(R"("chap_secret":"abcdefghijklmnop")"));
}

TEST_F(CliTest, SecretsComeFromAFileOrStandardInput) {
  auto file = (dir_.path() / "secret").string();
  { std::ofstream(file) << "filesecret12\nmore\n"; }
  typed_ = "typedsecret12\r\n";
  auto ran = caisson({"host", "create", "web", "--chap-secret-file", file, "--mutual-secret-file",
                      "-", "--chap-user", "u", "--mutual-user", "m", "--mutual"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  auto sent = request<wire::HostCreateRequest>();
  EXPECT_EQ(sent.chap_secret(), "filesecret12");
  EXPECT_EQ(sent.mutual_secret(), "typedsecret12");
  EXPECT_THAT(ran.out + ran.err, Not(HasSubstr("secret12")));
}

TEST_F(CliTest, SecretsOfAnotherLengthAreRefused) {
  for (const char* secret : {"", "short", "elevenchars", "seventeen-letters"}) {
    typed_ = std::string(secret) + "\n";
    auto ran = caisson({"host", "create", "web", "--chap-secret-file", "-"});
    EXPECT_EQ(ran.exit, 2) << secret;
    EXPECT_THAT(ran.err, HasSubstr("12 to 16 printable characters"));
  }
  EXPECT_EQ(caisson({"host", "create", "web", "--chap-secret-file", "/nowhere"}).exit, 1);
  EXPECT_EQ(service_.count(), 0U);
}

TEST_F(CliTest, ProgressIsDrawnOnATerminalOnly) {
  service_.hold();
  for (bool terminal : {false, true}) {
    terminal_ = terminal;
    std::thread worker([&] {
      auto call = service_.next();
      call.progress(512, 1024);
      // Let the step reach the client before the end overtakes it.
      on_control_thread([] {});
      on_control_thread([] {});
      call.done(ControlReply::success({}));
    });
    auto ran = caisson({"lun", "import", "/x/disk.img"});
    worker.join();
    EXPECT_EQ(ran.exit, 0);
    if (terminal) {
      EXPECT_THAT(ran.err, HasSubstr("50%  512 of 1K"));
      EXPECT_TRUE(ran.err.ends_with("\r\x1b[K")) << ran.err;
    } else {
      EXPECT_THAT(ran.err, IsEmpty());
    }
  }
}

}  // namespace
}  // namespace caisson::cli
