// SPDX-License-Identifier: Apache-2.0
#include "nbs/control/unix_socket.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "nbs/control/peer.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::nbs::control {
namespace {

constexpr mode_t kMode = 0660;
constexpr std::string_view kSuffix = ".new";

Failure system_failure(const std::string& path, std::string_view doing) {
  Error code(errno, boost::system::system_category());
  return {code, fmt::format("control socket {}: cannot {}: {}", path, doing, code.message()),
          "name a directory that caissond may write to"};
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

template <int (*call)(int, const sockaddr*, socklen_t)>
int with_address(int socket, const std::string& path) {
  auto address = address_of(path);
  return call(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

/// Succeeds when `path` may be taken: nothing there, or a socket nobody serves.
Outcome<> check_free(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return {};
    return system_failure(path, "look at it");
  }
  if (!S_ISSOCK(found.st_mode))
    return failure(Errc::in_use, fmt::format("control socket {}: something else is there", path),
                   "move it away or name another path");
  int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return system_failure(path, "make a socket");
  bool refused = with_address<::connect>(probe, path) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  if (refused) return {};
  return failure(Errc::in_use, fmt::format("control socket {}: a gateway listens there", path),
                 "stop it, or give this one a state directory of its own");
}

/// Binds, protects and listens under a name that nobody looks for.
Outcome<> prepare(int socket, const std::string& path, const std::string& group, int backlog) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_failure(path, "remove it");
  if (with_address<::bind>(socket, path) != 0) return system_failure(path, "bind it");
  if (auto gid = group_id(group); gid && ::lchown(path.c_str(), -1, *gid) != 0 && errno != EPERM)
    return system_failure(path, "give it to group " + group);
  if (::chmod(path.c_str(), kMode) != 0) return system_failure(path, "set its mode");
  if (::listen(socket, backlog) != 0) return system_failure(path, "listen on it");
  return {};
}

}  // namespace

Outcome<UnixListener> UnixListener::open(const std::string& path, const std::string& group,
                                         int backlog) {
  const std::string temporary = path + std::string(kSuffix);
  if (path.empty() || temporary.size() >= sizeof(sockaddr_un::sun_path))
    return failure(Errc::invalid_argument,
                   fmt::format("control socket '{}': the path must have 1 to {} characters", path,
                               sizeof(sockaddr_un::sun_path) - kSuffix.size() - 1),
                   "name a shorter run directory");
  if (auto free = check_free(path); !free) return free.error();
  int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return system_failure(path, "make a socket");
  UnixListener listener(path, socket);
  if (auto ready = prepare(socket, temporary, group, backlog); !ready) {
    ::unlink(temporary.c_str());
    return ready.error();
  }
  struct stat mine {};
  if (::lstat(temporary.c_str(), &mine) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) {
    auto error = system_failure(path, "name it");
    ::unlink(temporary.c_str());
    return error;
  }
  listener.device_ = mine.st_dev;
  listener.inode_ = mine.st_ino;
  return listener;
}

UnixListener::UnixListener(std::string path, int descriptor)
    : path_(std::move(path)), descriptor_(descriptor) {}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)),
      device_(other.device_),
      inode_(std::exchange(other.inode_, 0)) {}

UnixListener::~UnixListener() {
  if (descriptor_ >= 0) ::close(descriptor_);
  struct stat found {};
  if (inode_ != 0 && ::lstat(path_.c_str(), &found) == 0 && found.st_dev == device_ &&
      found.st_ino == inode_)
    ::unlink(path_.c_str());
}

int UnixListener::release_descriptor() noexcept { return std::exchange(descriptor_, -1); }

}  // namespace caisson::nbs::control
