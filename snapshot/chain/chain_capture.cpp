// SPDX-License-Identifier: Apache-2.0
// Rounds of captures: what hosts' writes wait for.
#include <algorithm>
#include <utility>

#include "snapshot/chain/capture.hpp"
#include "snapshot/chain/lane.hpp"
#include "snapshot/chain/waiter.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

using block::BlockErrc;
using block::IoRequest;

/// Of one write a round, so that a long one does not keep the short ones waiting; and of
/// all. Holes, which cost nothing, do not count.
constexpr std::uint64_t kPiece = std::uint64_t{4} << 20;
constexpr std::uint64_t kRound = std::uint64_t{16} << 20;
/// Segments that may wait to be moved: what they hold is known in memory.
constexpr std::size_t kMostSegments = 16;
/// A round waits for others so much of what the last one took, and no longer than that.
constexpr int kPatience = 8;
constexpr std::chrono::milliseconds kLongestGather{5};
constexpr std::uint64_t kUnitsOfMove = 256;  // about what one step moves

}  // namespace

void Chain::hold_back(IoRequest& request) {
  auto* waiter = new Waiter{&request, Executor::current(), request.length, request.offset};
  {
    std::lock_guard lock(waiting_mutex_);
    waiting_.push_back(waiter);
    if (std::exchange(working_, true)) {
      if (waiting_.size() >= expected_) enough_.notify_one();
      return;
    }
  }
  post_work();
}

void Chain::post_work() {
  if (parts_.threads->post(lane_, [self = shared_from_this()] { self->work(); })) return;
  // The threads have been stopped: nothing can be captured any more.
  auto waiters = take_waiters();
  {
    std::lock_guard lock(waiting_mutex_);
    working_ = false;
  }
  for (auto* waiter : waiters) let_go(*waiter, BlockErrc::offline);
}

/// One round, then whatever else waits for the lane.
void Chain::work() {
  gather();
  auto waiters = take_waiters();
  const auto began = std::chrono::steady_clock::now();
  if (!waiters.empty()) round(waiters);
  round_took_ = std::chrono::steady_clock::now() - began;
  {
    std::lock_guard lock(waiting_mutex_);
    working_ = !waiting_.empty();
    if (!working_) return;
  }
  post_work();
}

/// Those that the last round let go come again soon: one that came first waits a little for
/// them, else they would wait for a round of its own.
void Chain::gather() {
  const auto patience = std::min<std::chrono::nanoseconds>(round_took_ / kPatience, kLongestGather);
  std::unique_lock lock(waiting_mutex_);
  if (expected_ > 1)
    enough_.wait_for(lock, patience, [this] { return waiting_.size() >= expected_; });
}

std::deque<Chain::Waiter*> Chain::take_waiters() {
  std::lock_guard lock(waiting_mutex_);
  return std::exchange(waiting_, {});
}

void Chain::round(std::deque<Waiter*>& waiters) {
  if (auto captured = capture_for(waiters); !captured)
    return capture_failed(waiters, captured.error());
  std::deque<Waiter*> rest;
  const auto all = waiters.size();
  for (auto* waiter : waiters)
    holds_back(waiter->next, waiter->length) ? rest.push_back(waiter) : let_go(*waiter, {});
  // They were first, and go on with those that have come meanwhile.
  std::lock_guard lock(waiting_mutex_);
  expected_ = all + waiting_.size();
  waiting_.insert(waiting_.begin(), rest.begin(), rest.end());
}

/// How far what it waits for is a hole of the container.
std::uint64_t Chain::hole_after(const Waiter& waiter) const {
  auto data = parts_.source->seek_data(waiter.next, waiter.length);
  return data ? *data - waiter.next : 0;
}

/// Captures the next piece of each.
Outcome<> Chain::capture_for(std::deque<Waiter*>& waiters) {
  auto member = active();
  if (!member) return needed_.load() == nullptr ? Outcome<>() : tell_invalid();
  auto units = member->captured();
  std::vector<Run> wanted;
  std::uint64_t round = 0;
  for (auto* waiter : waiters) {
    auto piece = std::min(waiter->length, kPiece);
    if (piece == 0 || round >= kRound) continue;
    round += piece;
    if (waiter->length > piece) piece = std::max(piece, hole_after(*waiter));
    auto end = waiter->next + piece;
    units->set.absent_runs(waiter->next >> units->shift, ((end - 1) >> units->shift) + 1, wanted);
    waiter->next = end;
    waiter->length -= piece;
  }
  wanted = merged(std::move(wanted));
  return wanted.empty() ? Outcome<>() : capture_units(*member, std::move(wanted));
}

Outcome<> Chain::capture_units(Member& member, std::vector<Run> wanted) {
  if (member.primitive() == Primitive::copy) {
    auto captured = capture_by_copy(member, *parts_.live, *parts_.source, wanted, wall_ms());
    std::uint64_t units = 0;
    for (const auto& run : wanted) units += run.count;
    if (captured) relieve(member, units);
    return captured;
  }
  if (auto begun = member.begin(wall_ms()); !begun) return begun;
  return capture_by_reflink(member, *parts_.source, wanted, clone_cost_);
}

/// Where the background does not keep up with what hosts overwrite, they wait for it.
void Chain::relieve(Member& member, std::uint64_t units) {
  for (std::uint64_t moved = 0; moved < 2 * units; moved += kUnitsOfMove) {
    if (member.pre_images().movable_segments() <= kMostSegments) return;
    if (auto done = member.move_some(); !done || !*done) return;
  }
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

/// No snapshot goes for what the gateway does itself: a restore would lose its own.
void Chain::capture_failed(std::deque<Waiter*>& waiters, const Failure& why) {
  Error error;
  bool hosts = std::ranges::any_of(waiters, [](const Waiter* waiter) {
    return waiter->request->context.priority == block::Priority::host;
  });
  if (!hosts || !parts_.policy->hosts_first.load() || !give_up(why)) {
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
  if (!member) return false;
  auto reason = "its store took no more of what was overwritten: " + why.message;
  bool durable = member->give_up(reason).has_value();
  std::vector<std::shared_ptr<Member>> lost;
  auto all = members();
  for (auto at = all->rbegin(); at != all->rend() && !(*at)->self_contained(); ++at)
    if (!(*at)->invalid()) lost.push_back(*at);
  bool told = parts_.observer->on_invalid(parts_.lun, lost, reason);
  if (!durable && !told) return false;
  for (const auto& one : lost) {
    one->spoil(reason);
    remove_later({one, false});
  }
  if (!told) untold_.insert(untold_.end(), lost.begin(), lost.end());
  need_no_more(*member);
  kick();
  return true;
}

}  // namespace caisson::snapshot
