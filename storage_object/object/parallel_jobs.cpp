// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/parallel_jobs.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "storage_object/base/log.hpp"

namespace caisson::object {
namespace {
constexpr std::size_t kBusyThreads = 16;  // enough where jobs do end
constexpr auto kPatience = std::chrono::milliseconds(100);
}  // namespace

ParallelJobs::ParallelJobs(std::vector<std::function<void()>> jobs)
    : jobs_(std::move(jobs)), done_(jobs_.size()) {
  std::lock_guard lock(mutex_);
  add_threads(1);
}

ParallelJobs::~ParallelJobs() {
  {
    std::lock_guard lock(mutex_);
    next_ = jobs_.size();
  }
  for (auto& thread : threads_) thread.join();
}

void ParallelJobs::add_threads(std::size_t count) try {
  for (auto waiting = std::min(count, jobs_.size() - next_); waiting > 0; --waiting)
    threads_.emplace_back([this] { run(); });
} catch (const std::system_error& error) {
  log::error("no thread for another job: {}", error.what());
}

void ParallelJobs::run() {
  std::unique_lock lock(mutex_);
  while (next_ < jobs_.size()) run_one(lock);
}

void ParallelJobs::run_one(std::unique_lock<std::mutex>& lock) {
  auto mine = next_++;
  lock.unlock();
  jobs_[mine]();
  lock.lock();
  done_[mine] = true;
  if (++count_ended_ == jobs_.size()) ended_.notify_all();
}

std::vector<std::size_t> ParallelJobs::wait(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::unique_lock lock(mutex_);
  while (count_ended_ < jobs_.size() && std::chrono::steady_clock::now() < deadline) {
    if (threads_.empty()) {
      run_one(lock);
      continue;
    }
    auto before = count_ended_;
    auto until = std::min(deadline, std::chrono::steady_clock::now() + kPatience);
    if (ended_.wait_until(lock, until, [&] { return count_ended_ == jobs_.size(); })) break;
    if (count_ended_ == before || threads_.size() < kBusyThreads) add_threads(threads_.size());
  }
  next_ = jobs_.size();
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < jobs_.size(); ++i)
    if (!done_[i]) left.push_back(i);
  return left;
}

}  // namespace caisson::object
