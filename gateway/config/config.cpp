// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/config.hpp"

#include <fmt/format.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::config {
namespace {

Failure bad(std::string message, std::string remedy) {
  return failure(Errc::invalid_argument, std::move(message), std::move(remedy));
}

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

/// True when `path` is `directory` or below it; both in normal form.
bool is_within(const std::string& path, const std::string& directory) {
  if (directory == "/") return true;
  return path == directory || path.starts_with(directory + "/");
}

Outcome<> check_store(const Config& config, const StoreConfig& store) {
  if (store.directory.empty())
    return bad(fmt::format("store {} has no directory", store.name),
               fmt::format("Add directory = \"/…\" below [stores.{}].", store.name));
  if (is_within(config.state_directory, store.directory))
    return bad(fmt::format("the state directory {} lies in store {} ({})", config.state_directory,
                           store.name, store.directory),
               "It holds secrets, and a store may be shared: put one of them elsewhere.");
  for (const auto& other : config.stores)
    if (other.name != store.name && is_within(store.directory, other.directory))
      return bad(fmt::format("store {} ({}) lies in store {} ({})", store.name, store.directory,
                             other.name, other.directory),
                 "Give each store a directory of its own.");
  return {};
}

/// A target that no portal leads to would be out of reach without a word.
Outcome<> check_groups(const Config& config) {
  for (const auto& [target, tags] : config.target_groups)
    for (auto tag : tags)
      if (std::ranges::find(config.iscsi_listen, tag, &IscsiPortal::group) ==
          config.iscsi_listen.end())
        return bad(fmt::format("target {} is to be reached through portal group {}, in which "
                               "there is no portal",
                               target, tag),
                   fmt::format("Add a portal ADDR:PORT,{} to iscsi.listen.", tag));
  return {};
}

}  // namespace

std::string node_name_from(std::string_view host_name) {
  constexpr std::size_t kLongest = 64;
  std::string name;
  for (char c : host_name.substr(0, kLongest)) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (c == '.' && (name.empty() || name.back() == '.')) continue;
    if (!plain && name.empty()) continue;
    name += plain || c == '.' ? c : '-';
  }
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return valid_name(name) ? name : "caisson";
}

Outcome<> check(Config& config) {
  constexpr auto kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (config.node_name.empty()) config.node_name = node_name_from(host_name());
  if (config.control_socket.size() > kLongest)
    return bad(fmt::format("the path of the control socket {} is longer than {} bytes",
                           config.control_socket, kLongest),
               "Name a shorter one with --control-socket or control_socket.");
  if (auto grouped = check_groups(config); !grouped) return grouped;
  std::ranges::sort(config.stores, {}, &StoreConfig::name);
  for (const auto& store : config.stores)
    if (auto checked = check_store(config, store); !checked) return checked.error();
  return {};
}

}  // namespace caisson::config
