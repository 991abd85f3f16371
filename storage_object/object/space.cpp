// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/space.hpp"

#include <algorithm>

namespace caisson::object {

SoftThresholds::Crossed SoftThresholds::look(std::uint64_t capacity,
                                             std::uint64_t available) noexcept {
  const auto used = capacity - std::min(available, capacity);
  Crossed crossed;
  for (std::size_t i = 0; i < kSoftThresholds.size(); ++i) {
    const auto bit = std::uint32_t{1} << i;
    const auto& threshold = kSoftThresholds[i];
    if ((silent_ & bit) == 0 && used >= share_of(capacity, threshold.reached))
      crossed.reached |= bit;
    if ((silent_ & bit) != 0 && used < share_of(capacity, threshold.rearmed))
      crossed.rearmed |= bit;
  }
  silent_ = (silent_ | crossed.reached) & ~crossed.rearmed;
  return crossed;
}

SpaceReport Space::report() const noexcept {
  return {capacity_.load(std::memory_order_relaxed), available_.load(std::memory_order_relaxed),
          used_.load(std::memory_order_relaxed)};
}

bool Space::publish(const SpaceReport& report) noexcept {
  if (!report.known()) return false;
  const bool first = !this->report().known();
  available_.store(report.available, std::memory_order_relaxed);
  used_.store(report.used, std::memory_order_relaxed);
  capacity_.store(report.capacity, std::memory_order_relaxed);
  return thresholds_.look(report.capacity, report.available).reached != 0 && !first;
}

}  // namespace caisson::object
