// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/host_pace.hpp"

#include <algorithm>
#include <cmath>

namespace caisson::snapshot {
namespace {

constexpr double kQuantile = 0.99;
constexpr double kToleranceOfOne = 0.20;  // of weight 1
constexpr double kMore = 2, kLess = 0.8;

constexpr std::uint64_t kEnough = 1000;      // for a verdict that is no alarm
constexpr std::uint64_t kReference = 100;    // fewer say nothing of a 99th percentile
constexpr std::uint64_t kRemembered = 4096;  // of those alone
constexpr std::uint64_t kUnseen = 20;        // so many with none alone: rests are too short

double tolerance(unsigned weight) noexcept { return kToleranceOfOne / weight; }

}  // namespace

void HostPace::note(Time now, const HostLatencies& ended, unsigned weight) {
  reference_.add(ended.alone);
  all_.add(ended.alone);
  all_.add(ended.others);
  alone_ += ended.alone.count();
  auto verdict = weight == 0 || all_.count() == 0 ? Verdict::as_it_is : judge(now - began_, weight);
  if (verdict == Verdict::later) return;
  if (verdict == Verdict::rest_more) times_ = std::min(times(weight) * kMore, kMostTimes);
  if (verdict == Verdict::rest_less) times_ = times(weight) * kLess;
  begin(now);
}

void HostPace::begin(Time now) noexcept {
  while (reference_.count() > kRemembered) reference_.halve();
  all_ = {};
  alone_ = 0;
  began_ = now;
}

/// If hosts fare as in the rests, one in a hundred is slower than 99 are there. More are a
/// worsening, unless so few were counted that it may be chance; and of few a little less
/// is no proof of the contrary.
HostPace::Verdict HostPace::judge(Duration age, unsigned weight) {
  if (age < kWindow) return Verdict::later;
  if (reference_.count() < kReference || alone_ == 0) return judge_blindly(age);
  alone_p99_ = reference_.quantile(kQuantile);
  all_p99_ = all_.quantile(kQuantile);
  auto limit = std::chrono::duration_cast<Duration>(alone_p99_ * (1 + tolerance(weight)));
  auto expected = static_cast<double>(all_.count()) * (1 - kQuantile);
  auto slow = all_.longer_than(limit);
  if (slow > expected + 3 * std::sqrt(expected) + 3) return Verdict::rest_more;
  if (all_.count() < kEnough && age < kLongestWindow) return Verdict::later;
  if (slow > expected + std::sqrt(expected)) return Verdict::rest_more;
  return slow <= expected - std::sqrt(expected) / 3 ? Verdict::rest_less : Verdict::as_it_is;
}

/// What there is to compare with is too little. Where requests take longer than the rests
/// it never becomes more.
HostPace::Verdict HostPace::judge_blindly(Duration age) const noexcept {
  if (all_.count() >= kUnseen && alone_ == 0) return Verdict::rest_more;
  return age < kLongestWindow ? Verdict::later : Verdict::as_it_is;
}

double HostPace::times(unsigned weight) const noexcept {
  return std::max(times_, static_cast<double>(weight));
}

HostPace::Duration HostPace::rest(Duration took, bool hosts_busy, unsigned weight) const noexcept {
  if (!hosts_busy || weight == 0) return Duration::zero();
  auto wanted = std::chrono::duration<double, std::nano>(took) * times(weight);
  auto least = took * weight;
  return std::clamp(std::chrono::duration_cast<Duration>(wanted), least,
                    std::max<Duration>(least, kLongestRest));
}

}  // namespace caisson::snapshot
