// SPDX-License-Identifier: Apache-2.0
// The medium of a removable disk: there or ejected, and who keeps it there
// (SBC-3 4.4, 5.9, 5.25). A restart loads it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>

namespace caisson::object {

/// Thread-safe. present() costs one relaxed load.
class Medium {
 public:
  bool present() const noexcept { return present_.load(std::memory_order_relaxed); }

  /// From now on, until it allows it again or is gone, this session keeps the
  /// medium where it is.
  void prevent(std::uint64_t nexus) {
    std::lock_guard lock(mutex_);
    preventing_.insert(nexus);
  }
  void allow(std::uint64_t nexus) {
    std::lock_guard lock(mutex_);
    preventing_.erase(nexus);
  }
  /// A reset of the unit: nobody keeps it any more.
  void reset() {
    std::lock_guard lock(mutex_);
    preventing_.clear();
  }

  /// False: somebody keeps it.
  bool eject() {
    std::lock_guard lock(mutex_);
    if (!preventing_.empty()) return false;
    present_.store(false, std::memory_order_relaxed);
    return true;
  }
  bool prevented() {
    std::lock_guard lock(mutex_);
    return !preventing_.empty();
  }
  /// False: it was there.
  bool load() noexcept { return !present_.exchange(true, std::memory_order_relaxed); }

 private:
  std::atomic<bool> present_{true};
  std::mutex mutex_;  // guards preventing_; eject() under it
  std::set<std::uint64_t> preventing_;
};

}  // namespace caisson::object
