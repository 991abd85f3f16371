// SPDX-License-Identifier: Apache-2.0
// Threads that perform operations by blocking calls for one engine, and the
// list on which what they finished comes back to the engine's thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "storage_object/posix/file_engine.hpp"

namespace caisson::posix {

/// Starts a thread, or throws std::system_error where the limit of threads (of the
/// user, of the control group) is reached.
using ThreadStart = std::function<std::thread(std::function<void()>)>;
inline std::thread start_thread(std::function<void()> work) { return std::thread(std::move(work)); }

class Workers {
 public:
  /// `wake` is signalled when something was finished. The first thread starts here
  /// (std::system_error), so that there always is one; the others with the first
  /// operation, or later if they cannot.
  Workers(unsigned threads, const EventDescriptor& wake, ThreadStart start = start_thread);
  /// Performs what is queued, then ends the threads.
  ~Workers();

  /// Hands over everything in `batch`. Engine's thread only.
  void submit(OperationQueue& batch) noexcept;
  /// Everything finished since the last call.
  OperationQueue finished();

 private:
  void run();
  void start_threads() noexcept;

  const unsigned threads_wanted_;
  const EventDescriptor& wake_;
  const ThreadStart start_;
  std::mutex mutex_;
  std::condition_variable work_;
  OperationQueue queued_;
  OperationQueue finished_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace caisson::posix
