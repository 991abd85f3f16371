// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/host_meter.hpp"

#include "storage_object/base/pool.hpp"

namespace caisson::snapshot {

using block::IoRequest;

/// A request on its way: below goes a copy, since whoever sent it may look at what it
/// keeps in its own while that is under way.
struct HostMeter::Timed {
  IoRequest child;
  IoRequest* parent = nullptr;
  HostMeter* meter = nullptr;
  Clock::Monotonic began{};
  std::uint64_t steps = 0;
};

void HostMeter::submit(block::BlockDevice& below, IoRequest& request) {
  auto& timed = *PerThreadPool<Timed>::acquire();
  timed.child = request;
  timed.child.owner = &timed;
  timed.child.complete = on_complete;
  timed.child.next = nullptr;
  timed.parent = &request;
  timed.meter = this;
  timed.steps = steps_.load(std::memory_order_acquire);
  timed.began = clock_.monotonic();
  below.submit(timed.child);
}

void HostMeter::on_complete(IoRequest& child) noexcept {
  auto* timed = static_cast<Timed*>(child.owner);
  timed->meter->note(*timed);
  auto& parent = *timed->parent;
  parent.status_count = child.status_count;
  parent.mismatch = child.mismatch;
  auto error = child.error;
  PerThreadPool<Timed>::release(timed);
  parent.finish(error);
}

void HostMeter::note(const Timed& timed) noexcept {
  bool alone = timed.steps % 2 == 0 && steps_.load(std::memory_order_acquire) == timed.steps &&
               timed.began >= quiet_.load(std::memory_order_relaxed);
  auto bucket = LatencyHistogram::bucket_of(clock_.monotonic() - timed.began);
  (alone ? alone_ : others_)[bucket].fetch_add(1, std::memory_order_relaxed);
}

void HostMeter::begin_step() noexcept {
  steps_.fetch_add(1, std::memory_order_release);
  began_ = clock_.monotonic();
}

HostPace::Duration HostMeter::end_step() noexcept {
  auto now = clock_.monotonic();
  auto took = now - began_;
  quiet_.store(now + took, std::memory_order_relaxed);
  steps_.fetch_add(1, std::memory_order_release);
  return took;
}

HostLatencies HostMeter::take() noexcept { return {take(alone_), take(others_)}; }

LatencyHistogram HostMeter::take(Counts& counts) noexcept {
  LatencyHistogram taken;
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i].load(std::memory_order_relaxed) != 0)
      taken.add(i, counts[i].exchange(0, std::memory_order_relaxed));
  return taken;
}

}  // namespace caisson::snapshot
