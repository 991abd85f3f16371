// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/thread_pool_engine.hpp"

#include "storage_object/posix/syscalls.hpp"

namespace caisson::posix {
namespace {
constexpr int kRounds = 4;  // then other work of the thread gets its turn
}

void ThreadPoolEngine::enqueue(Operation& operation) {
  queued_.push(operation);
  ++in_flight_;
}

std::size_t ThreadPoolEngine::submit_and_reap() {
  if (reaping_) return 0;  // a completion flushed: the loop below goes on
  Reaping reaping(reaping_);
  std::size_t completed = 0;
  for (int round = 0; round < kRounds; ++round) {
    completed += hand_over();
    completed += reap();
    if (queued_.empty()) break;
  }
  workers_.submit(queued_);
  return completed;
}

std::size_t ThreadPoolEngine::hand_over() {
  auto batch = std::exchange(queued_, {});
  OperationQueue blocking;
  OperationQueue served;
  while (auto* operation = batch.pop()) {
    auto cached = operation->request().op == FileOp::read &&
                  operation->descriptor().try_cached.load(std::memory_order_relaxed);
    if (cached) operation->plan();
    (cached && try_cached(*operation) ? served : blocking).push(*operation);
  }
  workers_.submit(blocking);
  std::size_t count = 0;
  while (auto* operation = served.pop()) {
    --in_flight_;
    ++count;
    complete(*operation);
  }
  return count;
}

std::size_t ThreadPoolEngine::reap() {
  auto finished = workers_.finished();
  std::size_t count = 0;
  while (auto* operation = finished.pop()) {
    --in_flight_;
    ++count;
    complete(*operation);
  }
  return count;
}

}  // namespace caisson::posix
