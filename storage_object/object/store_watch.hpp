// SPDX-License-Identifier: Apache-2.0
// Looks at every store again and again, beside each other: one whose
// file system hangs delays no other.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "storage_object/base/control_threads.hpp"

namespace caisson::object {

class StoreWatch {
 public:
  using Names = std::function<std::vector<std::string>()>;     ///< does not block
  using Look = std::function<void(const std::string& store)>;  ///< may

  /// The first look is `interval` from now.
  StoreWatch(std::chrono::milliseconds interval, Names names, Look look);
  /// stop(), then waits for the looks under way.
  ~StoreWatch();
  StoreWatch(const StoreWatch&) = delete;
  StoreWatch& operator=(const StoreWatch&) = delete;

  /// No look begins any more. Waits for none.
  void stop();
  /// After stop(): the stores that are still being looked at.
  std::vector<std::string> busy() const;
  /// After stop(), once: waits for the looks under way, however long that takes.
  void wait() { looking_.stop(); }

 private:
  struct Place {
    std::atomic<bool> busy = false;
    std::shared_ptr<ControlLane> lane = std::make_shared<ControlLane>();
  };

  void run(std::chrono::milliseconds interval);

  const Names names_;
  const Look look_;
  std::mutex mutex_;  // guards stopping_
  std::condition_variable wake_;
  bool stopping_ = false;
  std::map<std::string, Place> places_;  // of thread_
  ControlThreads looking_;               // its work knows the places
  std::thread thread_;
};

}  // namespace caisson::object
