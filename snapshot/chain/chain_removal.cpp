// SPDX-License-Identifier: Apache-2.0
// How snapshots leave a chain, in small steps, and what older ones need of them stays.
#include <algorithm>
#include <utility>

#include "snapshot/chain/lane.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

/// Bytes handed on in one step.
constexpr std::uint64_t kHandedOn = std::uint64_t{1} << 20;

bool takes_by_copy(const Member& member) {
  return !member.whole() && !member.invalid() && member.primitive() == Primitive::copy;
}

}  // namespace

/// Whether an older one reads through the member at `index`.
bool Chain::needed_by_older(const Members& members, std::size_t index) {
  while (index-- > 0) {
    const auto& older = *members[index];
    if (older.invalid()) continue;
    if (older.self_contained()) return false;  // and none before it comes this far
    if (!older.ghost()) return true;
  }
  return false;
}

/// Takes those out of the chain that nobody sees and nobody needs.
Chain::Step Chain::drop_ghosts() {
  auto all = members();
  for (std::size_t i = 0; i < all->size(); ++i) {
    const auto& member = (*all)[i];
    if (!member->ghost()) continue;
    // What an invalid one says of those that read through it, their rows must say first.
    if (member->invalid() ? !untold_.empty() : needed_by_older(*all, i)) continue;
    drop(member);
    return Step::worked;
  }
  return Step::idle;
}

void Chain::drop(const std::shared_ptr<Member>& member) {
  need_no_more(*member);
  replace([&](Members& all) { std::erase(all, member); });
  std::erase_if(removals_, [&](const auto& one) { return one.member == member; });
  remove_later({member, true});
}

void Chain::remove_later(Removal removal) {
  removals_.push_back(std::move(removal));
  removing_.store(true);
}

Chain::Step Chain::give_space_back() {
  auto result = Step::idle;
  for (auto at = removals_.begin(); at != removals_.end(); ++at) {
    // Somebody reads it still; of one that stays in the list, all that do look at it again.
    bool read = at->forget && at->member.use_count() > 1;
    if (read || (at->member->invalid() && !untold_.empty())) {
      result = Step::later;
      continue;
    }
    auto removal = std::move(*at);
    removals_.erase(at);
    auto more = remove_some(removal);
    if (!more || *more) removals_.push_back(std::move(removal));
    removing_.store(!removals_.empty());
    return more ? Step::worked : background_failed(more.error());
  }
  return result;
}

/// False: there is nothing left of it.
Outcome<bool> Chain::remove_some(Removal& removal) {
  auto& member = *removal.member;
  if (!removal.begun && !std::exchange(removal.unindexed, true)) {
    auto more = unindex_some(removal);
    if (!more || *more) removal.unindexed = false;
    return more ? Outcome<bool>(true) : more;
  }
  if (!removal.begun) {
    if (auto begun = member.begin_removal(); !begun) return begun.error();
    return removal.begun = true;
  }
  auto more = member.reclaim_some();
  if (!more || *more) return more;
  if (removal.forget && !parts_.observer->on_gone(parts_.lun, member))
    return failure(Errc::io_error, "the catalog does not forget a snapshot that is gone");
  if (auto ended = member.end_removal(); !ended)
    log::warning("{}", ended.error().message);  // the next start does it
  return false;
}

/// A ghost of the copying kind that an older one reads through: what it has and the next
/// older one has not goes there, then it is needed no more.
Chain::Step Chain::hand_on() {
  auto all = members();
  for (std::size_t i = 1; i + 1 < all->size(); ++i) {
    const auto &ghost = (*all)[i], &older = (*all)[i - 1];
    if (!ghost->ghost() || !takes_by_copy(*ghost) || !takes_by_copy(*older) ||
        ghost->unit() != older->unit() || !(*all)[i + 1]->was_cut())
      continue;
    if (std::exchange(cursor_of_, ghost->uuid()) != ghost->uuid()) cursor_ = 0;
    for (const auto& one : {ghost, older})
      if (auto unfolded = unfold(*one); !unfolded) return background_failed(unfolded.error());
    auto done = older->take_from(*ghost, cursor_, kHandedOn);
    if (!done) return background_failed(done.error());
    cursor_ = *done;
    if (cursor_ < ghost->set().size()) return Step::worked;
    // Who has no catalog goes by this: without it the older one would be taken for damaged.
    if (auto sealed = older->seal_again((*all)[i + 1]->uuid()); !sealed)
      return background_failed(sealed.error());
    drop(ghost);
    return Step::worked;
  }
  return Step::idle;
}

}  // namespace caisson::snapshot
