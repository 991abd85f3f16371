// SPDX-License-Identifier: Apache-2.0
// The table of keys against the struct, the help and the manual.
#include "gateway/config/keys.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <limits>
#include <set>
#include <sstream>

#include "storage_object/base/errc.hpp"

namespace caisson::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Key& key(std::string_view name) {
  for (const auto& candidate : keys())
    if (candidate.name == name) return candidate;
  throw std::out_of_range(std::string(name));
}

bool accepts(std::string_view name, const std::string& text) {
  Config config;
  if (key(name).clear != nullptr) key(name).clear(config);
  auto set = key(name).set(config, text);
  if (!set) {
    EXPECT_EQ(set.error().code, Errc::invalid_argument);
    EXPECT_THAT(set.error().message, HasSubstr("\"")) << "names what was wrong";
  }
  return set.has_value();
}

TEST(KeysTest, NamesAndFlagsAreUnique) {
  std::set<std::string_view> names, flags;
  for (const auto& key : keys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_TRUE(flags.insert(key.flag).second) << key.flag;
    EXPECT_EQ(key.kind == Kind::texts, key.clear != nullptr) << key.name;
    EXPECT_TRUE(key.help.ends_with('.')) << key.name;
  }
  for (const auto& flag : plain_flags()) EXPECT_TRUE(flags.insert(flag.flag).second) << flag.flag;
}

TEST(KeysTest, DefaultsOfTheTableAreThoseOfTheStruct) {
  Config config;
  for (const auto& key : keys()) {
    if (key.fallback.empty()) continue;
    std::istringstream words{std::string(key.fallback)};
    if (key.kind == Kind::texts) key.clear(config);
    for (std::string word; words >> word;)
      ASSERT_TRUE(key.set(config, word)) << key.name << " " << word;
  }
  config.iscsi_listen_is_default = true;
  EXPECT_EQ(config, Config());
}

TEST(KeysTest, EveryKeyTakesEffect) {
  const std::pair<const char*, const char*> values[] = {
      {"state_directory", "/s"},
      {"run_directory", "/r"},
      {"control_socket", "/c"},
      {"node_name", "n"},
      {"authority", "2001-04.com.example"},
      {"oui", "001122"},
      {"import_directories", "/i"},
      {"io_threads", "3"},
      {"engine", "threads"},
      {"log_level", "error"},
      {"daily_copies", "3"},
      {"wipe_rate", "3"},
      {"snapshot_full_store", "snapshots-first"},
      {"snapshot_pace", "4"},
      {"iscsi.listen", "127.0.0.1:1"},
      {"iscsi.target_groups", "iqn.2026-11.io.caisson:n:a=1"},
      {"iscsi.login_timeout", "3"},
      {"iscsi.nop_interval", "3"},
      {"iscsi.nop_timeout", "3"},
      {"iscsi.drain_timeout", "3"},
      {"iscsi.max_connections", "3"},
      {"iscsi.max_half_logins", "3"},
      {"iscsi.max_half_logins_per_address", "3"},
  };
  EXPECT_EQ(std::size(values), keys().size());
  std::vector<Config> seen = {Config()};
  for (const auto& [name, value] : values) {
    Config config;
    ASSERT_TRUE(key(name).set(config, value)) << name;
    EXPECT_THAT(seen, ::testing::Not(::testing::Contains(config)))
        << name << " sets nothing, or the same as another";
    seen.push_back(config);
  }
}

TEST(KeysTest, NumbersHaveRanges) {
  for (const auto* good : {"0", "1", "256"}) EXPECT_TRUE(accepts("io_threads", good)) << good;
  for (const auto* wrong : {"", "-1", "257", "1.5", "one", "1 ", "99999999999999999999", "0x1"})
    EXPECT_FALSE(accepts("io_threads", wrong)) << wrong;
  EXPECT_FALSE(accepts("iscsi.max_connections", "0"));
  EXPECT_TRUE(accepts("snapshot_pace", "100"));
  EXPECT_FALSE(accepts("snapshot_pace", "101"));
}

TEST(KeysTest, SecondsMayBeFractions) {
  Config config;
  ASSERT_TRUE(key("iscsi.login_timeout").set(config, "0.25"));
  EXPECT_EQ(config.login_timeout, std::chrono::milliseconds(250));
  for (const auto* good : {"0.01", "15", "1e1"})
    EXPECT_TRUE(accepts("iscsi.login_timeout", good)) << good;
  for (const auto* wrong : {"0", "0.001", "15.1", "-1", "nan", "inf", "", "1s"})
    EXPECT_FALSE(accepts("iscsi.login_timeout", wrong)) << wrong;
}

TEST(KeysTest, PathsAreAbsoluteAndPutInNormalForm) {
  Config config;
  ASSERT_TRUE(key("state_directory").set(config, "/a//b/../c/./"));
  EXPECT_EQ(config.state_directory, "/a/c");
  ASSERT_TRUE(key("state_directory").set(config, "/"));
  EXPECT_EQ(config.state_directory, "/");
  for (const auto* wrong : {"", "a", "./a"})
    EXPECT_FALSE(accepts("state_directory", wrong)) << wrong;
  EXPECT_FALSE(accepts("state_directory", std::string("/a\0b", 4)));
}

TEST(KeysTest, AuthorityIsADateAndADomain) {
  for (const auto* good : {"2026-11.io.caisson", "2001-04.com.example", "1999-12.x"})
    EXPECT_TRUE(accepts("authority", good)) << good;
  for (const std::string& wrong :
       {std::string(), std::string("2026-11."), std::string("2026-13.com.example"),
        std::string("2026-00.com.example"), std::string("26-11.com"), std::string("2026-11.Com"),
        std::string("2026-11.com..example"), std::string("2026-11.com.example."),
        std::string("2026-11.-x"), std::string("2026-11.a:b"), std::string("io.caisson"),
        "2026-11." + std::string(82, 'x')})
    EXPECT_FALSE(accepts("authority", wrong)) << wrong;
  EXPECT_TRUE(accepts("authority", "2026-11." + std::string(81, 'x')));
}

TEST(KeysTest, OuiIsSixHexDigits) {
  Config config;
  for (const auto* good : {"00A0b8", "00-a0-B8", "00:a0:b8"}) {
    ASSERT_TRUE(key("oui").set(config, good)) << good;
    EXPECT_EQ(config.oui, "00a0b8");
  }
  for (const auto* wrong : {"00a0b", "00a0b8f", "00a0bg", "------"})
    EXPECT_FALSE(accepts("oui", wrong)) << wrong;
  ASSERT_TRUE(key("oui").set(config, ""));
  EXPECT_EQ(config.oui, "");
}

TEST(KeysTest, ChoicesAreNamedWhenWrong) {
  Config config;
  auto set = key("engine").set(config, "epoll");
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().message, HasSubstr("auto, io_uring, threads"));
}

TEST(KeysTest, SameAddressTwiceIsRefusedButAnyPortIsNot) {
  Config config;
  const auto& listen = key("iscsi.listen");
  listen.clear(config);
  ASSERT_TRUE(listen.set(config, "127.0.0.1:3260"));
  EXPECT_FALSE(listen.set(config, "127.0.0.1:3260"));
  EXPECT_TRUE(listen.set(config, "127.0.0.1:0"));
  EXPECT_TRUE(listen.set(config, "127.0.0.1:0"));
  EXPECT_EQ(config.iscsi_listen.size(), 3u);
}

TEST(KeysTest, PortalsHaveGroups) {
  Config config;
  const auto& listen = key("iscsi.listen");
  listen.clear(config);
  ASSERT_TRUE(listen.set(config, "127.0.0.1:3260"));
  ASSERT_TRUE(listen.set(config, "[::1]:3260,65535"));
  EXPECT_THAT(config.iscsi_listen,
              ElementsAre(IscsiPortal{{"127.0.0.1", 3260}, 1}, IscsiPortal{{"::1", 3260}, 65535}));
  EXPECT_FALSE(listen.set(config, "127.0.0.1:3260,2"));  // a portal is in one group
  for (const auto* wrong : {"127.0.0.2:1,", "127.0.0.2:1,0", "127.0.0.2:1,65536", "127.0.0.2:1,1,2",
                            "127.0.0.2:1,a", ",1"})
    EXPECT_FALSE(listen.set(config, wrong)) << wrong;
}

TEST(KeysTest, TargetsAreConfinedToGroupsThatExist) {
  Config config;
  const auto& groups = key("iscsi.target_groups");
  ASSERT_TRUE(groups.set(config, "iqn.2026-11.io.caisson:N:a=2,1,2"));
  EXPECT_THAT(config.target_groups.at("iqn.2026-11.io.caisson:n:a"), ElementsAre(1, 2));
  for (const auto* wrong : {"iqn.2026-11.io.caisson:n:a=1", "iqn.2026-11.io.caisson:n:b",
                            "iqn.2026-11.io.caisson:n:b=", "disk=1", "=1"})
    EXPECT_FALSE(groups.set(config, wrong)) << wrong;
  auto checked = check(config);
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message, HasSubstr("portal group 2"));
  ASSERT_TRUE(key("iscsi.listen").set(config, "127.0.0.1:3261,2"));
  EXPECT_TRUE(check(config));
}

TEST(KeysTest, NodeNameComesFromAnyHostName) {
  EXPECT_EQ(node_name_from("nas1"), "nas1");
  EXPECT_EQ(node_name_from("NAS1.Example.COM"), "nas1.example.com");
  EXPECT_EQ(node_name_from("my_host"), "my-host");
  EXPECT_EQ(node_name_from("-.a..b.-"), "a.b");
  EXPECT_EQ(node_name_from(""), "caisson");
  EXPECT_EQ(node_name_from("___"), "caisson");
  EXPECT_EQ(node_name_from(std::string(200, 'a')), std::string(64, 'a'));
}

TEST(KeysTest, HelpShowsWhatItShould) {
  const auto common = help_text(false), all = help_text(true);
  for (const auto& key : keys()) {
    const auto flag = "  " + std::string(key.flag) + " ";
    EXPECT_THAT(all, HasSubstr(flag));
    EXPECT_EQ(common.find(flag) != std::string::npos, key.common) << key.flag;
  }
  for (const auto& flag : plain_flags()) EXPECT_THAT(common, HasSubstr(std::string(flag.flag)));
}

std::string page(const char* name) {
  std::ifstream file(std::string(CAISSON_MANUAL_DIRECTORY) + "/" + name);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(KeysTest, ManualNamesEveryKeyAndFlag) {
  const auto flags_page = page("caissond.8"), keys_page = page("caissond.toml.5");
  for (const auto& key : keys()) {
    const auto flag = ".It Fl Fl " + std::string(key.flag.substr(2)) + " ";
    EXPECT_THAT(flags_page, HasSubstr(flag));
    EXPECT_THAT(keys_page, HasSubstr(".It Ic " + std::string(key.name) + "\n"));
  }
  for (const auto& key : store_keys())
    EXPECT_THAT(keys_page, HasSubstr(".It Ic stores.NAME." + std::string(key.name) + "\n"));
  for (const auto& flag : plain_flags())
    EXPECT_THAT(flags_page, HasSubstr(".It Fl Fl " + std::string(flag.flag.substr(2))));
}

TEST(KeysTest, ManualNamesNoKeyOrFlagThatIsGone) {
  std::istringstream flags_page(page("caissond.8")), keys_page(page("caissond.toml.5"));
  std::set<std::string> flags, names;
  for (const auto& key : keys()) {
    flags.insert(std::string(key.flag));
    names.insert(std::string(key.name));
  }
  for (const auto& flag : plain_flags()) flags.insert(std::string(flag.flag));
  for (const auto& key : store_keys()) names.insert("stores.NAME." + std::string(key.name));
  constexpr std::string_view kFlag = ".It Fl Fl ", kKey = ".It Ic ";
  for (std::string line; std::getline(flags_page, line);) {
    if (!line.starts_with(kFlag)) continue;
    const auto word = line.substr(kFlag.size(), line.find(' ', kFlag.size()) - kFlag.size());
    EXPECT_TRUE(flags.contains("--" + word)) << line;
  }
  for (std::string line; std::getline(keys_page, line);) {
    if (!line.starts_with(kKey)) continue;
    EXPECT_TRUE(names.contains(line.substr(kKey.size()))) << line;
  }
}

}  // namespace
}  // namespace caisson::config
