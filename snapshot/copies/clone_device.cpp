// SPDX-License-Identifier: Apache-2.0
#include "snapshot/copies/clone_device.hpp"

namespace caisson::snapshot {

CloneDevice::~CloneDevice() { fill_->close(); }

/// The registry lets nobody shrink a clone that is not filled: what is taken over might
/// come to lie over its trailer.
Outcome<> CloneDevice::begin_cutting_off(std::uint64_t capacity) {
  return below_->begin_cutting_off(capacity);
}

void CloneDevice::close() {
  fill_->close();
  below_->close();
}

}  // namespace caisson::snapshot
