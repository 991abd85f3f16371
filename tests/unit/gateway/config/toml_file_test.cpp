// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "gateway/config/config.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::config {
namespace {

using ::testing::HasSubstr;

TEST(TomlFileTest, EveryKeyIsRead) {
  Config config;
  auto read = apply_toml(R"(
    state_directory = "/s"
    run_directory = "/r"
    control_socket = "/r/c.sock"
    node_name = "nas1"
    authority = "2001-04.com.example"
    oui = "00-11-22"
    import_directories = ["/i/a", "/i/b"]
    io_threads = 4
    engine = "threads"
    log_level = "debug"
    daily_copies = 0

    [iscsi]
    listen = ["127.0.0.1:3260", "[::1]:0"]
    login_timeout = 5
    nop_interval = 2.5
    nop_timeout = 3
    drain_timeout = 1
    max_connections = 10
    max_half_logins = 8
    max_half_logins_per_address = 7

    [stores.main]
    directory = "/srv/main/"
    import_allowed = true

    [stores."b.2"]
    directory = "/srv/b"
  )",
                         "test.toml", config);
  ASSERT_TRUE(read) << read.error().message;
  Config expected;
  expected.state_directory = "/s";
  expected.run_directory = "/r";
  expected.control_socket = "/r/c.sock";
  expected.node_name = "nas1";
  expected.authority = "2001-04.com.example";
  expected.oui = "001122";
  expected.import_directories = {"/i/a", "/i/b"};
  expected.io_threads = 4;
  expected.engine = Engine::threads;
  expected.log_level = log::Level::debug;
  expected.daily_copies = 0;
  expected.iscsi_listen = {{{"127.0.0.1", 3260}}, {{"::1", 0}}};
  expected.iscsi_listen_is_default = false;
  using std::chrono::milliseconds;
  expected.login_timeout = milliseconds(5000);
  expected.nop_interval = milliseconds(2500);
  expected.nop_timeout = milliseconds(3000);
  expected.drain_timeout = milliseconds(1000);
  expected.max_connections = 10;
  expected.max_half_logins = 8;
  expected.max_half_logins_per_address = 7;
  expected.stores = {{"b.2", "/srv/b", false}, {"main", "/srv/main", true}};
  EXPECT_EQ(config, expected);
}

TEST(TomlFileTest, EmptyDocumentChangesNothing) {
  Config config;
  EXPECT_TRUE(apply_toml("", "test.toml", config));
  EXPECT_TRUE(apply_toml("# only words\n[iscsi]\n[stores]\n", "test.toml", config));
  EXPECT_EQ(config, Config());
}

struct Wrong {
  const char* text;
  int line;
  const char* message;
};

TEST(TomlFileTest, MistakesAreNamedWithTheirLine) {
  const Wrong cases[] = {
      {"\n\nstate_dir = '/s'\n", 3, "unknown key \"state_dir\""},
      {"\n[iscsi]\nlisten = []\nlisen = []\n", 4, "unknown key \"iscsi.lisen\""},
      {"[isci]\nlisten = []\n", 1, "unknown key \"isci\""},
      {"[[iscsi]]\nlisten = []\n", 1, "\"iscsi\" is a section"},
      {"iscsi = 3\n", 1, "\"iscsi\" is a section"},
      {"stores = 'main'\n", 1, "\"stores\" is a section"},
      {"[stores]\nmain = '/srv'\n", 2, "\"stores.main\" is a section"},
      {"[stores.main]\ndir = '/srv'\n", 2, "unknown key \"stores.main.dir\""},
      {"[stores.Main]\ndirectory = '/srv'\n", 1, "Main"},
      {"[stores.main]\ndirectory = 'srv'\n", 2,
       "stores.main.directory: \"srv\" is not an absolute"},
      {"[stores.main]\nimport_allowed = 'yes'\n", 2, "must be true or false"},
      {"io_threads = '4'\n", 1, "io_threads: must be a whole number"},
      {"io_threads = 4.0\n", 1, "io_threads: must be a whole number"},
      {"io_threads = 1000\n", 1, "io_threads: \"1000\" is not a whole number from 0 to 256"},
      {"io_threads = -1\n", 1, "io_threads: \"-1\""},
      {"[iscsi]\nlogin_timeout = '15s'\n", 2, "iscsi.login_timeout: must be a number"},
      {"[iscsi]\nlogin_timeout = nan\n", 2, "iscsi.login_timeout"},
      {"[iscsi]\nlogin_timeout = 16\n", 2, "iscsi.login_timeout: \"16\""},
      {"node_name = 7\n", 1, "node_name: must be a string"},
      {"[iscsi]\nlisten = '127.0.0.1:1'\n", 2, "iscsi.listen: must be an array of strings"},
      {"[iscsi]\nlisten = ['127.0.0.1:1',\n 'here:1']\n", 3, "iscsi.listen: \"here:1\""},
      {"[iscsi]\nlisten = [3260]\n", 2, "iscsi.listen: must be a string"},
      {"a = \n", 1, ""},
      {"state_directory = '/a'\nstate_directory = '/b'\n", 2, "state_directory"},
      {"state_directory = '/a\xff'\n", 1, ""},
  };
  for (const auto& [text, line, message] : cases) {
    Config config;
    auto read = apply_toml(text, "/etc/test.toml", config);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Errc::invalid_argument) << text;
    EXPECT_THAT(read.error().message,
                ::testing::StartsWith("/etc/test.toml:" + std::to_string(line) + ": "))
        << text;
    EXPECT_THAT(read.error().message, HasSubstr(message)) << text;
    EXPECT_FALSE(read.error().remedy.empty()) << text;
  }
}

TEST(TomlFileTest, UnreadableFilesAreNamed) {
  Config config;
  auto missing = apply_file("/nonexistent/caissond.toml", config);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_THAT(missing.error().message, HasSubstr("/nonexistent/caissond.toml"));
  auto directory = apply_file("/", config);
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().code, Errc::invalid_argument);
}

Failure refused(Config config) {
  auto checked = check(config);
  return checked ? Failure{} : checked.error();
}

TEST(CheckTest, NodeNameIsFilledIn) {
  Config config;
  ASSERT_TRUE(check(config));
  EXPECT_FALSE(config.node_name.empty());
}

TEST(CheckTest, StoresAreSortedApartAndAwayFromTheState) {
  Config config;
  config.stores = {{"z", "/srv/z"}, {"a", "/srv/z2"}};
  ASSERT_TRUE(check(config));
  EXPECT_EQ(config.stores[0].name, "a");

  config.stores = {{"a", "/srv"}, {"b", "/srv"}};
  EXPECT_THAT(refused(config).message, HasSubstr("lies in store"));
  config.stores = {{"a", "/srv"}, {"b", "/srv/b"}};
  EXPECT_THAT(refused(config).message, HasSubstr("store b (/srv/b) lies in store a"));
  for (const auto* around : {"/var/lib/caisson", "/var/lib", "/"}) {
    config.stores = {{"a", around}};
    EXPECT_THAT(refused(config).message, HasSubstr("state directory")) << around;
  }
  config.stores = {{"a", "/var/lib/caisson/store"}, {"b", "/var/lib/caisson2"}};
  EXPECT_TRUE(check(config));
  config.stores = {{"a", ""}};
  EXPECT_THAT(refused(config).message, HasSubstr("no directory"));
}

TEST(CheckTest, SocketPathFitsASocketAddress) {
  Config config;
  config.control_socket = "/" + std::string(106, 'x');
  EXPECT_TRUE(check(config));
  config.control_socket += "x";
  EXPECT_THAT(refused(config).message, HasSubstr("longer than 107"));
}

}  // namespace
}  // namespace caisson::config
