// SPDX-License-Identifier: Apache-2.0
// A disk whose file hangs when a test says so: what it holds has not reached the
// disk below, and does when it is released.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "storage_object/base/executor.hpp"
#include "storage_object/block/block_device.hpp"

namespace caisson::tests {

/// From any thread. Nothing is held when it dies.
class GateDevice final : public block::BlockDevice {
 public:
  using Which = std::function<bool(const block::IoRequest&)>;

  explicit GateDevice(std::unique_ptr<block::BlockDevice> below) : below_(std::move(below)) {}

  block::Geometry geometry() const noexcept override { return below_->geometry(); }
  block::Features features() const noexcept override { return below_->features(); }
  void submit(block::IoRequest& request) override {
    {
      std::lock_guard lock(mutex_);
      if (which_ && which_(request)) {
        held_.push_back({&request, Executor::current()});
        return;
      }
    }
    below_->submit(request);
  }

  /// Requests for which it is true hang from now on.
  void hang(Which which) {
    std::lock_guard lock(mutex_);
    which_ = std::move(which);
  }
  void hang(block::IoOp op) {
    hang([op](const block::IoRequest& request) { return request.op == op; });
  }
  /// New requests pass; those that hang go on hanging.
  void pass() { hang(Which()); }
  std::size_t hanging() const {
    std::lock_guard lock(mutex_);
    return held_.size();
  }
  /// They go on, each on the thread it came on, in order.
  void release() {
    std::vector<Held> held;
    {
      std::lock_guard lock(mutex_);
      which_ = nullptr;
      held.swap(held_);
    }
    for (auto [request, executor] : held) {
      if (executor == nullptr)
        below_->submit(*request);
      else
        executor->post([this, request = request] { below_->submit(*request); });
    }
  }

 private:
  struct Held {
    block::IoRequest* request;
    Executor* executor;
  };

  std::unique_ptr<block::BlockDevice> below_;
  mutable std::mutex mutex_;
  Which which_;
  std::vector<Held> held_;
};

}  // namespace caisson::tests
