// SPDX-License-Identifier: Apache-2.0
// The iSCSI target (RFC 7143): listens on its portals, spreads sessions over
// the I/O threads, stops in good order.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "gateway/iscsi/options.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::iscsi {

struct ServerState;

class Server {
 public:
  explicit Server(ServerOptions options);
  /// stop(), if that has not been called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Binds all portals and begins to accept. The bound addresses, in the order
  /// of the options; or a Failure that names the portal, and nothing listens.
  Outcome<std::vector<Portal>> start();

  /// Asks every initiator to log out and waits for that up to Timers::drain;
  /// who logs in meanwhile is told 0301 (service unavailable). Then stops
  /// accepting and closes what is left. Blocks; on a control thread only.
  void stop();

  /// Connections open now, unfinished logins included.
  std::size_t connections() const;
  /// Bytes of command data held now, over all sessions.
  std::size_t bytes_held() const;

 private:
  class Acceptors;

  std::shared_ptr<ServerState> state_;
  std::shared_ptr<Acceptors> acceptors_;
};

}  // namespace caisson::iscsi
