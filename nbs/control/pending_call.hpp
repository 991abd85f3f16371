// SPDX-License-Identifier: Apache-2.0
// A verb on its way through the service: where other threads leave its news
// for the connection that waits.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>

#include "nbs/control/control_service.hpp"

namespace caisson::nbs::control {

struct CallNews {
  struct Step {
    std::uint64_t done = 0;
    std::uint64_t total = 0;
  };
  std::optional<Step> step;
  std::optional<ControlReply> reply;
};

/// Shared by the connection (control thread) and the verb (any thread).
class PendingCall {
 public:
  /// `notify` is called on the verb's threads whenever there is news to take,
  /// never after abandon() returned.
  explicit PendingCall(std::function<void()> notify) : notify_(std::move(notify)) {}

  /// The verb's end; the first call counts.
  void finish(ControlReply reply);

  /// The verb's progress; at most ten a second and the last one are passed on.
  void progress(std::uint64_t done, std::uint64_t total);

  /// What came since the last take().
  CallNews take();

  /// Nobody waits any more: whatever comes is dropped.
  void abandon();

 private:
  std::mutex mutex_;
  std::function<void()> notify_;
  CallNews news_;
  bool finished_ = false;
  std::chrono::steady_clock::time_point last_step_{};
};

}  // namespace caisson::nbs::control
