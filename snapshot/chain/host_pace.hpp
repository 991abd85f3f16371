// SPDX-License-Identifier: Apache-2.0
// How long background work rests, so that hosts do not notice it (docs/design/capture.md,
// "The background").
#pragma once

#include <chrono>

#include "snapshot/chain/latency_histogram.hpp"

namespace caisson::snapshot {

/// Requests of hosts that have ended.
struct HostLatencies {
  LatencyHistogram alone{};   ///< no background step ran meanwhile, nor just before
  LatencyHistogram others{};  ///< all others
};

/// Compares what hosts' requests take in all with what they take in the rests, and makes
/// the rests longer or shorter. `weight` is what an administrator says, 0 to 100:
///
///   0  never rests.
///   N  rests at least N times what a step took, while hosts are at work; longer, as long
///      as their 99th percentile is more than 20/N percent above that in the rests.
///
/// A rest is never longer than a second, or N times the step if that is more: however the
/// hosts fare, a step follows, which is about 1 MiB. Pure: no time but what it is told.
/// Not thread-safe.
class HostPace {
 public:
  using Duration = std::chrono::nanoseconds;
  using Time = std::chrono::steady_clock::time_point;

  static constexpr std::chrono::milliseconds kWindow{100};  ///< judged at the earliest
  static constexpr std::chrono::seconds kLongestWindow{2};  ///< and at the latest
  static constexpr std::chrono::seconds kLongestRest{1};
  static constexpr double kMostTimes = 512;

  /// `times`: what is rested until it is known what hosts bear.
  explicit HostPace(double times = 1) noexcept : times_(times) {}

  /// After a time of which it has heard nothing. What it found before holds on.
  void begin(Time now) noexcept;
  /// What has ended since the last call, if there is anything.
  void note(Time now, const HostLatencies& ended, unsigned weight);
  /// After a step that took so long.
  Duration rest(Duration took, bool hosts_busy, unsigned weight) const noexcept;

  /// How many times what a step took it rests.
  double times(unsigned weight) const noexcept;
  /// The 99th percentiles that were compared last; 0: none yet.
  Duration alone_p99() const noexcept { return alone_p99_; }
  Duration all_p99() const noexcept { return all_p99_; }

 private:
  enum class Verdict { later, rest_more, as_it_is, rest_less };
  Verdict judge(Duration age, unsigned weight);
  Verdict judge_blindly(Duration age) const noexcept;

  double times_;
  LatencyHistogram reference_;  ///< alone, the last few thousand
  LatencyHistogram all_;        ///< since the window began
  std::uint64_t alone_ = 0;     ///< of these
  Time began_{};                ///< the window
  Duration alone_p99_{0}, all_p99_{0};
};

}  // namespace caisson::snapshot
