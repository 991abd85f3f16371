// SPDX-License-Identifier: Apache-2.0
// The members of a chain: taken up, cut, renamed, removed.
#include "snapshot/chain/chain.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include "snapshot/chain/lane.hpp"
#include "snapshot/chain/waiter.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

Failure unknown(const Uuid& snapshot) {
  return failure(Errc::not_found, "there is no snapshot " + snapshot.to_string());
}

}  // namespace

Chain::Chain(ChainParts parts) : parts_(std::move(parts)) {}

Chain::~Chain() = default;

std::shared_ptr<Chain> Chain::open(ChainParts parts, std::span<const Member::Known> known,
                                   bool distrust) {
  std::shared_ptr<Chain> chain(new Chain(std::move(parts)));
  chain->load(known, distrust);
  chain->kick();
  return chain;
}

void Chain::load(std::span<const Member::Known> known, bool distrust) {
  Members members;
  for (const auto& one : known) {
    auto opened = Member::open(parts_.place, one, distrust);
    if (!opened) {
      auto damaged = one;
      damaged.invalid = opened.error().message;
      log::error("snapshot '{}': {}", one.name, damaged.invalid);
      opened = Member::open(parts_.place, damaged, distrust);
    } else if (!(*opened)->was_cut() && !(*opened)->invalid()) {
      // Nothing was ever captured for it, so nothing that it lacks was overwritten.
      reclaim_.push_back({std::move(*opened), true});
      continue;
    }
    members.push_back(std::move(*opened));
  }
  members_ = std::make_shared<const Members>(std::move(members));
  spoil_dependents();
  if (auto newest = active()) needed_.store(newest->captured(), std::memory_order_release);
}

/// What reads through one that is no image any more is none either.
void Chain::spoil_dependents() {
  const auto& members = *members_;
  std::vector<std::shared_ptr<Member>> spoiled;
  const Member* broken = nullptr;
  for (auto at = members.rbegin(); at != members.rend(); ++at) {
    auto& member = **at;
    if (member.whole() && !member.invalid()) {
      broken = nullptr;
    } else if (member.invalid()) {
      broken = &member;
      spoiled.push_back(*at);
    } else if (broken != nullptr) {
      member.spoil("it reads through '" + broken->name() + "': " + broken->why_invalid());
      spoiled.push_back(*at);
    }
  }
  for (const auto& member : spoiled)
    (void)parts_.observer->on_invalid(parts_.lun, {&member, 1}, member->why_invalid());
}

/// The newest one, if it still captures.
std::shared_ptr<Member> Chain::active() const {
  auto all = members();
  if (all->empty() || all->back()->whole() || all->back()->invalid()) return nullptr;
  return all->back();
}

std::shared_ptr<const Chain::Members> Chain::members() const {
  std::lock_guard lock(members_mutex_);
  return members_;
}

void Chain::replace(const std::function<void(Members&)>& change) {
  std::lock_guard lock(members_mutex_);
  auto fresh = std::make_shared<Members>(*members_);
  change(*fresh);
  members_ = std::move(fresh);
}

std::shared_ptr<Member> Chain::find(const Uuid& snapshot) const {
  auto all = members();
  auto at = std::ranges::find(*all, snapshot, [](const auto& member) { return member->uuid(); });
  return at == all->end() ? nullptr : *at;
}

bool Chain::shares_blocks() const {
  return std::ranges::any_of(*members(), [](const auto& member) {
    return !member->invalid() && (member->whole() || member->primitive() == Primitive::reflink);
  });
}

Outcome<std::shared_ptr<Member>> Chain::prepare(const MapHeader& header) {
  return Member::create(parts_.place, header);
}

void Chain::switch_to(std::shared_ptr<Member> member) noexcept {
  needed_.store(member->captured(), std::memory_order_release);
  replace([&](Members& all) { all.push_back(std::move(member)); });
}

Outcome<> Chain::commit(const std::shared_ptr<Member>& member) {
  auto done = on_lane([&]() -> Outcome<> {
    retired_.clear();  // a cut has passed since: nobody looks at them any more
    auto begun = member->begin(wall_ms());
    if (!begun) return begun;
    auto all = members();
    auto at = std::ranges::find(*all, member);
    if (at != all->begin() && at != all->end() && !(*(at - 1))->whole())
      (*(at - 1))->seal(member->uuid());
    return {};
  });
  kick();
  return done;
}

void Chain::discard(const std::shared_ptr<Member>& member) {
  (void)on_lane([&] {
    reclaim_.push_back({member, true});
    return true;
  });
  kick();
}

Outcome<> Chain::remove(const Uuid& snapshot) {
  auto member = find(snapshot);
  if (!member) return unknown(snapshot);
  auto hidden = on_lane([&] { return member->hide(); });
  kick();
  return hidden;
}

Outcome<> Chain::rename(const Uuid& snapshot, const std::string& name) {
  auto member = find(snapshot);
  if (!member) return unknown(snapshot);
  return on_lane([&] { return member->rename(name); });
}

Outcome<> Chain::capture(std::uint64_t offset, std::uint64_t length) {
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
  for (auto end = offset + length; offset < end;) {
    auto piece = std::min(kPiece, end - offset);
    auto done = on_lane([&]() -> Outcome<> {
      auto member = active();
      if (!member) return {};
      const auto& captured = *member->captured();
      std::vector<Run> wanted;
      captured.set.absent_runs(offset >> captured.shift,
                               ((offset + piece - 1) >> captured.shift) + 1, wanted);
      return wanted.empty() ? Outcome<>() : capture_units(*member, std::move(wanted));
    });
    if (!done) return done;
    offset += piece;
  }
  return {};
}

void Chain::close() {
  needed_.store(nullptr, std::memory_order_release);
  {
    std::lock_guard lock(background_mutex_);
    closed_ = true;
  }
  parts_.threads->drain(lane_);
}

}  // namespace caisson::snapshot
