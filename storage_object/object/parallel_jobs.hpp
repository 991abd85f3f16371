// SPDX-License-Identifier: Apache-2.0
// Work that blocks on files, some of which may never answer: what hangs must not
// keep the rest from being done, nor the caller for ever.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace caisson::object {

/// Where the system has no thread for them the caller of wait() does them himself.
/// Begins with one thread, so that quick jobs run in order; while jobs wait it takes
/// more, and while none ends ever more, up to one a job. Jobs do not throw.
class ParallelJobs {
 public:
  explicit ParallelJobs(std::vector<std::function<void()>> jobs);
  /// Begins no more jobs and waits for those that run, however long that takes. A
  /// process that cannot wait ends without it.
  ~ParallelJobs();
  ParallelJobs(const ParallelJobs&) = delete;
  ParallelJobs& operator=(const ParallelJobs&) = delete;

  /// Waits for all of them, or until `limit` has passed; once. Which have not ended,
  /// by index; those that have not begun never will.
  std::vector<std::size_t> wait(std::chrono::milliseconds limit);

 private:
  void run();
  void run_one(std::unique_lock<std::mutex>& lock);
  void add_threads(std::size_t count);  // under mutex_

  const std::vector<std::function<void()>> jobs_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable ended_;
  std::size_t next_ = 0;
  std::size_t count_ended_ = 0;
  std::vector<bool> done_;
  std::vector<std::thread> threads_;
};

}  // namespace caisson::object
