// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "gateway/scsi/nexus.hpp"

namespace caisson::scsi {

struct SessionRegistry::State {
  mutable std::mutex mutex;
  std::map<std::uint64_t, std::shared_ptr<SessionHandle>> sessions;  // guarded by mutex
  std::atomic<std::uint64_t> last_id = 0;

  /// Handles are called without the lock: they may remove themselves.
  std::vector<std::shared_ptr<SessionHandle>> snapshot() const {
    std::lock_guard lock(mutex);
    std::vector<std::shared_ptr<SessionHandle>> handles;
    for (const auto& [id, handle] : sessions) handles.push_back(handle);
    return handles;
  }
};

SessionRegistry::SessionRegistry() : state_(std::make_shared<State>()) {}

void SessionRegistry::add(std::uint64_t id, std::shared_ptr<SessionHandle> session) {
  std::lock_guard lock(state_->mutex);
  state_->sessions.insert_or_assign(id, std::move(session));
}

void SessionRegistry::remove(std::uint64_t id) {
  std::shared_ptr<SessionHandle> removed;  // destroyed after the lock is gone
  std::lock_guard lock(state_->mutex);
  if (auto at = state_->sessions.find(id); at != state_->sessions.end()) {
    removed = std::move(at->second);
    state_->sessions.erase(at);
  }
}

std::vector<SessionView> SessionRegistry::list() const {
  std::vector<SessionView> views;
  for (const auto& handle : state_->snapshot()) views.push_back(handle->view());
  return views;
}

bool SessionRegistry::drop(std::uint64_t id, std::string reason) {
  std::shared_ptr<SessionHandle> handle;
  {
    std::lock_guard lock(state_->mutex);
    auto at = state_->sessions.find(id);
    if (at == state_->sessions.end()) return false;
    handle = at->second;
  }
  handle->drop(std::move(reason));
  return true;
}

void SessionRegistry::refresh_all() {
  for (const auto& handle : state_->snapshot()) handle->refresh();
}

std::uint64_t SessionRegistry::next_id() noexcept {
  return state_->last_id.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace caisson::scsi
