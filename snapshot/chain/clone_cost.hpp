// SPDX-License-Identifier: Apache-2.0
// What it takes to share blocks with a snapshot's image, learnt from what it took.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace caisson::snapshot {

/// A clone stops all I/O of the disk, and takes as long as its file's extents and dirty pages
/// want: between microseconds and tens of milliseconds a unit. Not thread-safe.
class CloneCost {
 public:
  using Duration = std::chrono::nanoseconds;

  /// `units`, at least 1, were cloned by one call, which took so long.
  void note(Duration took, std::uint64_t units) noexcept {
    auto each = static_cast<double>(took.count()) / static_cast<double>(units);
    each_ns_ += (each - each_ns_) / kMemory;
  }
  /// How many units each of `calls` may have, so that all of them take `budget`; 1 at least.
  std::uint64_t units_within(Duration budget, std::uint64_t calls) const noexcept {
    auto affordable = static_cast<double>(budget.count()) /
                      (std::max(each_ns_, 1.0) * static_cast<double>(std::max(calls, kOne)));
    return affordable > 1 ? static_cast<std::uint64_t>(std::min(affordable, kMost)) : 1;
  }

 private:
  static constexpr std::uint64_t kOne = 1;
  static constexpr double kMemory = 16;  // calls, about
  static constexpr double kMost = 1 << 30;
  double each_ns_ = 100'000;  // until something is known: the dear side of what was seen
};

}  // namespace caisson::snapshot
