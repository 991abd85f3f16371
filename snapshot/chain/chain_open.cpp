// SPDX-License-Identifier: Apache-2.0
// The snapshots that a chain finds when it begins.
#include <algorithm>
#include <utility>

#include "snapshot/chain/lane.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

/// Covers nothing: all changes wait.
const CapturedUnits& nothing() {
  static const CapturedUnits units(1, 63);
  return units;
}

}  // namespace

std::shared_ptr<Chain> Chain::open(ChainParts parts, std::span<const Member::Known> known,
                                   [[maybe_unused]] bool distrust) {
  std::shared_ptr<Chain> chain(new Chain(std::move(parts)));
  chain->load(known);
  chain->kick();
  return chain;
}

void Chain::load(std::span<const Member::Known> known) {
  auto folder = find_files();
  Members members;
  for (const auto& one : known) {
    auto member = load_one(one, folder);
    if (folder) folder->removed.erase(one.uuid);
    // Nothing was ever captured for one without a cut: nothing that it lacks was overwritten.
    bool goes = member->removed() || (!member->was_cut() && !member->invalid());
    bool stays = !goes || (member->invalid() && !member->ghost());
    if (goes) removals_.push_back({member, !stays});
    if (stays) members.push_back(std::move(member));
  }
  for (std::size_t i = 0; i + 1 < members.size(); ++i) members[i]->pre_images().seal();
  members_ = std::make_shared<const Members>(std::move(members));
  if (folder)  // the rows of these have gone already
    for (const auto& uuid : folder->removed) (void)parts_.place.remove(removed_name(uuid));
  spoil_dependents();
  auto newest = active();
  needed_.store(newest ? newest->captured().get() : nullptr, std::memory_order_release);
  auto told = tell_invalid();
  if (!told && !members_->empty() && members_->back()->invalid())
    needed_.store(&nothing(), std::memory_order_release);
}

/// Names that a killed process gave may not be durable yet: what is written to such a file
/// would go with its name.
Outcome<FolderContents> Chain::find_files() {
  const auto& place = parts_.place;
  if (auto found = place.store->look_up(place.folder); to_errc(found.error()) == Errc::not_found)
    return FolderContents();
  if (auto synced = place.sync(); !synced) return synced.error();
  return place.list();
}

std::shared_ptr<Member> Chain::load_one(const Member::Known& known,
                                        const Outcome<FolderContents>& folder) {
  auto opened = folder || known.whole
                    ? Member::open(parts_.place, known, folder ? *folder : FolderContents())
                    : folder.error();
  if (!opened) {
    log::error("snapshot '{}': {}", known.name, opened.error().message);
    auto damaged = known;
    damaged.invalid = opened.error().message;
    opened = Member::open(parts_.place, damaged, FolderContents());
  }
  auto member = *opened;
  if (member->invalid() && known.invalid.empty()) untold_.push_back(member);
  if (member->whole() && !member->invalid()) settle_whole(known, *member);
  return member;
}

/// It has the name that it shall have, and the catalog knows that it is whole.
void Chain::settle_whole(const Member::Known& known, Member& member) {
  if (auto named = member.ghost() ? member.hide() : member.publish(); !named)
    log::error("snapshot '{}' has not the name that it should: {}", member.name(),
               named.error().message);
  if (!known.whole) parts_.observer->on_whole(parts_.lun, member);
}

/// What reads through one that is no image any more is none either.
void Chain::spoil_dependents() {
  const Member* broken = nullptr;
  for (auto at = members_->rbegin(); at != members_->rend(); ++at) {
    auto& member = **at;
    if (member.invalid()) {
      broken = &member;
    } else if (member.self_contained()) {
      broken = nullptr;
    } else if (broken != nullptr) {
      member.spoil("it reads through '" + broken->name() + "': " + broken->why_invalid());
      untold_.push_back(*at);
    }
  }
}

/// Until the catalog says so a start might take them for images. While a newer one
/// captures, or is whole, that would do no harm.
Outcome<> Chain::tell_invalid() {
  while (!untold_.empty()) {
    const auto& member = untold_.back();
    if (!parts_.observer->on_invalid(parts_.lun, {&member, 1}, member->why_invalid()))
      return failure(Errc::io_error,
                     "the catalog does not take that snapshot '" + member->name() + "' is lost");
    untold_.pop_back();
  }
  // If all changes had to wait for this.
  const auto* waited = &nothing();
  auto newest = active();
  needed_.compare_exchange_strong(waited, newest ? newest->captured().get() : nullptr);
  return {};
}

}  // namespace caisson::snapshot
