// SPDX-License-Identifier: Apache-2.0
// Which refused verbs become events: all that a person brings about, and of a
// flood so few that it cannot fill the catalog.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace caisson::service {

/// Thread-safe. Each caller has kBurst events at once and one more per kInterval;
/// beyond kCallers callers the rest share one such allowance.
class Refusals {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr unsigned kBurst = 10;
  static constexpr auto kInterval = std::chrono::minutes(1);
  static constexpr std::size_t kCallers = 64;

  /// This caller was refused now. nullopt: no event; else how many refusals of
  /// this caller had none since the last.
  std::optional<std::uint64_t> take(const std::string& caller, Clock::time_point now);

 private:
  struct Allowance {
    Clock::time_point full{};  // when all of the burst is there again
    std::uint64_t unheard = 0;
  };

  std::mutex mutex_;  // guards both
  std::map<std::string, Allowance> callers_;
  Allowance others_;
};

}  // namespace caisson::service
