// SPDX-License-Identifier: Apache-2.0
// The disk below a decorator under test.
#pragma once

#include <mutex>
#include <thread>
#include <vector>

#include "storage_object/block/block_device.hpp"

namespace caisson::block::tests {

/// Notes what arrives, in order, and completes it at once.
class RecordingDevice final : public BlockDevice {
 public:
  Geometry geometry() const noexcept override { return {.capacity = 1 << 20}; }
  Features features() const noexcept override { return {.unmap = true}; }
  void submit(IoRequest& request) override {
    {
      std::lock_guard lock(mutex_);
      arrived_.push_back(request.offset);
      threads_.push_back(std::this_thread::get_id());
    }
    request.finish({});
  }
  /// Offsets of the requests, by which tests tell them apart.
  std::vector<std::uint64_t> arrived() const {
    std::lock_guard lock(mutex_);
    return arrived_;
  }
  std::vector<std::thread::id> threads() const {
    std::lock_guard lock(mutex_);
    return threads_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> arrived_;
  std::vector<std::thread::id> threads_;
};

inline IoRequest request_of(IoOp op, std::uint64_t offset, std::uint64_t length = 512,
                            Priority priority = Priority::host) {
  IoRequest request;
  request.op = op;
  request.offset = offset;
  request.length = length;
  request.context.priority = priority;
  return request;
}

}  // namespace caisson::block::tests
