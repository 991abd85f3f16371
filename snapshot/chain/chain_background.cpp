// SPDX-License-Identifier: Apache-2.0
// What a chain does when no write waits: small steps, the most useful first.
#include <algorithm>
#include <utility>

#include "snapshot/chain/capture.hpp"
#include "snapshot/chain/lane.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

constexpr auto kAfterFailure = std::chrono::seconds(5);
/// Bytes handed on in one step.
constexpr std::uint64_t kHandedOn = std::uint64_t{1} << 20;

}  // namespace

/// The background has something to do, perhaps.
void Chain::kick() {
  {
    std::lock_guard lock(background_mutex_);
    if (closed_ || std::exchange(scheduled_, true)) return;
  }
  watched_.store(true, std::memory_order_relaxed);
  schedule(Pacer::Clock::now());
}

void Chain::schedule(Pacer::Clock::time_point when) {
  parts_.pacer->at(when, [weak = weak_from_this()] {
    if (auto self = weak.lock())
      self->parts_.threads->post(self->lane_, [self] { self->background(); });
  });
}

void Chain::background() {
  {
    std::lock_guard lock(background_mutex_);
    if (closed_) return;
    scheduled_ = false;  // who kicks from now on finds the step below too early, perhaps
  }
  auto began = Pacer::Clock::now();
  bool more = step_once();
  auto took = Pacer::Clock::now() - began;
  bool hosts = busy_.exchange(false, std::memory_order_relaxed);
  if (!more) {
    std::lock_guard lock(background_mutex_);
    if (!scheduled_) watched_.store(false, std::memory_order_relaxed);
    return;
  }
  {
    std::lock_guard lock(background_mutex_);
    if (closed_ || std::exchange(scheduled_, true)) return;
  }
  auto rest = Pace{parts_.policy->pace.load()}.rest(took, hosts);
  if (std::exchange(failing_, false)) rest = kAfterFailure;
  schedule(Pacer::Clock::now() + rest);
}

bool Chain::step() {
  return on_lane([this] { return step_once(); });
}

bool Chain::step_once() {
  {
    std::lock_guard lock(waiting_mutex_);
    if (!waiting_.empty()) return true;  // hosts come first
  }
  return drop_ghosts() || reclaim() || complete_next() || move_pre_images() || hand_on();
}

/// Whether an older one reads through the member at `index`.
bool Chain::needed_by_older(const Members& members, std::size_t index) {
  while (index-- > 0) {
    const auto& older = *members[index];
    if (older.whole()) return false;  // and none before it comes this far
    if (!older.invalid() && !older.ghost()) return true;
  }
  return false;
}

/// Takes those out of the chain that nobody sees and nobody needs, and gives back what
/// those hold that are no images any more.
bool Chain::drop_ghosts() {
  auto all = members();
  for (std::size_t i = 0; i < all->size(); ++i) {
    auto member = (*all)[i];
    if (member->invalid() && spoils_.insert(member->uuid()).second && !member->ghost()) {
      reclaim_.push_back({member, false});
      return true;
    }
    if (!member->ghost() || (!member->invalid() && needed_by_older(*all, i))) continue;
    if (needed_.load() == member->captured()) {
      needed_.store(nullptr, std::memory_order_release);
      retired_.push_back(member->share_captured());
    }
    replace([&](Members& fresh) { std::erase(fresh, member); });
    std::erase_if(reclaim_, [&](const auto& one) { return one.member == member; });
    reclaim_.push_back({std::move(member), true});
    return true;
  }
  return false;
}

bool Chain::reclaim() {
  if (reclaim_.empty()) return false;
  auto next = std::move(reclaim_.front());
  reclaim_.pop_front();
  auto& member = next.member;
  // Somebody is reading it still; of one that stays in the list, all do that look at it.
  if (next.forget && member.use_count() > 1) {
    reclaim_.push_back(std::move(next));
    return true;
  }
  auto more = member->reclaim_some();
  if (!more) {
    log::warning("space of a removed snapshot is not given back yet: {}", more.error().message);
    failing_ = true;
    reclaim_.push_back(std::move(next));
  } else if (*more) {
    reclaim_.push_front(std::move(next));
  } else if (next.forget) {
    parts_.observer->on_gone(parts_.lun, *member);
  }
  return true;
}

/// Of snapshots that share blocks, the newest one that is not whole takes from the next
/// newer one, or from the container if it is the newest of all.
bool Chain::complete_next() {
  auto all = members();
  for (auto i = all->size(); i-- > 0;) {
    const auto& member = (*all)[i];
    if (member->whole() || member->invalid()) continue;
    if (member->primitive() != Primitive::reflink) return false;
    bool newest = i + 1 == all->size();
    if (newest) return fill(member, *parts_.source);
    auto& newer = *(*all)[i + 1];
    if (newer.invalid()) return false;
    auto image = newer.image();
    if (!image) return background_failed(image.error());
    return fill(member, **image);
  }
  return false;
}

bool Chain::fill(const std::shared_ptr<Member>& member, file_store::File& from) {
  if (cursor_of_ != member->uuid()) {
    cursor_of_ = member->uuid();
    cursor_ = 0;
  }
  if (auto begun = member->begin(wall_ms()); !begun) return background_failed(begun.error());
  auto more = fill_by_reflink(*member, from, cursor_);
  if (!more) return background_failed(more.error());
  if (!*more && member->captured()->set.full()) finish(member);
  return true;
}

void Chain::finish(const std::shared_ptr<Member>& member) {
  auto done = member->complete();
  if (!done) return static_cast<void>(background_failed(done.error()));
  if (needed_.load() == member->captured()) {
    needed_.store(nullptr, std::memory_order_release);
    retired_.push_back(member->share_captured());
  }
  if (auto named = member->publish(); !named)
    log::error("snapshot '{}' is whole but cannot have its public name: {}", member->name(),
               named.error().message);
  parts_.observer->on_whole(parts_.lun, *member);
}

bool Chain::move_pre_images() {
  for (const auto& member : *members()) {
    if (member->invalid() || member->whole() || member->primitive() != Primitive::copy) continue;
    auto moved = member->move_some();
    if (!moved) return background_failed(moved.error());
    if (*moved) return true;
  }
  return false;
}

/// A ghost of the copying kind that an older one reads through: what it has and the next
/// older one has not goes there, then it is needed no more.
bool Chain::hand_on() {
  auto all = members();
  for (std::size_t i = 1; i + 1 < all->size(); ++i) {
    const auto &ghost = (*all)[i], &older = (*all)[i - 1];
    if (!ghost->ghost() || ghost->invalid() || ghost->whole() ||
        ghost->primitive() != Primitive::copy)
      continue;
    auto done = older->take_from(*ghost, cursor_of_ == ghost->uuid() ? cursor_ : 0, kHandedOn);
    if (!done) return background_failed(done.error());
    cursor_of_ = ghost->uuid();
    cursor_ = *done;
    if (cursor_ < ghost->captured()->set.size()) return true;
    replace([&](Members& fresh) { std::erase(fresh, ghost); });
    reclaim_.push_back({ghost, true});
    return true;
  }
  return false;
}

/// It is tried again after a while. A store that is full while hosts come first loses the
/// snapshots only when a host's write needs the room.
bool Chain::background_failed(const Failure& why) {
  log::warning("background work of LUN {}'s snapshots: {}", parts_.lun.to_string(), why.message);
  failing_ = true;
  return true;
}

}  // namespace caisson::snapshot
