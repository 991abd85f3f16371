// SPDX-License-Identifier: Apache-2.0
// What caissond was told, checked: the flags over the file over the defaults.
// Nothing here opens a socket, makes a directory or reads a secret.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "storage_object/base/address.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::config {

/// What moves file I/O.
enum class Engine : std::uint8_t {
  automatic,  ///< io_uring, or threads where the kernel forbids that
  io_uring,   ///< fails at start if forbidden
  threads,
};

/// Where to listen for iSCSI, and in which portal group.
struct IscsiPortal {
  Address address;
  std::uint16_t group = 1;  ///< target portal group tag, never 0
  bool operator==(const IscsiPortal&) const = default;
};

struct StoreConfig {
  std::string name;
  std::string directory;        ///< absolute
  bool import_allowed = false;  ///< `lun import` may read raw images below it
  bool operator==(const StoreConfig&) const = default;
};

/// Paths are absolute and in normal form. Keys of caissond.toml(5), in the
/// order of that page; each is described there and in keys().
struct Config {
  std::string state_directory = "/var/lib/caisson";
  std::string run_directory = "/run/caisson";
  std::string control_socket = "/run/caisson/caisson.sock";
  std::string node_name;  ///< never empty after check()
  std::string authority = "2026-11.io.caisson";
  std::string oui;  ///< 6 lower-case hex digits; empty: none, NAA type 3
  std::vector<std::string> import_directories;
  unsigned io_threads = 0;  ///< 0: one per core
  Engine engine = Engine::automatic;
  log::Level log_level = log::Level::info;
  unsigned daily_copies = 7;  ///< of the catalog; 0: none are made
  unsigned wipe_rate = 0;     ///< MiB per second of formatting or sanitizing a LUN; 0: no limit
  bool snapshot_hosts_first = true;  ///< a full store takes snapshots, not hosts' writes
  unsigned snapshot_pace = 3;        ///< how far background work gives way to hosts

  std::vector<IscsiPortal> iscsi_listen = {{{"0.0.0.0", 3260}}, {{"::", 3260}}};
  /// The addresses are the defaults: one whose family the machine lacks is
  /// skipped. An address somebody wrote must work or the start fails.
  bool iscsi_listen_is_default = true;
  /// Targets reached through these portal groups only, by name; ascending tags.
  std::map<std::string, std::vector<std::uint16_t>> target_groups;
  std::chrono::milliseconds login_timeout{15000};
  std::chrono::milliseconds nop_interval{15000};
  std::chrono::milliseconds nop_timeout{15000};
  std::chrono::milliseconds drain_timeout{10000};
  unsigned max_connections = 8192;
  unsigned max_half_logins = 1024;
  unsigned max_half_logins_per_address = 512;

  std::vector<StoreConfig> stores;  ///< ascending by name
  /// Between two looks at a store. No key sets it; tests do.
  std::chrono::milliseconds watch_interval{5000};

  /// Text that --help, --help-all or --version asks for; the program prints it
  /// to standard output and ends with 0. Empty otherwise.
  std::string answer;

  bool operator==(const Config&) const = default;
};

inline constexpr std::string_view kDefaultConfigFile = "/etc/caisson/caissond.toml";

/// Everything caissond needs to know before it starts. Reads the file that
/// `--config` names (it must exist), or else `default_file` if it exists.
/// Errors: Errc::invalid_argument with the flag or FILE:LINE and the key (the
/// program ends with 2), not_found or io_error for an unreadable file.
Outcome<Config> parse_command_line(
    int argc, const char* const* argv,
    const std::string& default_file = std::string(kDefaultConfigFile));

/// Applies a TOML document over `config`. `source` is its name in messages.
Outcome<> apply_toml(std::string_view text, const std::string& source, Config& config);

/// The same for a file.
Outcome<> apply_file(const std::string& path, Config& config);

/// Fills in what follows from the rest (control socket, node name) and refuses
/// what cannot be together.
Outcome<> check(Config& config);

/// `host_name` with every character that a name may not have replaced by "-",
/// lower case, at most 64; "caisson" if nothing is left.
std::string node_name_from(std::string_view host_name);

}  // namespace caisson::config
