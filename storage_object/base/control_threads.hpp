// SPDX-License-Identifier: Apache-2.0
// Threads for work that blocks on files and that an I/O thread must not do itself.
// A file may never answer: what waits for it holds up its own lane and no other.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace caisson {

class ControlThreads;

/// Whose work runs in the order it was posted, one after the other.
class ControlLane {
  friend ControlThreads;
  std::deque<std::function<void()>> queue_;
  bool running_ = false;
};

/// A few threads where work does end; one more whenever all of them have waited for a
/// while and another lane has work. As many stay as once were needed. Work does not
/// throw.
class ControlThreads {
 public:
  ControlThreads();
  ~ControlThreads();  ///< stop()
  ControlThreads(const ControlThreads&) = delete;
  ControlThreads& operator=(const ControlThreads&) = delete;

  /// From any thread; does not block on files. False, without effect, after stop().
  bool post(const std::shared_ptr<ControlLane>& lane, std::function<void()> work);
  /// Returns when everything posted to the lane before it has run, at once after stop().
  /// Not from its own work.
  void drain(const std::shared_ptr<ControlLane>& lane);
  /// Takes no more work, runs what is left and waits for it, however long that takes.
  void stop();

 private:
  void run();
  void add_thread();  // under mutex_
  bool others_progress(std::unique_lock<std::mutex>& lock);
  void run_one(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;                                // guards what follows, and what the lanes hold
  std::deque<std::shared_ptr<ControlLane>> ready_;  // each has work and does not run
  std::size_t busy_ = 0;
  std::size_t ended_ = 0;  // how many works have
  bool stopping_ = false;
  std::condition_variable wake_;
  std::vector<std::thread> threads_;  // one more than busy_ at least, if the system allows
};

}  // namespace caisson
