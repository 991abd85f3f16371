// SPDX-License-Identifier: Apache-2.0
// The members of a chain: cut, renamed, removed.
#include "snapshot/chain/chain.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <future>
#include <utility>

#include "snapshot/chain/lane.hpp"
#include "snapshot/chain/waiter.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

constexpr int kPasses = 8;
constexpr auto kLittle = std::chrono::milliseconds(50);

/// What is written meanwhile is cached again: until that is little.
void write_back_cached(file_store::File& file, std::chrono::steady_clock::time_point until) {
  using Clock = std::chrono::steady_clock;
  auto size = file.attributes();
  if (!size) return;
  const std::array<file_store::ByteRange, 1> all{{{0, size->size}}};
  for (int pass = 0; pass < kPasses; ++pass) {
    auto began = Clock::now();
    file.write_back(all);
    auto now = Clock::now();
    if (now - began < kLittle || now >= until) return;
  }
}

Failure unknown(const Uuid& snapshot) {
  return failure(Errc::not_found, "there is no snapshot " + snapshot.to_string());
}

}  // namespace

Chain::Chain(ChainParts parts) : parts_(std::move(parts)) {}

Chain::~Chain() = default;

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
  std::shared_ptr<const Members> old;  // what it alone holds goes without the lock
  std::lock_guard lock(members_mutex_);
  auto fresh = std::make_shared<Members>(*members_);
  change(*fresh);
  fresh->tidy();
  old = std::exchange(members_, std::move(fresh));
}

std::shared_ptr<Member> Chain::find(const Uuid& snapshot) const {
  auto all = members();
  auto at = all->find(snapshot);
  return at == all->size() ? nullptr : (*all)[at];
}

bool Chain::shares_blocks() const {
  if (!parts_.source->traits().clone) return false;  // whole ones were copied
  if (removing_.load()) return true;
  return std::ranges::any_of(*members(), [](const auto& member) {
    return !member->invalid() && (member->whole() || member->primitive() == Primitive::reflink);
  });
}

Outcome<std::shared_ptr<Member>> Chain::prepare(const MapHeader& header) {
  Use use(*this);
  if (!use) return Use::refused();
  return Member::create(parts_.place, header);
}

std::future<void> Chain::write_back(std::chrono::milliseconds limit) {
  std::promise<void> none;
  none.set_value();
  if (writing_back_.exchange(true)) return none.get_future();  // an earlier one hangs
  auto written = std::make_shared<std::promise<void>>();
  auto until = std::chrono::steady_clock::now() + limit;
  auto work = [self = shared_from_this(), written, until] {
    if (Use use(*self); use) write_back_cached(*self->parts_.source, until);
    self->writing_back_.store(false);
    written->set_value();
  };
  if (parts_.threads->post(write_back_lane_, work)) return written->get_future();
  writing_back_.store(false);
  return none.get_future();
}

Outcome<> Chain::clean_up(const Uuid& snapshot) {
  Use use(*this);
  if (!use) return Use::refused();
  return Member::clean_up(parts_.place, snapshot);
}

void Chain::switch_to(std::shared_ptr<Member> member) noexcept {
  needed_.store(member->captured().get(), std::memory_order_release);
  switches_.fetch_add(1);
  replace([&](Members& all) { all.push_back(std::move(member)); });
}

Outcome<> Chain::commit(const std::shared_ptr<Member>& member) {
  auto done = on_lane([&]() -> Outcome<> {
    // A switch has passed since: nobody looks at them any more.
    std::erase_if(retired_, [&](const auto& one) { return one.switches < switches_.load(); });
    auto begun = member->begin(wall_ms());
    if (!begun) return begun;
    auto all = members();
    auto at = std::ranges::find(*all, member);
    if (at == all->begin() || at == all->end()) return {};
    auto& before = **(at - 1);
    if (!before.whole() && !before.invalid()) before.seal(member->uuid());
    return {};
  });
  kick();
  return done;
}

void Chain::discard(const std::shared_ptr<Member>& member) {
  (void)on_lane([&]() -> Outcome<> {
    remove_later({member, true});
    return {};
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

void Chain::renamed(std::string_view lun) {
  if (Use use(*this); !use) return;
  if (auto moved = parts_.place.move_to(folder_of(lun)); !moved)
    log::warning("{}", moved.error().message);
}

Outcome<> Chain::capture(std::uint64_t offset, std::uint64_t length) {
  Waiter waiter{.length = length, .next = offset};
  while (waiter.length != 0) {
    auto done = on_lane([&]() -> Outcome<> {
      std::deque<Waiter*> one{&waiter};
      if (!active()) waiter.length = 0;
      return capture_for(one);
    });
    if (!done) return done;
  }
  return {};
}

/// No hot path begins to look at its units from here on; one that does still is finished
/// before the next switch.
void Chain::need_no_more(const Member& member) {
  auto units = member.captured();
  const auto* expected = units.get();
  if (units && needed_.compare_exchange_strong(expected, nullptr))
    retired_.push_back({std::move(units), switches_.load()});
}

void Chain::close() {
  if (closed_.exchange(true)) return;  // the parts may be gone
  needed_.store(nullptr, std::memory_order_release);
  for (auto users = users_.load(); users != 0; users = users_.load()) users_.wait(users);
  parts_.threads->drain(lane_);
  if (!index_) return;
  if (auto closed = index_->close(); !closed) log::info("{}", closed.error().message);
  if (members_->empty()) CaptureIndex::discard(parts_.index);
}

}  // namespace caisson::snapshot
