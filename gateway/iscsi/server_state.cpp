// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/server_state.hpp"

#include <algorithm>

#include "gateway/iscsi/connection.hpp"
#include "gateway/iscsi/session.hpp"

namespace caisson::iscsi {
namespace {

constexpr std::size_t kRememberedAddresses = 4096;

void decrement(std::map<std::string, std::size_t>& counts, const std::string& key) {
  auto found = counts.find(key);
  if (found != counts.end() && --found->second == 0) counts.erase(found);
}

}  // namespace

LoginThrottle::Clock::duration LoginThrottle::failed(const std::string& address,
                                                     Clock::time_point now) {
  if (next_free_.size() >= kRememberedAddresses) forget_old(now);
  // The time at which the bucket of this address is full again.
  auto& full = next_free_[address];
  auto free = interval_ * static_cast<Clock::rep>(burst_);
  full = std::min(std::max(full, now) + interval_, now + free + longest_);
  auto debt = full - now - free;
  return std::max(debt, Clock::duration::zero());
}

void LoginThrottle::forget_old(Clock::time_point now) {
  std::erase_if(next_free_, [now](const auto& entry) { return entry.second <= now; });
  if (next_free_.size() >= kRememberedAddresses) next_free_.erase(next_free_.begin());
}

std::vector<std::uint16_t> ServerState::tags(const std::vector<Portal>& portals) {
  std::vector<std::uint16_t> tags;
  tags.reserve(portals.size());
  for (const auto& portal : portals) tags.push_back(portal.group);
  return tags;
}

bool ServerState::admit(const std::shared_ptr<Connection>& connection, const std::string& address) {
  std::shared_ptr<Connection> victim;
  {
    std::lock_guard lock(mutex_);
    const auto& limits = options.limits;
    auto mine = per_address_.find(address);
    if (connections_.size() >= limits.connections ||
        (mine != per_address_.end() && mine->second >= limits.connections_per_address))
      return false;
    victim = choose_victim(address);
    connections_.emplace(connection.get(), connection);
    ++per_address_[address];
    half_logins_.push_back({connection, address});
    ++half_per_address_[address];
  }
  if (victim) victim->drop("too many unfinished logins, this was the oldest");
  return true;
}

std::shared_ptr<Connection> ServerState::choose_victim(const std::string& address) {
  auto mine = half_per_address_.find(address);
  bool crowded =
      mine != half_per_address_.end() && mine->second >= options.limits.half_logins_per_address;
  if (!crowded && half_logins_.size() < options.limits.half_logins) return nullptr;
  auto oldest = std::ranges::find_if(
      half_logins_, [&](const HalfLogin& half) { return !crowded || half.address == address; });
  if (oldest == half_logins_.end()) return nullptr;
  auto victim = oldest->connection;
  decrement(half_per_address_, oldest->address);
  half_logins_.erase(oldest);
  return victim;
}

void ServerState::logged_in(const Connection& connection) {
  std::lock_guard lock(mutex_);
  auto found = std::ranges::find_if(
      half_logins_, [&](const HalfLogin& half) { return half.connection.get() == &connection; });
  if (found == half_logins_.end()) return;
  decrement(half_per_address_, found->address);
  half_logins_.erase(found);
}

void ServerState::closed(const std::shared_ptr<Connection>& connection,
                         const std::string& address) {
  logged_in(*connection);
  std::lock_guard lock(mutex_);
  if (connections_.erase(connection.get()) == 0) return;
  decrement(per_address_, address);
  changed_.notify_all();
}

LoginThrottle::Clock::duration ServerState::login_failed(const std::string& address) {
  std::lock_guard lock(mutex_);
  return throttle.failed(address, LoginThrottle::Clock::now());
}

std::shared_ptr<Session> ServerState::insert(const SessionKey& key,
                                             const std::shared_ptr<Session>& session) {
  std::lock_guard lock(mutex_);
  auto [at, fresh] = sessions_.try_emplace(key, session);
  return fresh ? nullptr : at->second;
}

void ServerState::remove(const SessionKey& key, const Session& session) {
  std::lock_guard lock(mutex_);
  auto found = sessions_.find(key);
  if (found == sessions_.end() || found->second.get() != &session) return;
  sessions_.erase(found);
  changed_.notify_all();
}

std::vector<std::shared_ptr<Session>> ServerState::siblings(const SessionKey& key) {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Session>> found;
  auto at = sessions_.lower_bound({.initiator = key.initiator, .target = {}, .portal_group = 0});
  for (; at != sessions_.end() && at->first.initiator == key.initiator; ++at)
    if (at->first != key) found.push_back(at->second);
  return found;
}

std::uint16_t ServerState::live_tsih(const SessionKey& key) {
  std::lock_guard lock(mutex_);
  auto found = sessions_.find(key);
  return found == sessions_.end() ? std::uint16_t{0} : found->second->tsih();
}

std::uint16_t ServerState::new_tsih() {
  std::lock_guard lock(mutex_);
  for (std::size_t tried = 0; tried < tsihs_.size(); ++tried) {
    if (++last_tsih_ == 0 || tsihs_[last_tsih_]) continue;
    tsihs_[last_tsih_] = true;
    return last_tsih_;
  }
  return 0;
}

void ServerState::free_tsih(std::uint16_t tsih) {
  std::lock_guard lock(mutex_);
  tsihs_[tsih] = false;
}

std::vector<std::shared_ptr<Connection>> ServerState::snapshot() {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [raw, connection] : connections_) all.push_back(connection);
  return all;
}

std::size_t ServerState::connection_count() {
  std::lock_guard lock(mutex_);
  return connections_.size();
}

bool ServerState::wait_until_logged_out(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [this] {
    return sessions_.empty() && connections_.size() <= half_logins_.size();
  });
}

bool ServerState::wait_until_empty(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit,
                           [this] { return connections_.empty() && sessions_.empty(); });
}

}  // namespace caisson::iscsi
