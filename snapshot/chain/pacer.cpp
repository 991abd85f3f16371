// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/pacer.hpp"

#include <pthread.h>

#include <utility>

namespace caisson::snapshot {

TimedPacer::TimedPacer() : thread_([this] { run(); }) {}

TimedPacer::~TimedPacer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void TimedPacer::at(Clock::time_point when, std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    jobs_.emplace(when, std::move(job));
  }
  wake_.notify_one();
}

void TimedPacer::run() {
  pthread_setname_np(pthread_self(), "snapshot pacer");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (jobs_.empty()) {
      wake_.wait(lock);
      continue;
    }
    auto next = jobs_.begin();
    if (auto when = next->first; Clock::now() < when) {
      wake_.wait_until(lock, when);
      continue;
    }
    auto job = std::move(next->second);
    jobs_.erase(next);
    lock.unlock();
    job();
    job = {};  // what it holds may come back here
    lock.lock();
  }
}

}  // namespace caisson::snapshot
