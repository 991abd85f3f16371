// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/control_threads.hpp"

#include <chrono>
#include <future>
#include <system_error>
#include <utility>

#include "storage_object/base/log.hpp"

namespace caisson {
namespace {
constexpr std::size_t kBusyThreads = 4;  // enough where work does end
constexpr auto kPatience = std::chrono::milliseconds(100);
}  // namespace

ControlThreads::ControlThreads() {
  threads_.emplace_back([this] { run(); });  // without one there is nothing to go on with
}

ControlThreads::~ControlThreads() { stop(); }

void ControlThreads::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::size_t i = 0;; ++i) {  // one that runs may add another
    std::thread thread;
    {
      std::lock_guard lock(mutex_);
      if (i == threads_.size()) return;
      thread = std::move(threads_[i]);
    }
    if (thread.joinable()) thread.join();
  }
}

bool ControlThreads::post(const std::shared_ptr<ControlLane>& lane, std::function<void()> work) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return false;
    lane->queue_.push_back(std::move(work));
    if (lane->running_ || lane->queue_.size() > 1) return true;
    ready_.push_back(lane);
  }
  wake_.notify_all();
  return true;
}

void ControlThreads::drain(const std::shared_ptr<ControlLane>& lane) {
  std::promise<void> reached;
  if (post(lane, [&] { reached.set_value(); })) reached.get_future().wait();
}

void ControlThreads::add_thread() try {
  threads_.emplace_back([this] { run(); });
} catch (const std::system_error& error) {
  log::error("no thread for another control operation: {}", error.what());
}

/// Of more threads than are busy one always waits here, so that somebody notices when
/// all others hang.
void ControlThreads::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
    if (ready_.empty()) return;
    const bool last = busy_ + 1 == threads_.size();
    if (last && busy_ >= kBusyThreads && others_progress(lock)) continue;
    run_one(lock);
  }
}

/// Waits for one of the busy to end its work, for a while.
bool ControlThreads::others_progress(std::unique_lock<std::mutex>& lock) {
  auto before = ended_;
  wake_.wait_for(lock, kPatience, [&] { return ended_ != before || ready_.empty(); });
  return ended_ != before || ready_.empty();
}

void ControlThreads::run_one(std::unique_lock<std::mutex>& lock) {
  auto lane = std::move(ready_.front());
  ready_.pop_front();
  auto work = std::move(lane->queue_.front());
  lane->queue_.pop_front();
  lane->running_ = true;
  if (++busy_ == threads_.size()) add_thread();
  lock.unlock();
  work();
  work = nullptr;  // what it holds goes without the lock
  lock.lock();
  --busy_;
  ++ended_;
  lane->running_ = false;
  if (!lane->queue_.empty()) ready_.push_back(lane);
  wake_.notify_all();
}

}  // namespace caisson
