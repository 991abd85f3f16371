// SPDX-License-Identifier: Apache-2.0
// Per-thread free lists for the small objects that live as long as one I/O.
#pragma once

#include <memory>
#include <vector>

namespace caisson {

/// Objects of T kept for reuse by the thread that released them. An acquired
/// object keeps what its last user left in it: set every field you use.
template <class T>
class PerThreadPool {
 public:
  static T* acquire() {
    auto& free = list();
    if (free.empty()) return new T();
    auto* object = free.back().release();
    free.pop_back();
    return object;
  }
  static void release(T* object) {
    std::unique_ptr<T> owned(object);
    auto& free = list();
    if (free.size() < kKept) free.push_back(std::move(owned));
  }

 private:
  static constexpr std::size_t kKept = 1024;
  static std::vector<std::unique_ptr<T>>& list() {
    thread_local std::vector<std::unique_ptr<T>> free;
    return free;
  }
};

}  // namespace caisson
