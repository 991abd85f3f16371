// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/workers.hpp"

#include <pthread.h>

#include <utility>

#include "storage_object/posix/syscalls.hpp"

namespace caisson::posix {

Workers::~Workers() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Workers::submit(OperationQueue& batch) {
  if (batch.empty()) return;
  while (threads_.size() < threads_wanted_) threads_.emplace_back([this] { run(); });
  auto single = batch.single();
  {
    std::lock_guard lock(mutex_);
    queued_.append(batch);
  }
  single ? work_.notify_one() : work_.notify_all();
}

OperationQueue Workers::finished() {
  std::lock_guard lock(mutex_);
  return std::exchange(finished_, {});
}

void Workers::run() {
  pthread_setname_np(pthread_self(), "file worker");
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return stopping_ || !queued_.empty(); });
    auto* operation = queued_.pop();
    if (operation == nullptr) return;
    lock.unlock();
    perform(*operation);
    lock.lock();
    auto first = finished_.empty();
    finished_.push(*operation);
    if (first) wake_.signal();
  }
}

}  // namespace caisson::posix
