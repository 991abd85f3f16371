// SPDX-License-Identifier: Apache-2.0
// A pacer that a test steps by hand: nothing comes due before it says so.
#pragma once

#include <map>
#include <mutex>

#include "snapshot/chain/pacer.hpp"

namespace caisson::tests {

class SteppedPacer final : public snapshot::Pacer {
 public:
  void at(Clock::time_point when, std::function<void()> job) override {
    std::lock_guard lock(mutex_);
    jobs_.emplace(when, std::move(job));
  }
  /// Calls the job that is due first, whenever that is; false: there is none.
  bool run_one() {
    std::function<void()> job;
    {
      std::lock_guard lock(mutex_);
      if (jobs_.empty()) return false;
      job = std::move(jobs_.begin()->second);
      jobs_.erase(jobs_.begin());
    }
    job();
    return true;
  }
  std::size_t waiting() const {
    std::lock_guard lock(mutex_);
    return jobs_.size();
  }
  /// When the first one is due; max(): there is none.
  Clock::time_point due() const {
    std::lock_guard lock(mutex_);
    return jobs_.empty() ? Clock::time_point::max() : jobs_.begin()->first;
  }

 private:
  mutable std::mutex mutex_;
  std::multimap<Clock::time_point, std::function<void()>> jobs_;
};

}  // namespace caisson::tests
