// SPDX-License-Identifier: Apache-2.0
// Threads that make the buffered writes of one engine. A thread works for one
// file at a time, so a file that hangs holds up nobody else's writes, and takes
// whatever has gathered for that file in one go.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>

#include "storage_object/posix/workers.hpp"

namespace caisson::posix {

class FolioSplitter;

class Writers {
 public:
  /// `wake` is signalled when something was finished that nobody has collected
  /// yet. Threads start with their first write.
  explicit Writers(const EventDescriptor& wake, ThreadStart start = start_thread)
      : wake_(wake), start_(std::move(start)) {}
  /// Performs what is queued, then ends the threads.
  ~Writers();
  Writers(const Writers&) = delete;
  Writers& operator=(const Writers&) = delete;

  // Engine's thread only.

  /// Takes the operation, to be handed over by submit(). False: every thread is
  /// busy with another file.
  bool take(Operation& operation) noexcept;
  /// Hands over what was taken. What finds no thread, because none can be started,
  /// is put into `refused` and not taken any more.
  void submit(OperationQueue& refused) noexcept;
  /// Everything finished since the last call.
  OperationQueue finished();
  /// Operations taken and not yet returned by finished().
  unsigned in_flight() const noexcept { return in_flight_; }

 private:
  struct Lane {
    // The engine's thread alone.
    const Descriptor* file = nullptr;  ///< the last one; while owed != 0 the only one
    unsigned owed = 0;
    OperationQueue batch;
    std::thread thread;
    int processor = -1;
    // Under the mutex.
    std::mutex mutex;
    std::condition_variable work;
    OperationQueue queued;
    bool sleeping = false;
    bool stopping = false;
  };

  bool has_thread(Lane& lane) noexcept;
  void give_back(Lane& lane, OperationQueue& refused) noexcept;
  void run(Lane& lane);
  static void stay_beside(Lane& lane);
  void write(OperationQueue& batch, FolioSplitter& splitter);
  void publish(OperationQueue& done);
  static constexpr std::size_t kLanes = 4;

  const EventDescriptor& wake_;
  const ThreadStart start_;
  std::array<Lane, kLanes> lanes_;
  unsigned in_flight_ = 0;
  std::mutex finished_mutex_;
  OperationQueue finished_;
};

}  // namespace caisson::posix
