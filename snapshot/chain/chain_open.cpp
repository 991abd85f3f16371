// SPDX-License-Identifier: Apache-2.0
// The snapshots that a chain finds when it begins.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "snapshot/chain/index_batch.hpp"
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

/// What is found on the way.
struct Chain::Loading {
  Outcome<FolderContents> folder;
  std::map<Uuid, std::uint64_t> folded = {};    ///< what they captured is in the index
  std::set<Uuid> untouched = {};                ///< their maps are durable
  std::unique_ptr<IndexBatch> batch = nullptr;  ///< others that go there
  bool broken = false;                          ///< some did not get there
  std::set<Uuid> there = {};                    ///< all that somebody knows of
  std::vector<std::shared_ptr<Member>> members = {};

  Outcome<std::shared_ptr<Member>> open(const Place& place, const Member::Known& known,
                                        bool newest) {
    if (!folder && !known.whole) return folder.error();
    auto found = folder ? &*folder : &none;
    bool plain = newest || known.whole || known.creating || !known.invalid.empty() || !batch ||
                 found->removed.contains(known.uuid) || found->segments.contains(known.uuid);
    if (plain) return Member::open(place, known, *found);
    if (auto units = folded.find(known.uuid); units != folded.end())
      return Member::open_folded(place, known, units->second);
    if (batch->large() && !batch->flush()) {
      broken = true;
      batch.reset();
      return Member::open(place, known, *found);
    }
    batch->begin(known.sequence);
    auto opened = Member::open_into(place, known, *found, *batch, untouched.contains(known.uuid));
    batch->end(opened ? *opened : nullptr);
    return opened;
  }
  const FolderContents none = {};
};

std::shared_ptr<Chain> Chain::open(ChainParts parts, std::span<const Member::Known> known) {
  std::shared_ptr<Chain> chain(new Chain(std::move(parts)));
  chain->load(known);
  chain->kick();
  return chain;
}

void Chain::load(std::span<const Member::Known> known) {
  Loading loading{.folder = find_files()};
  if (known.size() > 1 && !parts_.source->traits().clone)
    if (auto open = index()) {
      loading.batch = std::make_unique<IndexBatch>(**open);
      loading.untouched = (*open)->untouched();
      if (auto complete = (*open)->complete()) loading.folded = std::move(*complete);
    }
  if (loading.folder) loading.there = loading.folder->removed;
  for (const auto& one : known) loading.there.insert(one.uuid);
  for (const auto& one : known) {
    auto member = load_one(one, &one == &known.back(), loading);
    if (loading.folder) loading.folder->removed.erase(one.uuid);
    // Nothing was ever captured for one without a cut: nothing that it lacks was overwritten.
    bool goes = member->removed() || (!member->was_cut() && !member->invalid());
    bool stays = !goes || (member->invalid() && !member->ghost());
    if (goes) remove_later({member, !stays});
    if (stays) loading.members.push_back(std::move(member));
  }
  find_missing(loading);
  finish_loading(loading);
  spoil_dependents();
  auto newest = active();
  needed_.store(newest ? newest->captured().get() : nullptr, std::memory_order_release);
  auto told = tell_invalid();
  if (!told && !members_->empty() && members_->back()->invalid())
    needed_.store(&nothing(), std::memory_order_release);
}

/// What one that followed has captured nobody knows any more if its files are gone and no
/// row tells of it.
void Chain::find_missing(Loading& loading) {
  for (const auto& member : loading.members) {
    const auto& by = member->sealed_by();
    bool has_all = member->captured_units() > (member->capacity() - 1) / member->unit();
    if (member->whole() || has_all || member->invalid() || !by || loading.there.contains(*by))
      continue;
    member->spoil("the snapshot that followed it, " + by->to_string() + ", is missing");
    untold_.push_back(member);
    loading.broken = index_ != nullptr;  // it may know that one, and its number be used again
  }
}

void Chain::finish_loading(Loading& loading) {
  auto& members = loading.members;
  if (loading.broken || (loading.batch && !loading.batch->flush())) distrust_index();
  for (std::size_t i = 0; i + 1 < members.size(); ++i) members[i]->pre_images().seal();
  if (!members.empty())
    if (auto unfolded = unfold(*members.back()); !unfolded)
      members.back()->spoil(unfolded.error().message);
  replace([&](Members& all) { std::ranges::move(members, std::back_inserter(all)); });
  if (loading.folder)  // the rows of these have gone already
    for (const auto& uuid : loading.folder->removed) (void)parts_.place.remove(removed_name(uuid));
}

/// Names that a killed process gave may not be durable yet: what is written to such a file
/// would go with its name.
Outcome<FolderContents> Chain::find_files() {
  const auto& place = parts_.place;
  if (auto found = place.store->look_up(place.folder.name());
      to_errc(found.error()) == Errc::not_found)
    return FolderContents();
  if (auto synced = place.sync(); !synced) return synced.error();
  return place.list();
}

std::shared_ptr<Member> Chain::load_one(const Member::Known& known, bool newest, Loading& loading) {
  auto opened = loading.open(parts_.place, known, newest);
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

void Chain::check_public(const Uuid& snapshot) {
  auto member = find(snapshot);
  if (!member || member->check_public()) return;
  auto done = on_lane([&]() -> Outcome<> {
    auto why = member->check_public();  // nothing else happens to it meanwhile
    if (why || why.error().code != Errc::corrupt) return {};
    member->spoil(why.error().message);
    untold_.push_back(member);
    spoil_dependents();
    return tell_invalid();
  });
  if (!done) log::warning("{}", done.error().message);
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
