// SPDX-License-Identifier: Apache-2.0
// A small generator whose sequence is the same on every machine.
#pragma once

#include <cstdint>

namespace caisson::tests {

class SimRandom {  // splitmix64
 public:
  explicit SimRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() noexcept {
    auto z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  /// 0 to limit - 1; limit is above 0.
  std::uint64_t below(std::uint64_t limit) noexcept { return next() % limit; }
  /// True in `percent` of 100 cases.
  bool chance(unsigned percent) noexcept { return below(100) < percent; }

 private:
  std::uint64_t state_;
};

}  // namespace caisson::tests
