// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/capture_device.hpp"

#include <utility>

namespace caisson::snapshot {

CaptureDevice::CaptureDevice(std::unique_ptr<block::BlockDevice> below,
                             std::shared_ptr<Chain> chain)
    : below_(std::move(below)), chain_(std::move(chain)) {}

CaptureDevice::~CaptureDevice() { chain_->close(); }

Outcome<> CaptureDevice::begin_cutting_off(std::uint64_t capacity) {
  cuts_ = chain_->hold_cuts();
  auto all = below_->geometry().capacity;
  return capacity < all ? chain_->capture(capacity, all - capacity) : Outcome<>();
}

void CaptureDevice::end_cutting_off() noexcept {
  if (cuts_.owns_lock()) cuts_.unlock();
}

}  // namespace caisson::snapshot
