// SPDX-License-Identifier: Apache-2.0
// An I/O thread without files, to submit requests from.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <future>
#include <latch>
#include <vector>

#include "storage_object/base/io_thread.hpp"
#include "storage_object/block/block_device.hpp"

namespace caisson::block::tests {

/// An engine with nothing to do.
class IdleEngine final : public IoEngine {
 public:
  ~IdleEngine() override { ::close(event_); }
  std::size_t submit_and_reap() override { return 0; }
  int event_descriptor() const noexcept override { return event_; }
  std::size_t in_flight() const noexcept override { return 0; }
  const char* name() const noexcept override { return "idle"; }

 private:
  int event_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
};

class OnIoThread {
 public:
  OnIoThread() : thread_("test io", [] { return std::make_unique<IdleEngine>(); }) {}

  /// Submits all in one go, from the thread, and waits until all completed.
  void perform(BlockDevice& device, std::vector<IoRequest>& requests) {
    std::latch done(static_cast<std::ptrdiff_t>(requests.size()));
    for (auto& request : requests) {
      request.owner = &done;
      request.complete = [](IoRequest& r) noexcept {
        static_cast<std::latch*>(r.owner)->count_down();
      };
    }
    post([&] {
      for (auto& request : requests) device.submit(request);
    });
    done.wait();
  }
  void post(std::function<void()> work) { thread_.post(std::move(work)); }
  IoThread& thread() noexcept { return thread_; }

 private:
  IoThread thread_;
};

}  // namespace caisson::block::tests
