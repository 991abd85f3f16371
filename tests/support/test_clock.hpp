// SPDX-License-Identifier: Apache-2.0
// A clock that a test sets.
#pragma once

#include <atomic>

#include "storage_object/base/clock.hpp"

namespace caisson::tests {

/// Thread-safe.
class TestClock final : public Clock {
 public:
  Monotonic monotonic() const noexcept override { return after(monotonic_ += look_.load()); }
  Wall wall() const noexcept override { return Wall(std::chrono::nanoseconds(wall_.load())); }

  /// Time passes.
  void pass(std::chrono::nanoseconds time) {
    monotonic_ += time.count();
    wall_ += time.count();
  }
  /// Somebody sets the wall clock.
  void set(Wall wall) { wall_ = std::chrono::nanoseconds(wall.time_since_epoch()).count(); }
  /// Whoever looks at monotonic() finds so much later than the one before.
  void take_for_a_look(std::chrono::nanoseconds time) { look_ = time.count(); }
  /// What monotonic() said last.
  Monotonic last() const { return after(monotonic_.load()); }

 private:
  using Nanoseconds = std::chrono::nanoseconds;
  static Monotonic after(Nanoseconds::rep time) { return Monotonic(Nanoseconds(time)); }

  mutable std::atomic<Nanoseconds::rep> monotonic_ = Nanoseconds(std::chrono::hours(1)).count();
  std::atomic<Nanoseconds::rep> wall_ =
      Nanoseconds(std::chrono::sys_days(std::chrono::year(2026) / 7 / 1).time_since_epoch())
          .count();
  std::atomic<Nanoseconds::rep> look_ = 0;
};

}  // namespace caisson::tests
