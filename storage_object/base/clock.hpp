// SPDX-License-Identifier: Apache-2.0
// Time as a port, so that tests decide what it is.
#pragma once

#include <chrono>

namespace caisson {

class Clock {
 public:
  using Monotonic = std::chrono::steady_clock::time_point;
  using Wall = std::chrono::system_clock::time_point;

  virtual ~Clock() = default;
  virtual Monotonic monotonic() const noexcept = 0;
  virtual Wall wall() const noexcept = 0;

  /// The machine's own.
  static const Clock& system() noexcept;
};

}  // namespace caisson
