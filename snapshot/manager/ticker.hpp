// SPDX-License-Identifier: Apache-2.0
// Work that comes round again and again, on a control thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "snapshot/chain/pacer.hpp"
#include "storage_object/base/clock.hpp"
#include "storage_object/base/control_threads.hpp"

namespace caisson::snapshot {

/// Calls `work` until stop(), never twice at once; each time it says how long to wait for
/// the next. Thread-safe. Pacer, threads and clock outlive stop().
class Ticker {
 public:
  using Work = std::function<std::chrono::nanoseconds()>;

  Ticker(Pacer& pacer, ControlThreads& threads, const Clock& clock, Work work);
  ~Ticker();  ///< stop()
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  /// For the first time after `wait`; also instead of when it would come round.
  void begin(std::chrono::nanoseconds wait);
  /// When what is under way has ended nothing follows. Not from the work itself.
  void stop();

 private:
  struct State;
  static void wait_for(const std::shared_ptr<State>& state, std::chrono::nanoseconds wait);
  static void post(const std::shared_ptr<State>& state, std::uint64_t turn);
  static void run(const std::shared_ptr<State>& state, std::uint64_t turn);

  const std::shared_ptr<State> state_;  ///< shared with what the pacer still holds
};

}  // namespace caisson::snapshot
