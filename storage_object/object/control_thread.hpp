// SPDX-License-Identifier: Apache-2.0
// A thread for work that blocks and that an I/O thread must not do itself.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace caisson::object {

/// Runs what is posted, in order. The destructor runs what is left, then joins.
class ControlThread {
 public:
  ControlThread();
  ~ControlThread();
  ControlThread(const ControlThread&) = delete;
  ControlThread& operator=(const ControlThread&) = delete;

  void post(std::function<void()> work);
  /// Returns when everything posted before it has run. Not from the thread itself.
  void drain();

 private:
  void run();

  std::mutex mutex_;  // guards the two below
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace caisson::object
