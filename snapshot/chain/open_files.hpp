// SPDX-License-Identifier: Apache-2.0
// Images that are open for reading: a few of them, however many snapshots there are.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "storage_object/base/uuid.hpp"
#include "storage_object/file_store/file.hpp"

namespace caisson::snapshot {

/// Thread-safe. Those that were asked for last stay open.
class OpenFiles {
 public:
  static constexpr std::size_t kMost = 32;

  /// nullptr: it is not open.
  std::shared_ptr<file_store::File> find(const Uuid& snapshot) {
    std::lock_guard lock(mutex_);
    for (auto at = files_.begin(); at != files_.end(); ++at)
      if (at->first == snapshot) {
        files_.splice(files_.begin(), files_, at);
        return at->second;
      }
    return nullptr;
  }
  void keep(const Uuid& snapshot, std::shared_ptr<file_store::File> file) {
    std::lock_guard lock(mutex_);
    files_.emplace_front(snapshot, std::move(file));
    if (files_.size() > kMost) files_.pop_back();
  }
  void drop(const Uuid& snapshot) {
    std::lock_guard lock(mutex_);
    files_.remove_if([&](const auto& one) { return one.first == snapshot; });
  }

 private:
  std::mutex mutex_;
  std::list<std::pair<Uuid, std::shared_ptr<file_store::File>>> files_;
};

}  // namespace caisson::snapshot
