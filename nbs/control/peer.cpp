// SPDX-License-Identifier: Apache-2.0
#include "nbs/control/peer.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace caisson::nbs::control {
namespace {

constexpr std::size_t kRecordSize = 64U << 10;  // of a user or group with all its members
constexpr int kMaxGroups = 65536;               // what Linux allows a process

std::optional<std::string> user_name(uid_t uid) {
  std::vector<char> memory(kRecordSize);
  passwd record{};
  passwd* found = nullptr;
  ::getpwuid_r(uid, &record, memory.data(), memory.size(), &found);
  if (found == nullptr) return std::nullopt;
  return std::string(found->pw_name);
}

std::vector<gid_t> groups_of(const std::string& user, gid_t primary) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  while (::getgrouplist(user.c_str(), primary, groups.data(), &count) < 0) {
    if (count <= static_cast<int>(groups.size()) || count > kMaxGroups) return {};
    groups.resize(static_cast<std::size_t>(count));
  }
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

}  // namespace

Result<PeerCredentials> credentials_of(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return Error(errno, boost::system::system_category());
  return PeerCredentials{peer.uid, peer.gid, peer.pid};
}

std::optional<gid_t> group_id(const std::string& group) {
  std::vector<char> memory(kRecordSize);
  ::group record{};
  ::group* found = nullptr;
  ::getgrnam_r(group.c_str(), &record, memory.data(), memory.size(), &found);
  if (found == nullptr) return std::nullopt;
  return found->gr_gid;
}

std::optional<wire::Role> role_of(const PeerCredentials& peer, const std::string& group) {
  if (peer.uid == 0 || peer.uid == ::geteuid()) return wire::Role::admin;
  auto wanted = group_id(group);
  if (!wanted) return std::nullopt;
  if (peer.gid == *wanted) return wire::Role::operator_;
  auto user = user_name(peer.uid);
  if (!user) return std::nullopt;
  auto groups = groups_of(*user, peer.gid);
  if (std::ranges::find(groups, *wanted) == groups.end()) return std::nullopt;
  return wire::Role::operator_;
}

}  // namespace caisson::nbs::control
