// SPDX-License-Identifier: Apache-2.0
// Rounds of captures: what hosts' writes wait for.
#include <algorithm>
#include <utility>

#include "snapshot/chain/capture.hpp"
#include "snapshot/chain/lane.hpp"
#include "snapshot/chain/waiter.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

using block::BlockErrc;
using block::IoRequest;

/// Of one write a round, so that a long one does not keep the short ones waiting.
constexpr std::uint64_t kPiece = std::uint64_t{4} << 20;

/// Sorted and disjoint.
std::vector<Run> tidy(std::vector<Run> runs) {
  std::ranges::sort(runs);
  std::vector<Run> out;
  for (const auto& run : runs) {
    auto first = out.empty() ? run.first : std::max(run.first, out.back().end());
    if (first < run.end()) append_units(out, first, run.end() - first);
  }
  return out;
}

}  // namespace

void Chain::hold_back(IoRequest& request) {
  auto* waiter = new Waiter{&request, Executor::current(), request.offset};
  {
    std::lock_guard lock(waiting_mutex_);
    waiting_.push_back(waiter);
    if (std::exchange(working_, true)) return;
  }
  if (parts_.threads->post(lane_, [self = shared_from_this()] { self->work(); })) return;
  work();  // the threads have been stopped: nothing else runs any more
}

void Chain::work() {
  for (;;) {
    auto waiters = take_waiters();
    if (waiters.empty()) return;
    round(waiters);
  }
}

std::deque<Chain::Waiter*> Chain::take_waiters() {
  std::lock_guard lock(waiting_mutex_);
  auto taken = std::exchange(waiting_, {});
  working_ = !taken.empty();
  return taken;
}

void Chain::round(std::deque<Waiter*>& waiters) {
  if (auto captured = capture_for(waiters); !captured)
    return capture_failed(waiters, captured.error());
  std::deque<Waiter*> rest;
  for (auto* waiter : waiters) {
    const auto& request = *waiter->request;
    holds_back(waiter->next, request.offset + request.length - waiter->next)
        ? rest.push_back(waiter)
        : let_go(*waiter, {});
  }
  // They were first, and go on with those that have come meanwhile.
  std::lock_guard lock(waiting_mutex_);
  waiting_.insert(waiting_.begin(), rest.begin(), rest.end());
}

Outcome<> Chain::capture_for(std::deque<Waiter*>& waiters) {
  auto member = active();
  if (!member) return {};
  const auto& [set, shift] = *member->captured();
  std::vector<Run> wanted;
  for (auto* waiter : waiters) {
    const auto& request = *waiter->request;
    auto end = request.offset + request.length;
    auto until = std::min(end, waiter->next + kPiece);
    set.absent_runs(waiter->next >> shift, ((until - 1) >> shift) + 1, wanted);
    waiter->next = until < end ? until : request.offset;
  }
  wanted = tidy(std::move(wanted));
  return wanted.empty() ? Outcome<>() : capture_units(*member, std::move(wanted));
}

Outcome<> Chain::capture_units(Member& member, std::vector<Run> wanted) {
  if (member.primitive() == Primitive::copy)
    return capture_by_copy(member, *parts_.live, wanted, wall_ms());
  if (auto begun = member.begin(wall_ms()); !begun) return begun;
  return capture_by_reflink(member, *parts_.source, wanted);
}

/// Ends its wait: it goes on below, or ends with `error`.
void Chain::let_go(Waiter& waiter, Error error) {
  auto go = [live = parts_.live, request = waiter.request, error] {
    error ? request->finish(error) : live->submit(*request);
  };
  auto* executor = waiter.executor;
  delete &waiter;
  executor != nullptr ? executor->post(go) : go();
}

void Chain::capture_failed(std::deque<Waiter*>& waiters, const Failure& why) {
  Error error;
  if (!parts_.policy->hosts_first.load() || !give_up(why)) {
    error = why.code == Errc::no_space ? BlockErrc::no_space : BlockErrc::write_error;
    log::warning("writes to LUN {} fail, its snapshot cannot keep what they would overwrite: {}",
                 parts_.lun.to_string(), why.message);
  }
  for (auto* waiter : waiters) let_go(*waiter, error);
}

/// The snapshot that captures, and all that read through it, are no images any more.
/// False: that could not be made durable, so nothing may be overwritten.
bool Chain::give_up(const Failure& why) {
  auto member = active();
  if (!member) return true;
  auto reason = "its store took no more of what was overwritten: " + why.message;
  bool durable = member->give_up(reason).has_value();
  Members lost;
  auto all = members();
  for (auto at = all->rbegin(); at != all->rend() && !(*at)->whole(); ++at) lost.push_back(*at);
  durable = parts_.observer->on_invalid(parts_.lun, lost, reason) || durable;
  if (!durable) return false;
  for (const auto& one : lost) one->spoil(reason);
  needed_.store(nullptr, std::memory_order_release);
  kick();
  return true;
}

}  // namespace caisson::snapshot
