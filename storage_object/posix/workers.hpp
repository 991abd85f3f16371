// SPDX-License-Identifier: Apache-2.0
// Threads that perform operations by blocking calls for one engine, and the
// list on which what they finished comes back to the engine's thread.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "storage_object/posix/file_engine.hpp"

namespace caisson::posix {

class Workers {
 public:
  /// `wake` is signalled when something was finished. Threads start with the
  /// first operation.
  Workers(unsigned threads, const EventDescriptor& wake) : threads_wanted_(threads), wake_(wake) {}
  /// Performs what is queued, then ends the threads.
  ~Workers();

  /// Hands over everything in `batch`. Engine's thread only.
  void submit(OperationQueue& batch);
  /// Everything finished since the last call.
  OperationQueue finished();

 private:
  void run();

  const unsigned threads_wanted_;
  const EventDescriptor& wake_;
  std::mutex mutex_;
  std::condition_variable work_;
  OperationQueue queued_;
  OperationQueue finished_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace caisson::posix
