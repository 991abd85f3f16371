// SPDX-License-Identifier: Apache-2.0
// When background work of chains takes its next step.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace caisson::snapshot {

/// Calls each job once, at its time or soon after, on a thread of the pacer's own:
/// jobs post to a lane and do not block. Thread-safe.
class Pacer {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~Pacer() = default;
  virtual void at(Clock::time_point when, std::function<void()> job) = 0;
};

/// The one that serves: one thread for all chains.
class TimedPacer final : public Pacer {
 public:
  TimedPacer();
  ~TimedPacer() override;  ///< what has not come due is dropped
  void at(Clock::time_point when, std::function<void()> job) override;

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::multimap<Clock::time_point, std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace caisson::snapshot
