// SPDX-License-Identifier: Apache-2.0
// What a chain does when no write waits: small steps, the most useful first.
#include <algorithm>
#include <array>
#include <utility>

#include "snapshot/chain/capture.hpp"
#include "snapshot/chain/lane.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

constexpr auto kAfterFailure = std::chrono::seconds(5);
constexpr auto kAfterWaiting = std::chrono::milliseconds(20);

}  // namespace

/// The background has something to do, perhaps.
void Chain::kick() {
  {
    std::lock_guard lock(background_mutex_);
    if (std::exchange(scheduled_, true)) return;
  }
  pace_.watch(true);
  schedule(pace_.now());
}

void Chain::schedule(Pacer::Clock::time_point when) {
  Use use(*this);
  if (!use) return;
  parts_.pacer->at(when, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    if (Use open(*self); open)
      self->parts_.threads->post(self->lane_, [self] { self->background(); });
  });
}

void Chain::background() {
  if (closed_.load()) return;
  {
    std::lock_guard lock(background_mutex_);
    scheduled_ = false;  // who kicks from now on finds the step below too early, perhaps
  }
  auto done = pace_.step([this] { return step_once(); });
  {
    std::lock_guard lock(background_mutex_);
    if (scheduled_) return;
    scheduled_ = done != Step::idle;
    if (!scheduled_) return pace_.watch(false);
  }
  switch (done) {
    case Step::idle: return;
    case Step::worked: return schedule(pace_.due(parts_.policy->pace));
    case Step::later: return schedule(pace_.now() + kAfterWaiting);
    case Step::failed: return schedule(pace_.now() + kAfterFailure);
  }
}

bool Chain::step() {
  bool worked = false;
  auto done = on_lane([&]() -> Outcome<> {
    worked = pace_.step([this] { return step_once(); }) == Step::worked;
    return {};
  });
  return done && worked;
}

Chain::Step Chain::step_once() {
  {
    std::lock_guard lock(waiting_mutex_);
    if (!waiting_.empty()) return Step::later;  // hosts come first
  }
  using Kind = Step (Chain::*)();
  constexpr std::array<Kind, 5> kKinds{&Chain::give_space_back, &Chain::complete_next,
                                       &Chain::move_pre_images, &Chain::hand_on, &Chain::fold_some};
  auto result = std::max({remake_index(), tell_invalid_again(), drop_ghosts()});
  auto first = turn_++;  // none waits for all of another's
  for (std::size_t i = 0; i < kKinds.size() && result != Step::worked; ++i)
    result = std::max(result, (this->*kKinds[(first + i) % kKinds.size()])());
  return result;
}

Chain::Step Chain::tell_invalid_again() {
  if (untold_.empty()) return Step::idle;
  auto told = tell_invalid();
  return told ? Step::worked : background_failed(told.error());
}

/// Of snapshots that share blocks, the newest one that is not whole takes from the next
/// newer one, or from the container if it is the newest of all.
Chain::Step Chain::complete_next() {
  auto all = members();
  for (auto i = all->size(); i-- > 0;) {
    const auto& member = (*all)[i];
    if (member->whole() || member->invalid()) continue;
    if (member->primitive() != Primitive::reflink) return Step::idle;
    if (i + 1 == all->size()) return fill(member, *parts_.source);
    auto& newer = *(*all)[i + 1];
    if (newer.invalid()) return Step::idle;
    auto image = newer.image();
    if (!image) return background_failed(image.error());
    return fill(member, **image);
  }
  return Step::idle;
}

Chain::Step Chain::fill(const std::shared_ptr<Member>& member, file_store::File& from) {
  if (std::exchange(cursor_of_, member->uuid()) != member->uuid()) cursor_ = 0;
  if (auto begun = member->begin(wall_ms()); !begun) return background_failed(begun.error());
  auto filled = fill_by_reflink(*member, from, cursor_, clone_cost_);
  if (!filled) {
    cursor_ = 0;  // what was not recorded lies before it
    return background_failed(filled.error());
  }
  return member->set().full() ? finish(member) : Step::worked;
}

Chain::Step Chain::finish(const std::shared_ptr<Member>& member) {
  if (auto done = member->complete(); !done) return background_failed(done.error());
  need_no_more(*member);
  member->forget_captured();
  if (auto named = member->publish(); !named)
    log::error("snapshot '{}' is whole but cannot have its public name: {}", member->name(),
               named.error().message);
  parts_.observer->on_whole(parts_.lun, *member);
  return Step::worked;
}

Chain::Step Chain::move_pre_images() {
  for (const auto& member : *members()) {
    if (member->invalid() || member->whole() || member->primitive() != Primitive::copy) continue;
    auto moved = member->move_some();
    if (!moved) return background_failed(moved.error());
    if (*moved) return Step::worked;
  }
  return Step::idle;
}

/// It is tried again after a while. A store that is full while hosts come first loses the
/// snapshots only when a host's write needs the room.
Chain::Step Chain::background_failed(const Failure& why) {
  if (std::exchange(background_said_, why.message) != why.message)
    log::warning("background work of LUN {}'s snapshots: {}", parts_.lun.to_string(), why.message);
  return Step::failed;
}

}  // namespace caisson::snapshot
