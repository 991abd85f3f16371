// SPDX-License-Identifier: Apache-2.0
// What all connections and sessions of one server share. They keep it alive;
// everything that is not atomic is behind its mutex and off the hot path.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "gateway/iscsi/options.hpp"
#include "gateway/iscsi/pdu.hpp"

namespace caisson::iscsi {

class Connection;
class Session;

/// What makes a session the same (RFC 7143 4.4.3): initiator port and target port.
struct SessionKey {
  std::string initiator;
  Isid isid{};
  std::string target;
  std::uint16_t portal_group = 1;
  auto operator<=>(const SessionKey&) const = default;
};

/// Slows down who guesses: answers to failed logins of one address leave at a
/// bounded rate, but none later than `longest`: who fails is told why.
/// Successful logins are never delayed.
class LoginThrottle {
 public:
  using Clock = std::chrono::steady_clock;

  LoginThrottle(std::size_t burst, Clock::duration interval, Clock::duration longest)
      : burst_(burst), interval_(interval), longest_(longest) {}

  /// A login from this address failed now; how long its answer must wait.
  Clock::duration failed(const std::string& address, Clock::time_point now);

 private:
  void forget_old(Clock::time_point now);

  std::size_t burst_;
  Clock::duration interval_;
  Clock::duration longest_;
  std::map<std::string, Clock::time_point> next_free_;
};

struct ServerState {
  explicit ServerState(ServerOptions o)
      : options(std::move(o)),
        groups(tags(options.portals), options.target_groups),
        throttle(options.limits.failed_login_burst, options.limits.failed_login_interval,
                 options.timers.login / 2) {}

  const ServerOptions options;
  const PortalGroups groups;
  std::atomic<bool> stopping = false;  ///< nobody gets in any more
  std::vector<Portal> bound;           ///< set before the first accept
  std::atomic<std::size_t> bytes = 0;  ///< command data, over all sessions

  /// A connection was accepted. False: a limit forbids it. May evict the oldest
  /// unfinished login of its address.
  bool admit(const std::shared_ptr<Connection>& connection, const std::string& address);
  /// It has reached the full feature phase.
  void logged_in(const Connection& connection);
  void closed(const std::shared_ptr<Connection>& connection, const std::string& address);

  LoginThrottle::Clock::duration login_failed(const std::string& address);

  /// Registers a session; if one of the same key lives, returns that instead.
  std::shared_ptr<Session> insert(const SessionKey& key, const std::shared_ptr<Session>& session);
  void remove(const SessionKey& key, const Session& session);
  /// The other sessions of the initiator of `key`, by whatever of its ports.
  std::vector<std::shared_ptr<Session>> siblings(const SessionKey& key);
  /// Of the session of this key; 0: there is none.
  std::uint16_t live_tsih(const SessionKey& key);
  /// A TSIH no live session has; 0 when all are taken.
  std::uint16_t new_tsih();
  void free_tsih(std::uint16_t tsih);

  std::vector<std::shared_ptr<Connection>> snapshot();
  std::size_t connection_count();
  /// Waits until nobody is logged in or the time is up; true when nobody is.
  bool wait_until_logged_out(std::chrono::milliseconds limit);
  /// Waits until no connection and no session is left or the time is up; true when none is.
  bool wait_until_empty(std::chrono::milliseconds limit);

 private:
  struct HalfLogin {
    std::shared_ptr<Connection> connection;
    std::string address;
  };

  static std::vector<std::uint16_t> tags(const std::vector<Portal>& portals);
  std::shared_ptr<Connection> choose_victim(const std::string& address);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<const Connection*, std::shared_ptr<Connection>> connections_;
  std::map<std::string, std::size_t> per_address_;
  std::list<HalfLogin> half_logins_;  // oldest first
  std::map<std::string, std::size_t> half_per_address_;
  std::map<SessionKey, std::shared_ptr<Session>> sessions_;
  std::vector<bool> tsihs_ = std::vector<bool>(65536);
  std::uint16_t last_tsih_ = 0;
  LoginThrottle throttle;
};

}  // namespace caisson::iscsi
