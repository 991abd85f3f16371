// SPDX-License-Identifier: Apache-2.0
// A thread one can hand work to. I/O threads are executors; a request that was
// parked (a range lock, a throttle) is completed on the thread that submitted
// it by posting to that thread's executor.
#pragma once

#include <functional>

namespace caisson {

class Executor {
 public:
  virtual ~Executor() = default;

  /// Runs `work` on this executor's thread, after the caller returns. From any
  /// thread. Work posted by one thread runs in the order it was posted.
  virtual void post(std::function<void()> work) = 0;

  /// The executor of the calling thread; nullptr on control threads, where
  /// requests complete before submit returns or on whichever thread ends them.
  static Executor* current() noexcept;

 protected:
  static void set_current(Executor* executor) noexcept;
};

}  // namespace caisson
