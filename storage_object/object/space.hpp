// SPDX-License-Identifier: Apache-2.0
// How full a store is, and when that is said (SBC-3 4.7.3.7): a threshold speaks
// once when it is reached, and again only after there was clearly more room.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace caisson::object {

/// Bytes, as last looked at.
struct SpaceReport {
  std::uint64_t capacity = 0;   ///< of the store; 0: nobody has looked yet
  std::uint64_t available = 0;  ///< of the store
  std::uint64_t used = 0;       ///< by the container

  bool known() const noexcept { return capacity != 0; }
};

/// In percent of the store that is used.
struct SoftThreshold {
  std::uint8_t reached;  ///< it speaks
  std::uint8_t rearmed;  ///< below this it may speak again
};

inline constexpr std::array<SoftThreshold, 2> kSoftThresholds{{{80, 75}, {95, 90}}};

/// `percent` of `bytes`, without overflow.
constexpr std::uint64_t share_of(std::uint64_t bytes, unsigned percent) noexcept {
  return bytes / 100 * percent + bytes % 100 * percent / 100;
}

/// One thread at a time.
class SoftThresholds {
 public:
  /// A bit for each row of kSoftThresholds.
  struct Crossed {
    std::uint32_t reached = 0;
    std::uint32_t rearmed = 0;
  };
  /// What changed since the last look.
  Crossed look(std::uint64_t capacity, std::uint64_t available) noexcept;

 private:
  std::uint32_t silent_ = 0;  // those that have spoken
};

/// Of one object. Reading is for any thread and never blocks.
class Space {
 public:
  SpaceReport report() const noexcept;

  /// By one thread at a time. True: a threshold was reached since the report
  /// before this one. What the first one finds nobody saw being reached.
  bool publish(const SpaceReport& report) noexcept;

 private:
  std::atomic<std::uint64_t> capacity_{0}, available_{0}, used_{0};
  SoftThresholds thresholds_;
};

}  // namespace caisson::object
