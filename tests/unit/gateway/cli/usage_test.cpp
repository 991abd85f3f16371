// SPDX-License-Identifier: Apache-2.0
// What is typed wrongly, where the gateway is looked for, and exit codes.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "gateway/cli/command.hpp"
#include "tests/unit/gateway/cli/fixture.hpp"

namespace caisson::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Words = std::vector<std::string>;

TEST_F(CliTest, WrongWordsAreUsageErrorsAndNothingIsAsked) {
  const Words wrong[] = {
      {},
      {"lun"},
      {"frobnicate"},
      {"lun", "frobnicate"},
      {"lun", "show"},
      {"lun", "show", "a", "b"},
      {"lun", "create", "db1"},
      {"lun", "create", "--size", "1G"},
      {"lun", "create", "db1", "--size", "much"},
      {"lun", "create", "db1", "--size", "-1"},
      {"lun", "create", "db1", "--size", "1G", "--size", "2G"},
      {"lun", "create", "db1", "--size", "1G", "--cache", "writearound"},
      {"lun", "create", "db1", "--size", "1G", "--block-size", "520"},
      {"lun", "create", "db1", "--size", "1G", "--target-lun", "x"},
      {"lun", "create", "db1", "--size", "1G", "--frobnicate"},
      {"lun", "import", "a.img", "--copy", "--in-place"},
      {"lun", "set", "db1", "--write-protect", "yes"},
      {"host", "set", "h", "--mutual", "--no-mutual"},
      {"lun", "list", "--dry-run"},
      {"snapshot"},
      {"snapshot", "schedule"},
      {"snapshot", "schedule", "frobnicate"},
      {"snapshot", "lock", "db1", "s1"},
      {"snapshot", "lock", "db1", "s1", "--for", "soon"},
      {"snapshot", "restore", "db1", "s1", "--no-keep"},
      {"snapshot", "diff", "db1"},
      {"snapshot", "diff", "db1", "s1", "--format", "csv"},
      {"snapshot", "diff", "db1", "s1", "--granularity", "8K"},
      {"snapshot", "diff", "db1", "s1", "--format", "bitmap", "--granularity", "5000"},
      {"snapshot", "schedule", "create", "s", "--luns", "a", "--keep", "all"},
      {"snapshot", "schedule", "create", "s", "--luns", "a", "--every", "1h"},
      {"snapshot", "schedule", "set", "s", "--every", "1h", "--at", "02:30"},
      {"snapshot", "schedule", "set", "s", "--on", "mon"},
      {"snapshot", "schedule", "set", "s", "--enable", "--disable"},
      {"snapshot", "policy", "set", "--full-store", "neither"},
      {"lun", "list", "--output", "xml"},
      {"events", "--limit", "4294967296"},
      {"events", "--after", "18446744073709551616"},
      {"status", "--timeout", "0"},
      {"host", "help"},
      {"host", "help", "beos"},
  };
  for (const auto& words : wrong) {
    auto ran = caisson(words);
    EXPECT_EQ(ran.exit, 2) << ::testing::PrintToString(words);
    EXPECT_THAT(ran.out, IsEmpty());
    EXPECT_FALSE(ran.err.empty());
  }
  EXPECT_EQ(service_.count(), 0U);
}

TEST_F(CliTest, UsageErrorsAreJsonForPrograms) {
  for (const Words& words : {Words{"lun", "create", "db1", "--output", "json"},
                             Words{"--output=json", "lun", "create", "db1", "--size", "much"}}) {
    auto ran = caisson(words);
    EXPECT_EQ(ran.exit, 2);
    auto error = boost::json::parse(ran.err).at("error");
    EXPECT_EQ(error.at("code"), "invalid_argument");
    EXPECT_THAT(std::string(error.at("message").as_string()), HasSubstr("--size"));
  }
}

TEST_F(CliTest, HelpAndVersionSucceedWithoutAGateway) {
  for (const Words& words : {Words{"--help"}, Words{"lun", "--help"},
                             Words{"lun", "create", "--help"}, Words{"--version"}}) {
    auto ran = bare(words);
    EXPECT_EQ(ran.exit, 0);
    EXPECT_FALSE(ran.out.empty());
    EXPECT_THAT(ran.err, IsEmpty());
  }
}

TEST_F(CliTest, HelpAllNamesEveryFlag) {
  auto ran = bare({"--help-all"});
  EXPECT_EQ(ran.exit, 0);
  for (const auto& command : commands())
    for (const auto& argument : command.arguments)
      EXPECT_THAT(ran.out, HasSubstr(std::string(argument.name)))
          << command.noun << " " << command.verb;
}

TEST_F(CliTest, ANameMayBeAnyWordOfTheCommandLine) {
  for (const char* name : {"status", "lun", "list", "show", "events", "create"}) {
    auto ran = caisson({"lun", "show", name});
    EXPECT_EQ(ran.exit, 0) << name << ": " << ran.err;
    EXPECT_EQ(request<wire::LunShowRequest>().name(), name);
  }
}

TEST_F(CliTest, TheGatewayIsFoundByFlagThenEnvironment) {
  environment_["CAISSON_SERVER"] = "unix:" + options_.path;
  EXPECT_EQ(bare({"status"}).exit, 0);
  auto ran = bare({"status", "--server", "unix:/nowhere/caisson.sock"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_EQ(ran.err,
            "caisson: no gateway answers at /nowhere/caisson.sock\n"
            "  way out: start caissond, or name its socket with --server unix:PATH\n");
  EXPECT_EQ(bare({"--server", "gateway:10860", "status"}).exit, 1);
}

struct ExitRow {
  Errc code;
  int exit;
};

TEST_F(CliTest, FailuresNameObjectCauseAndWayOut) {
  const ExitRow rows[] = {{Errc::not_found, 1},         {Errc::in_use, 1},
                          {Errc::permission_denied, 1}, {Errc::no_space, 1},
                          {Errc::io_error, 1},          {Errc::internal, 1},
                          {Errc::invalid_argument, 2},  {Errc::partly_done, 3}};
  for (const auto& row : rows) {
    answer(failure(row.code, "LUN 'db1' is in trouble", "help it"));
    auto ran = caisson({"lun", "set", "db1"});
    EXPECT_EQ(ran.exit, row.exit);
    EXPECT_EQ(ran.err, "caisson: LUN 'db1' is in trouble\n  way out: help it\n");
  }
}

TEST_F(CliTest, FailuresAreJsonForPrograms) {
  answer(failure(Errc::not_found, "LUN 'db1' does not exist", "see `caisson lun list`"));
  auto ran = caisson({"--output", "json", "lun", "show", "db1"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_EQ(ran.err, R"({"error":{"code":"not_found","message":"LUN 'db1' does not exist",)"
                     R"("remedy":"see `caisson lun list`"}})"
                     "\n");
}

TEST_F(CliTest, WhatIsPartlyDoneIsShownAndExitsWithThree) {
  wire::CatalogRebuildReply part = changed<wire::CatalogRebuildReply>();
  part.add_restored("db1");
  part.add_lost("the secrets of all hosts");
  answer(failure(Errc::partly_done, "the catalog is rebuilt but for 1 thing", "create it again"),
         part.SerializeAsString());
  auto ran = caisson({"catalog", "rebuild"});
  EXPECT_EQ(ran.exit, 3);
  EXPECT_EQ(ran.out,
            "catalog rebuilt\n"
            "  LUNs taken up:  db1\n"
            "  Lost:           the secrets of all hosts\n");
  EXPECT_EQ(ran.err,
            "caisson: the catalog is rebuilt but for 1 thing\n  way out: create it again\n");
}

TEST_F(CliTest, HostHelpFillsInWhatItWasGiven) {
  auto ran = bare({"host", "help", "linux", "--portal", "10.0.0.1:3260", "--target",
                   "iqn.2026-11.io.caisson:n1:db1", "--chap-user", "web"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_THAT(ran.out, HasSubstr("iscsiadm -m node -T iqn.2026-11.io.caisson:n1:db1 "
                                 "-p 10.0.0.1:3260 --login\n"));
  EXPECT_THAT(ran.out, HasSubstr("-n node.session.auth.username -v web"));
  for (const char* system : {"linux", "windows", "esxi"}) {
    auto plain = bare({"host", "help", system});
    EXPECT_EQ(plain.exit, 0);
    EXPECT_THAT(plain.out, HasSubstr("TARGET"));
  }
}

}  // namespace
}  // namespace caisson::cli
