// SPDX-License-Identifier: Apache-2.0
#include "nbs/client/address.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "storage_object/base/errc.hpp"

namespace caisson::nbs::client {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

Failure cannot_connect(std::string_view path, int error) {
  if (error == EACCES || error == EPERM)
    return failure(Errc::permission_denied, fmt::format("no access to the gateway at {}", path),
                   "be root or a member of group 'caisson'");
  if (error == ENOENT || error == ECONNREFUSED)
    return failure(Errc::offline, fmt::format("no gateway answers at {}", path),
                   "start caissond, or name its socket with --server unix:PATH");
  Error code(error, boost::system::system_category());
  return {code, fmt::format("cannot connect to the gateway at {}: {}", path, code.message()),
          "see caissond's log"};
}

}  // namespace

Outcome<int> open_socket(std::string_view server, std::chrono::milliseconds timeout) {
  if (!server.starts_with(kUnixPrefix)) {
    auto form = fmt::format("server '{}'", server);
    if (server.find(':') != std::string_view::npos)
      return failure(Errc::unsupported, form + ": control over TCP is not available",
                     "run caisson on the gateway with --server unix:PATH");
    return failure(Errc::invalid_argument, form + " is not an address", "write unix:PATH");
  }
  auto path = server.substr(kUnixPrefix.size());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return failure(Errc::invalid_argument,
                   fmt::format("server '{}': a socket path has 1 to {} characters", server,
                               sizeof address.sun_path - 1),
                   "name the socket by a shorter path");
  std::memcpy(address.sun_path, path.data(), path.size());
  int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return cannot_connect(path, errno);
  // Bounds connect() too, which waits while the gateway's backlog is full.
  timeval limit{timeout.count() / 1000, timeout.count() % 1000 * 1000};
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return socket;
  int error = errno;
  ::close(socket);
  return cannot_connect(path, error);
}

}  // namespace caisson::nbs::client
