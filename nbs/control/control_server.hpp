// SPDX-License-Identifier: Apache-2.0
// Serves the control verbs over a Unix socket: framing, HELLO, peer
// credentials, the role check, progress, limits. The verbs themselves are the
// ControlService's.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "nbs/control/control_service.hpp"
#include "nbs/control/peer.hpp"
#include "storage_object/base/result.hpp"

namespace boost::asio {
class io_context;
}

namespace caisson::nbs::control {

struct ControlServerOptions {
  std::string path;               ///< of the socket
  std::string node;               ///< this gateway's name, told in HELLO
  std::string software;           ///< "caissond 0.1.0"
  std::string group = "caisson";  ///< whose members are operators

  std::size_t max_connections = 1024;
  std::size_t max_operator_connections = 768;  ///< so that an admin always gets in
  std::chrono::milliseconds hello_timeout{5'000};
  std::chrono::milliseconds frame_timeout{30'000};  ///< to finish a frame, to take a reply
  std::chrono::milliseconds idle_timeout{600'000};  ///< between requests

  /// Decides who a peer is; empty: role_of() with `group`.
  std::function<std::optional<wire::Role>(const PeerCredentials&)> authorize;
};

/// All of it runs on the one thread that runs the io_context handed in; start()
/// and stop() are called there or while it does not run. Requests of one
/// connection run one after the other, connections beside each other. Whoever
/// waits for a long verb holds up nobody else.
class ControlServer {
 public:
  virtual ~ControlServer() = default;

  /// `service` and `context` outlive the server.
  static std::unique_ptr<ControlServer> make(boost::asio::io_context& context,
                                             ControlService& service, ControlServerOptions options);

  /// Opens the socket and begins to accept. Failures as UnixListener::open.
  virtual Outcome<> start() = 0;

  /// Closes the socket and every connection and removes the socket's name.
  /// Verbs still running end unheard; their `done` and Progress may be called
  /// after the server and the io_context are gone.
  virtual void stop() = 0;

  /// Connections open now.
  virtual std::size_t connections() const noexcept = 0;
};

}  // namespace caisson::nbs::control
