// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/workers.hpp"

#include <pthread.h>

#include <system_error>
#include <utility>

#include "storage_object/posix/syscalls.hpp"

namespace caisson::posix {

Workers::Workers(unsigned threads, const EventDescriptor& wake, ThreadStart start)
    : threads_wanted_(threads), wake_(wake), start_(std::move(start)) {
  threads_.reserve(threads_wanted_);
  threads_.push_back(start_([this] { run(); }));
}

Workers::~Workers() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (auto& thread : threads_) thread.join();
}

/// As many as can be had; those there are do the work.
void Workers::start_threads() noexcept {
  try {
    while (threads_.size() < threads_wanted_) threads_.push_back(start_([this] { run(); }));
  } catch (const std::system_error&) {
  }
}

void Workers::submit(OperationQueue& batch) noexcept {
  if (batch.empty()) return;
  start_threads();
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
