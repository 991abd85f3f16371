// SPDX-License-Identifier: Apache-2.0
#include <atomic>

#include "storage_object/block/block_device.hpp"

namespace caisson::block {

Error perform(BlockDevice& device, IoRequest& request) {
  std::atomic<bool> done = false;
  request.owner = &done;
  request.complete = [](IoRequest& finished) noexcept {
    auto& flag = *static_cast<std::atomic<bool>*>(finished.owner);
    flag.store(true, std::memory_order_release);
    flag.notify_one();
  };
  device.submit(request);
  done.wait(false, std::memory_order_acquire);
  return request.error;
}

}  // namespace caisson::block
