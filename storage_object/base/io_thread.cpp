// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/io_thread.hpp"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <future>

#include "storage_object/base/result.hpp"

namespace caisson {
namespace {
thread_local IoThread* current_thread = nullptr;

constexpr int kDrainPollMs = 100;
}  // namespace

IoThread::IoThread(std::string name, const EngineFactory& make_engine)
    : name_(std::move(name)), work_(context_.get_executor()) {
  std::promise<void> ready;
  auto started = ready.get_future();
  thread_ = std::thread([&, this] {
    run(make_engine, [&ready](std::exception_ptr error) {
      error ? ready.set_exception(error) : ready.set_value();
    });
  });
  try {
    started.get();
  } catch (...) {
    thread_.join();
    throw;
  }
}

IoThread::~IoThread() { stop(); }

void IoThread::stop() {
  if (!thread_.joinable()) return;
  post([this] {
    engine_event_->cancel();
    work_.reset();
  });
  thread_.join();
}

void IoThread::post(std::function<void()> work) {
  boost::asio::post(context_, [this, work = std::move(work)] {
    work();
    flush();
  });
}

void IoThread::run(const EngineFactory& make_engine,
                   std::function<void(std::exception_ptr)> started) {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  try {
    engine_ = make_engine();
    engine_event_ = std::make_unique<boost::asio::posix::stream_descriptor>(
        context_, ::dup(engine_->event_descriptor()));
  } catch (...) {
    started(std::current_exception());
    return;
  }
  current_thread = this;
  set_current(this);
  watch_engine();
  started(nullptr);
  context_.run();
  drain_engine();
  engine_event_.reset();
  engine_.reset();
}

void IoThread::drain_engine() {
  for (flush(); engine_->in_flight() != 0; flush()) {
    pollfd waited{engine_->event_descriptor(), POLLIN, 0};
    ::poll(&waited, 1, kDrainPollMs);
    take_wakeup();
  }
}

void IoThread::take_wakeup() {
  std::uint64_t count = 0;
  // Non-blocking, and only a wake-up: what it counted is reaped by flush().
  [[maybe_unused]] auto got = ::read(engine_->event_descriptor(), &count, sizeof count);
}

void IoThread::watch_engine() {
  engine_event_->async_wait(boost::asio::posix::descriptor_base::wait_read, [this](Error error) {
    if (error) return;
    take_wakeup();
    flush();
    watch_engine();
  });
}

void IoThread::flush() {
  engine_->submit_and_reap();
  while (!deferred_.empty()) {
    run_hooks();
    engine_->submit_and_reap();
  }
}

void IoThread::run_hooks() {
  running_.swap(deferred_);
  for (std::size_t i = 0; i < running_.size(); ++i)
    if (auto* hook = running_[i]) hook->on_batch_end();
  running_.clear();
}

void IoThread::defer(BatchHook& hook) {
  if (std::ranges::find(deferred_, &hook) == deferred_.end()) deferred_.push_back(&hook);
}

void IoThread::forget(BatchHook& hook) noexcept {
  std::erase(deferred_, &hook);
  std::ranges::replace(running_, &hook, nullptr);
}

IoThread* IoThread::current() noexcept { return current_thread; }

}  // namespace caisson
