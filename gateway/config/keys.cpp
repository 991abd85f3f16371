// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/iscsi_name.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::config {
namespace {

Failure bad(std::string message, std::string remedy = {}) {
  return failure(Errc::invalid_argument, std::move(message), std::move(remedy));
}

template <class T>
bool parse_whole(const std::string& text, T& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

template <auto Member, unsigned Low, unsigned High>
Outcome<> set_number(Config& config, const std::string& text) {
  unsigned value = 0;
  if (!parse_whole(text, value) || value < Low || value > High)
    return bad(fmt::format("\"{}\" is not a whole number from {} to {}", text, Low, High));
  config.*Member = value;
  return {};
}

template <auto Member, unsigned High>
Outcome<> set_seconds(Config& config, const std::string& text) {
  constexpr double kShortest = 0.01;
  double value = 0;
  if (!parse_whole(text, value) || !(value >= kShortest && value <= High))
    return bad(
        fmt::format("\"{}\" is not a number of seconds from {} to {}", text, kShortest, High));
  config.*Member = std::chrono::milliseconds(std::llround(value * 1000));
  return {};
}

Outcome<std::string> absolute_path(const std::string& text) {
  if (text.empty() || text.find('\0') != std::string::npos || text.front() != '/')
    return bad(fmt::format("\"{}\" is not an absolute path", text));
  auto path = std::filesystem::path(text).lexically_normal().string();
  if (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

template <auto Member>
Outcome<> set_path(Config& config, const std::string& text) {
  auto path = absolute_path(text);
  if (!path) return path.error();
  config.*Member = *path;
  return {};
}

Outcome<> add_import_directory(Config& config, const std::string& text) {
  auto path = absolute_path(text);
  if (!path) return path.error();
  config.import_directories.push_back(*path);
  return {};
}

Outcome<> set_node_name(Config& config, const std::string& text) {
  auto name = checked_name("node", text);
  if (!name) return name.error();
  config.node_name = *name;
  return {};
}

/// RFC 7143 4.2.7.4: year-month and a reversed domain name. Bounded so that a
/// target name with node and LUN of 64 bytes each stays within 223.
Outcome<> set_authority(Config& config, const std::string& text) {
  constexpr std::size_t kLongest = 89;
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  const auto month =
      text.size() > 8 && digit(5) && digit(6) ? (text[5] - '0') * 10 + text[6] - '0' : 0;
  const bool date = text.size() > 8 && digit(0) && digit(1) && digit(2) && digit(3) &&
                    text[4] == '-' && month >= 1 && month <= 12 && text[7] == '.';
  const auto domain = date ? text.substr(8) : std::string();
  const bool reversed =
      domain.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string::npos &&
      domain.find("..") == std::string::npos && domain.find_first_of(".-") != 0;
  if (!date || !reversed || domain.back() == '.' || text.size() > kLongest)
    return bad(fmt::format("\"{}\" is not YEAR-MONTH.REVERSED.DOMAIN of at most {} characters",
                           text, kLongest),
               "Name a month in which the domain was yours, for example 2026-11.com.example.");
  config.authority = text;
  return {};
}

Outcome<> set_oui(Config& config, const std::string& text) {
  std::string digits;
  for (char c : text)
    if (c != '-' && c != ':') digits += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  const bool hex = digits.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!hex || (digits.size() != 6 && !text.empty()))
    return bad(fmt::format("\"{}\" is not an OUI of 6 hexadecimal digits", text),
               "Write the one IEEE gave you, for example 00-11-22; leave it out if you have none.");
  config.oui = digits;
  return {};
}

template <class E>
struct Choice {
  std::string_view word;
  E value;
};

constexpr Choice<Engine> kEngines[] = {
    {"auto", Engine::automatic}, {"io_uring", Engine::io_uring}, {"threads", Engine::threads}};
constexpr Choice<log::Level> kLevels[] = {{"debug", log::Level::debug},
                                          {"info", log::Level::info},
                                          {"warning", log::Level::warning},
                                          {"error", log::Level::error}};

constexpr Choice<bool> kFullStores[] = {{"hosts-first", true}, {"snapshots-first", false}};

template <auto Member, const auto& Choices>
Outcome<> set_choice(Config& config, const std::string& text) {
  std::string words;
  for (const auto& choice : Choices) {
    if (choice.word == text) {
      config.*Member = choice.value;
      return {};
    }
    words += fmt::format("{}{}", words.empty() ? "" : ", ", choice.word);
  }
  return bad(fmt::format("\"{}\" is none of {}", text, words));
}

Outcome<std::uint16_t> parse_group(const std::string& text) {
  std::uint16_t tag = 0;
  if (parse_whole(text, tag) && tag != 0) return tag;
  return bad(fmt::format("\"{}\" is not a portal group tag from 1 to 65535", text));
}

/// ADDR:PORT[,TAG], as SendTargets tells it to initiators.
Outcome<> add_iscsi(Config& config, const std::string& text) {
  const auto comma = text.find(',');
  auto address = parse_address(text.substr(0, comma));
  if (!address) return address.error();
  IscsiPortal portal{std::move(*address)};
  if (comma != std::string::npos) {
    auto group = parse_group(text.substr(comma + 1));
    if (!group) return group.error();
    portal.group = *group;
  }
  if (portal.address.port != 0 &&
      std::ranges::find(config.iscsi_listen, portal.address, &IscsiPortal::address) !=
          config.iscsi_listen.end())
    return bad(fmt::format("{} is there twice", portal.address.to_string()));
  config.iscsi_listen.push_back(std::move(portal));
  return {};
}

/// TARGET=TAG[,TAG...]
Outcome<> add_target_groups(Config& config, const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos)
    return bad(fmt::format("\"{}\" is not TARGET=TAG[,TAG...]", text),
               "For example iqn.2026-11.io.caisson:node:disk=1,2.");
  auto target = checked_iscsi_name(text.substr(0, equals));
  if (!target) return target.error();
  std::set<std::uint16_t> tags;
  for (auto rest = text.substr(equals + 1);;) {
    const auto comma = rest.find(',');
    auto tag = parse_group(rest.substr(0, comma));
    if (!tag) return tag.error();
    tags.insert(*tag);
    if (comma == std::string::npos) break;
    rest.erase(0, comma + 1);
  }
  if (!config.target_groups.try_emplace(*target, tags.begin(), tags.end()).second)
    return bad(fmt::format("{} is there twice", *target));
  return {};
}

void clear_target_groups(Config& config) { config.target_groups.clear(); }

void clear_iscsi(Config& config) {
  config.iscsi_listen.clear();
  config.iscsi_listen_is_default = false;
}

void clear_import_directories(Config& config) { config.import_directories.clear(); }

using C = Config;

constexpr Key kKeys[] = {
    {"state_directory", Kind::text, "/var/lib/caisson", "--state", "DIR", true,
     "Where the catalog and its daily copies live; holds secrets.", set_path<&C::state_directory>,
     nullptr},
    {"run_directory", Kind::text, "/run/caisson", "--run", "DIR", true,
     "Where the control socket is made; with --state and without this one, that directory.",
     set_path<&C::run_directory>, nullptr},
    {"control_socket", Kind::text, "", "--control-socket", "PATH", false,
     "The control socket; caisson.sock in the run directory if left out.",
     set_path<&C::control_socket>, nullptr},
    {"node_name", Kind::text, "", "--node-name", "NAME", false,
     "This node in the names of new targets; the host name, reduced to a name, if left out.",
     set_node_name, nullptr},
    {"authority", Kind::text, "2026-11.io.caisson", "--authority", "YEAR-MONTH.DOMAIN", false,
     "The naming authority in the names of new targets.", set_authority, nullptr},
    {"oui", Kind::text, "", "--oui", "HEX", false,
     "The IEEE company id in the identifiers of new LUNs; without one they are locally assigned.",
     set_oui, nullptr},
    {"import_directories", Kind::texts, "", "--import-dir", "DIR", false,
     "Directories below which lun import may read raw images.", add_import_directory,
     clear_import_directories},
    {"io_threads", Kind::number, "0", "--io-threads", "N", false,
     "Threads that carry connections and file I/O; 0 is one per core.",
     set_number<&C::io_threads, 0, 256>, nullptr},
    {"engine", Kind::text, "auto", "--engine", "auto|io_uring|threads", false,
     "What moves file I/O; auto takes io_uring where the kernel allows it.",
     set_choice<&C::engine, kEngines>, nullptr},
    {"log_level", Kind::text, "info", "--log-level", "debug|info|warning|error", true,
     "The least important lines that are still logged.", set_choice<&C::log_level, kLevels>,
     nullptr},
    {"daily_copies", Kind::number, "7", "--daily-copies", "N", false,
     "Daily copies of the catalog that are kept; 0 makes none.",
     set_number<&C::daily_copies, 0, 3650>, nullptr},
    {"wipe_rate", Kind::number, "0", "--wipe-rate", "MIB", false,
     "MiB per second that SANITIZE of one LUN may write; 0 is as fast as it goes.",
     set_number<&C::wipe_rate, 0, 1048576>, nullptr},
    {"snapshot_full_store", Kind::text, "hosts-first", "--snapshot-full-store",
     "hosts-first|snapshots-first", false,
     "What goes when a store is full: the snapshots, or the writes that they do not permit.",
     set_choice<&C::snapshot_hosts_first, kFullStores>, nullptr},
    {"snapshot_pace", Kind::number, "3", "--snapshot-pace", "N", false,
     "How far background work of snapshots gives way to hosts; 0 is not at all.",
     set_number<&C::snapshot_pace, 0, 100>, nullptr},
    {"iscsi.listen", Kind::texts, "0.0.0.0:3260 [::]:3260", "--iscsi", "ADDR:PORT[,TAG]", true,
     "An address for iSCSI and its portal group (1); port 0 is any free one.", add_iscsi,
     clear_iscsi},
    {"iscsi.target_groups", Kind::texts, "", "--target-groups", "TARGET=TAG[,TAG...]", false,
     "A target that is reached through these portal groups only.", add_target_groups,
     clear_target_groups},
    {"iscsi.login_timeout", Kind::seconds, "15", "--login-timeout", "SECONDS", false,
     "A connection that has not logged in after so long is closed.",
     set_seconds<&C::login_timeout, 15>, nullptr},
    {"iscsi.nop_interval", Kind::seconds, "15", "--nop-interval", "SECONDS", false,
     "A silent initiator is asked for a sign of life after so long.",
     set_seconds<&C::nop_interval, 3600>, nullptr},
    {"iscsi.nop_timeout", Kind::seconds, "15", "--nop-timeout", "SECONDS", false,
     "A connection that does not give that sign within so long is dropped.",
     set_seconds<&C::nop_timeout, 3600>, nullptr},
    {"iscsi.drain_timeout", Kind::seconds, "10", "--drain-timeout", "SECONDS", false,
     "How long stopping waits for initiators that were asked to log out.",
     set_seconds<&C::drain_timeout, 600>, nullptr},
    {"iscsi.max_connections", Kind::number, "8192", "--max-connections", "N", false,
     "Connections in all; further ones are closed at once.",
     set_number<&C::max_connections, 1, 1000000>, nullptr},
    {"iscsi.max_half_logins", Kind::number, "1024", "--max-half-logins", "N", false,
     "Connections that may be in login at the same time.",
     set_number<&C::max_half_logins, 1, 1000000>, nullptr},
    {"iscsi.max_half_logins_per_address", Kind::number, "512", "--max-half-logins-per-address", "N",
     false, "The same for one peer address.",
     set_number<&C::max_half_logins_per_address, 1, 1000000>, nullptr},
};

Outcome<> set_directory(StoreConfig& store, const std::string& text) {
  auto path = absolute_path(text);
  if (!path) return path.error();
  store.directory = *path;
  return {};
}

Outcome<> set_import_allowed(StoreConfig& store, const std::string& text) {
  store.import_allowed = text == "true";
  return {};
}

constexpr StoreKey kStoreKeys[] = {
    {"directory", Kind::text, "The directory that holds the store's containers.", set_directory},
    {"import_allowed", Kind::boolean, "Whether lun import may read raw images below it.",
     set_import_allowed},
};

constexpr PlainFlag kPlainFlags[] = {
    {"--config", "FILE", "Read this file instead of /etc/caisson/caissond.toml."},
    {"--store", "NAME=DIR", "Serve the directory as a store; may be repeated."},
    {"--help", "", "Print the common flags."},
    {"--help-all", "", "Print every flag."},
    {"--version", "", "Print the version."},
};

}  // namespace

std::span<const Key> keys() noexcept { return kKeys; }
std::span<const StoreKey> store_keys() noexcept { return kStoreKeys; }
std::span<const PlainFlag> plain_flags() noexcept { return kPlainFlags; }

Outcome<> add_store(Config& config, const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos)
    return bad(fmt::format("\"{}\" is not NAME=DIRECTORY", text), "For example main=/srv/caisson.");
  auto name = checked_name("store", text.substr(0, equals));
  if (!name) return name.error();
  auto found = std::ranges::find(config.stores, *name, &StoreConfig::name);
  if (found == config.stores.end()) {
    config.stores.push_back({.name = *name});
    found = std::prev(config.stores.end());
  }
  return set_directory(*found, text.substr(equals + 1));
}

}  // namespace caisson::config
