// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gateway/config/config.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "config-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    default_file_ = directory_ + "/default.toml";
  }
  ~CommandLineTest() override { std::filesystem::remove_all(directory_); }

  Outcome<Config> parse(std::vector<const char*> words) {
    words.insert(words.begin(), "caissond");
    return parse_command_line(static_cast<int>(words.size()), words.data(), default_file_);
  }
  Failure refused(std::vector<const char*> words) {
    auto parsed = parse(std::move(words));
    return parsed ? Failure{} : parsed.error();
  }
  void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

  std::string directory_;
  std::string default_file_;
};

TEST_F(CommandLineTest, NothingGivesTheDefaults) {
  auto config = parse({});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_FALSE(config->node_name.empty());
  config->node_name.clear();
  EXPECT_EQ(*config, Config());
}

TEST_F(CommandLineTest, StateAndStoreServe) {
  auto config = parse({"--state", "/tmp/s", "--store", "main=/tmp/d", "--store=b=/tmp/e"});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->state_directory, "/tmp/s");
  EXPECT_EQ(config->run_directory, "/tmp/s");
  EXPECT_EQ(config->control_socket, "/tmp/s/caisson.sock");
  EXPECT_THAT(config->stores,
              ElementsAre(StoreConfig{"b", "/tmp/e"}, StoreConfig{"main", "/tmp/d"}));
}

TEST_F(CommandLineTest, RunDirectoryIsWhereItIsSaid) {
  EXPECT_EQ(parse({"--state", "/s", "--run", "/r"})->control_socket, "/r/caisson.sock");
  EXPECT_EQ(parse({"--run", "/r"})->control_socket, "/r/caisson.sock");
  EXPECT_EQ(parse({"--state", "/s", "--control-socket", "/c"})->control_socket, "/c");
  write(default_file_, "run_directory = '/f'\n");
  EXPECT_EQ(parse({"--state", "/s"})->run_directory, "/f");
  write(default_file_, "state_directory = '/f'\n");
  EXPECT_EQ(parse({})->run_directory, "/run/caisson");
}

TEST_F(CommandLineTest, RelativePathsAreTakenFromHere) {
  const auto here = std::filesystem::current_path().string();
  auto config = parse({"--state", "state", "--store", "main=../data", "--import-dir", "."});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->state_directory, here + "/state");
  EXPECT_EQ(config->stores[0].directory,
            std::filesystem::path(here).parent_path().string() + "/data");
  EXPECT_THAT(config->import_directories, ElementsAre(here));
}

TEST_F(CommandLineTest, FlagsGoBeforeTheFile) {
  write(default_file_, R"(
    log_level = "error"
    daily_copies = 3
    [iscsi]
    listen = ["127.0.0.1:1", "127.0.0.1:2"]
    login_timeout = 2
    [stores.main]
    directory = "/f/main"
    import_allowed = true
    [stores.other]
    directory = "/f/other"
  )");
  auto config = parse({"--log-level", "debug", "--iscsi", "[::1]:0", "--iscsi", "127.0.0.1:0",
                       "--store", "main=/flag", "--login-timeout", "0.5"});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->log_level, log::Level::debug);
  EXPECT_EQ(config->daily_copies, 3u);
  EXPECT_EQ(config->login_timeout, std::chrono::milliseconds(500));
  EXPECT_THAT(config->iscsi_listen,
              ElementsAre(IscsiPortal{{"::1", 0}}, IscsiPortal{{"127.0.0.1", 0}}));
  EXPECT_FALSE(config->iscsi_listen_is_default);
  EXPECT_THAT(config->stores,
              ElementsAre(StoreConfig{"main", "/flag", true}, StoreConfig{"other", "/f/other"}));
}

TEST_F(CommandLineTest, NamedFileTakesThePlaceOfTheDefaultOne) {
  const auto named = directory_ + "/named.toml";
  write(default_file_, "broken");
  write(named, "daily_copies = 2\n");
  EXPECT_EQ(parse({"--config", named.c_str()})->daily_copies, 2u);
  EXPECT_THAT(refused({}).message, HasSubstr(default_file_ + ":1:"));
  auto missing = refused({"--config", "/nonexistent.toml"});
  EXPECT_EQ(missing.code, Errc::not_found);
}

TEST_F(CommandLineTest, QuestionsAreAnsweredWithoutReadingAnything) {
  write(default_file_, "broken");
  EXPECT_THAT(parse({"--help"})->answer, HasSubstr("--state DIR"));
  EXPECT_THAT(parse({"-h"})->answer, HasSubstr("--state DIR"));
  EXPECT_THAT(parse({"--help"})->answer, Not(HasSubstr("--nop-interval")));
  EXPECT_THAT(parse({"--help-all"})->answer, HasSubstr("--nop-interval"));
  EXPECT_THAT(parse({"--version"})->answer, ::testing::MatchesRegex("caissond [0-9.]+\n"));
}

TEST_F(CommandLineTest, MistakesAreNamed) {
  const std::pair<std::vector<const char*>, const char*> cases[] = {
      {{"--sate", "/s"}, "--sate"},
      {{"word"}, "word"},
      {{"--state"}, "--state"},
      {{"--state", "/a", "--state", "/b"}, "--state"},
      {{"--state", ""}, "--state: \"\" is not an absolute path"},
      {{"--store", "main"}, "--store: \"main\" is not NAME=DIRECTORY"},
      {{"--store", "Main=/a"}, "--store: "},
      {{"--store", "main="}, "--store: "},
      {{"--iscsi", "3260"}, "--iscsi: \"3260\""},
      {{"--iscsi", "127.0.0.1:1", "--iscsi", "127.0.0.1:1"}, "--iscsi: 127.0.0.1:1 is there twice"},
      {{"--iscsi", "127.0.0.1:1", "127.0.0.1:2"}, "127.0.0.1:2"},
      {{"--io-threads", "many"}, "--io-threads: \"many\""},
      {{"--engine", "epoll"}, "--engine: "},
      {{"--nbs", "127.0.0.1:1"}, "--nbs"},
      {{"--state", "/srv/a/state", "--store", "main=/srv/a"}, "state directory"},
  };
  for (const auto& [words, message] : cases) {
    auto failure = refused(words);
    EXPECT_EQ(failure.code, Errc::invalid_argument) << words[0];
    EXPECT_THAT(failure.message, HasSubstr(message));
    EXPECT_FALSE(failure.remedy.empty()) << words[0];
  }
}

}  // namespace
}  // namespace caisson::config
