// SPDX-License-Identifier: Apache-2.0
// What the daemon may set of the iSCSI target, with the brief's values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gateway/iscsi/parameters.hpp"
#include "gateway/iscsi/portal_groups.hpp"

namespace caisson {
class IoThread;
}
namespace caisson::scsi {
class TargetDirectory;
class SessionRegistry;
}  // namespace caisson::scsi

namespace caisson::iscsi {

/// An address to listen on, or that is listened on. IPv4 or IPv6 without
/// brackets; port 0: any.
struct Portal {
  std::string address;
  std::uint16_t port = 3260;
  std::uint16_t group = 1;  ///< target portal group tag, never 0

  /// "ADDR:PORT", IPv6 in brackets.
  std::string to_string() const;
  bool operator==(const Portal&) const = default;
};

struct Timers {
  std::chrono::milliseconds login{15'000};         ///< from accept to full feature phase
  std::chrono::milliseconds nop_interval{15'000};  ///< silence before a NOP-In
  std::chrono::milliseconds nop_timeout{15'000};   ///< more silence before the drop
  /// Task management is answered within these, even if the file hangs; a session
  /// that ends waits as long as for an abort.
  std::chrono::milliseconds abort{5'000};
  std::chrono::milliseconds unit_reset{10'000};
  std::chrono::milliseconds target_reset{15'000};
  /// A command that waits for others to leave its blocks ends BUSY within it, not
  /// before half of it.
  std::chrono::milliseconds range_wait{5'000};
  /// For how long a login waits until sessions are gone whose initiator, the same,
  /// has closed them already.
  std::chrono::milliseconds predecessors{1'000};
  std::chrono::milliseconds drain{10'000};  ///< stop(): for initiators to log out
};

/// Bounds on everything a peer can push.
struct Limits {
  std::size_t connections = 8192;
  std::size_t connections_per_address = 4096;
  /// Unfinished logins; beyond it the oldest of that address is closed.
  std::size_t half_logins = 1024;
  std::size_t half_logins_per_address = 512;
  std::size_t login_text = 16384;  ///< bytes of one request over its continuations
  std::uint32_t window = 128;      ///< commands a session may have open
  std::uint32_t immediate = 32;    ///< immediate commands beside them
  /// Data of open commands, unsent answers included. Above `session_bytes`
  /// commands wait their turn; above the hard limits they end TASK SET FULL.
  std::size_t session_bytes = std::size_t{64} << 20;
  std::size_t session_bytes_hard = std::size_t{256} << 20;
  std::size_t total_bytes = std::size_t{1} << 30;
  std::size_t control_backlog = 512;  ///< unsent answers that carry no command's status
  /// Bodies of pings and texts of a session, on their way in, held and unsent.
  /// They are part of `total_bytes`; beyond either the session ends.
  std::size_t control_bytes = std::size_t{2} << 20;
  /// A text answer of a session that waits to be asked for; as above.
  std::size_t answer_bytes = std::size_t{16} << 20;
  /// Answers to failed logins of one address: so many at once, then one in
  /// each `failed_login_interval`, but each within half of Timers::login.
  std::size_t failed_login_burst = 10;
  std::chrono::milliseconds failed_login_interval{1000};
};

struct ServerOptions {
  std::vector<Portal> portals;
  std::vector<IoThread*> threads;  ///< outlive the server
  const scsi::TargetDirectory* directory = nullptr;
  scsi::SessionRegistry* sessions = nullptr;
  TargetGroups target_groups;  ///< of targets not reached through every portal group
  TargetOffer offer;
  Timers timers;
  Limits limits;
};

}  // namespace caisson::iscsi
