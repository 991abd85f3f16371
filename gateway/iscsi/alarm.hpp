// SPDX-License-Identifier: Apache-2.0
// One point in time at which something is called, on one I/O thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace caisson {
class IoThread;
}

namespace caisson::iscsi {

/// Of its thread alone, its destruction too; after that it does not ring.
class Alarm {
 public:
  Alarm(IoThread& thread, std::function<void()> ring);
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  /// Rings then, and not at the time set before. What is submitted and sent by
  /// then leaves at once.
  void set(std::chrono::steady_clock::time_point when);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace caisson::iscsi
