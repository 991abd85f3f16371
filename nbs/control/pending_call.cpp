// SPDX-License-Identifier: Apache-2.0
#include "nbs/control/pending_call.hpp"

#include <utility>

namespace caisson::nbs::control {
namespace {
constexpr std::chrono::milliseconds kStepInterval{100};
}

// notify_ runs under the lock, so that abandon() cannot return while it does.

void PendingCall::finish(ControlReply reply) {
  std::lock_guard lock(mutex_);
  if (std::exchange(finished_, true) || !notify_) return;
  news_.reply = std::move(reply);
  notify_();
}

void PendingCall::progress(std::uint64_t done, std::uint64_t total) {
  std::lock_guard lock(mutex_);
  if (finished_ || !notify_) return;
  auto now = std::chrono::steady_clock::now();
  if (now - last_step_ < kStepInterval && done != total) return;
  last_step_ = now;
  news_.step = {done, total};
  notify_();
}

CallNews PendingCall::take() {
  std::lock_guard lock(mutex_);
  return std::exchange(news_, {});
}

void PendingCall::abandon() {
  std::lock_guard lock(mutex_);
  notify_ = nullptr;
  news_ = {};
}

}  // namespace caisson::nbs::control
