// SPDX-License-Identifier: Apache-2.0
// Snapshots of which the catalog knows nothing, taken up from their maps
// (docs/design/capture.md, "Rebuild").
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "snapshot/format/map_reader.hpp"
#include "snapshot/format/settle.hpp"
#include "snapshot/manager/forecast.hpp"
#include "snapshot/manager/manager.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::snapshot {

using catalog::SnapshotRecord;
using catalog::SnapshotState;
using catalog::Transaction;

namespace {

bool has_name(const SnapshotRecord& record) {
  return record.state == SnapshotState::present || record.state == SnapshotState::invalid;
}

Outcome<MapContents> contents_of(const Place& place, const Uuid& snapshot, bool dry_run) {
  auto name = map_name(snapshot);
  auto file = place.open(name, {.read_only = dry_run});
  if (!file) return file.error();
  if (!dry_run)
    if (auto settled = settle(**file, place.label(name)); !settled) return settled.error();
  auto map = read_map(**file, place.label(name));
  if (map && map->header.snapshot != snapshot)
    return failure(Errc::corrupt, place.label(name) + " is the map of another snapshot");
  return map;
}

/// What its map says of it. One that was given up, or lacks something else, its chain
/// finds invalid.
SnapshotRecord record_from(const MapContents& map, bool removed) {
  SnapshotRecord record;
  record.uuid = map.header.snapshot;
  record.lun = map.header.lun;
  record.name = map.name;
  record.sequence = map.header.sequence;
  record.created_ms = map.cut_ms.value_or(map.header.cut_ms);
  record.capacity = map.header.capacity;
  record.complete = map.complete && !removed;
  record.state = removed || map.ghost ? SnapshotState::ghost
                 : map.cut_ms         ? SnapshotState::present
                                      : SnapshotState::creating;
  if (map.header.group != Uuid()) record.group = map.header.group;
  record.made_by = "rebuild";
  return record;
}

/// Its own name, or, where another has that, one with a number.
std::string free_name(const std::string& wanted, std::span<const SnapshotRecord> others) {
  auto name = wanted;
  auto taken = [&](const SnapshotRecord& other) { return has_name(other) && other.name == name; };
  for (int i = 2; std::ranges::any_of(others, taken); ++i)
    name = fmt::format("{}-{}", wanted.substr(0, 56), i);
  return name;
}

/// Of one that was not taken up although its LUN is served: nobody keeps what it lacks.
std::string passed_over_setting(const Uuid& snapshot) {
  return "snapshot_passed_over/" + snapshot.to_string();
}

}  // namespace

/// UUIDs of the maps there, with true where a removal has begun.
Outcome<std::map<Uuid, bool>> Manager::maps_in(const Place& place) {
  std::map<Uuid, bool> maps;
  auto entries = place.store->list(place.folder.name());
  if (!entries && to_errc(entries.error()) == Errc::not_found) return maps;
  if (!entries) return place.failed("list", "", entries.error());
  for (const auto& entry : *entries)
    if (auto name = parse_entry_name(entry.name); name && name->kind == EntryKind::map)
      maps.emplace(name->snapshot, false);
  for (const auto& entry : *entries)
    if (auto name = parse_entry_name(entry.name); name && name->kind == EntryKind::removed)
      if (auto map = maps.find(name->snapshot); map != maps.end()) map->second = true;
  return maps;
}

UnknownSnapshots Manager::unknown_in(const Place& place, const Uuid& lun, bool dry_run) {
  UnknownSnapshots unknown;
  auto maps = maps_in(place);
  if (!maps) {
    unknown.lost.push_back(maps.error().message);
    return unknown;
  }
  auto all = records_of(lun);
  for (const auto& record : all) maps->erase(record.uuid);
  std::vector<MapFacts> found;
  auto pass_over = [&](const Uuid& uuid, std::string why) {
    unknown.passed_over.push_back(uuid);
    unknown.lost.push_back(std::move(why));
  };
  for (const auto& [uuid, removed] : *maps) {
    auto label = place.label(map_name(uuid));
    auto map = contents_of(place, uuid, dry_run);
    if (!map)
      pass_over(uuid, map.error().message);
    else if (map->header.lun != lun)
      unknown.lost.push_back(label + " is of another LUN's snapshot");
    else if (!map->complete && was_passed_over(uuid))
      unknown.lost.push_back(label +
                             " was not to be had when its LUN was served: nobody kept what was "
                             "overwritten since");
    else
      found.push_back(
          {record_from(*map, removed), map->name, map->sealed_by, map->given_up, map->segments});
  }
  std::ranges::stable_sort(found, {}, [](const auto& one) { return one.record.sequence; });
  std::vector<MapFacts> taken;
  for (auto& one : found) {
    auto& record = one.record;
    if (std::ranges::find(all, record.sequence, &SnapshotRecord::sequence) != all.end()) {
      pass_over(record.uuid, fmt::format("{} is of cut {}, as that of another snapshot is",
                                         place.label(map_name(record.uuid)), record.sequence));
      continue;
    }
    if (has_name(record)) record.name = free_name(record.name, all);
    all.push_back(record);
    taken.push_back(std::move(one));
  }
  auto missing = missing_followers(place, all, taken);
  if (dry_run) forecast(place, missing, taken);
  unknown.passed_over.insert(unknown.passed_over.end(), missing.begin(), missing.end());
  for (auto& one : taken) unknown.snapshots.push_back(std::move(one.record));
  return unknown;
}

UnknownSnapshots Manager::find_unknown(const Uuid& lun, std::string_view name,
                                       std::string_view store) {
  auto* where = options_.luns->store(store);
  if (where == nullptr) return {};
  Place place{where, std::string(store), folder_of(name)};
  UnknownSnapshots beside;
  find_left_behind(place, lun, beside);
  auto unknown = unknown_in(place, lun, true);
  std::ranges::move(beside.lost, std::back_inserter(unknown.lost));
  return unknown;
}

/// Of a LUN whose own folder, under its name, holds nothing of it: the one that does, after
/// a rename that was cut short. What holds something besides is a copy, or cannot be told from
/// one: it may be older than what was overwritten since.
void Manager::find_left_behind(Place& place, const Uuid& lun, UnknownSnapshots& unknown) {
  auto maps_of = [&](const Place& other) {
    std::set<Uuid> found;
    if (auto maps = maps_in(other))
      for (const auto& [uuid, removed] : *maps)
        if (auto map = contents_of(other, uuid, true); map && map->header.lun == lun)
          found.insert(uuid);
    return found;
  };
  auto entries = place.store->list(kSnapshotsFolder);
  if (!entries) return;
  std::vector<std::pair<std::string, std::set<Uuid>>> others;
  for (const auto& entry : *entries) {
    auto folder = folder_of(entry.name);
    if (entry.regular || folder == place.folder.name() || !valid_name(entry.name) ||
        place.store->look_up(entry.name + ".img"))
      continue;
    if (auto maps = maps_of({place.store, place.store_name, folder}); !maps.empty())
      others.emplace_back(folder, std::move(maps));
  }
  const auto own = others.empty() ? std::set<Uuid>() : maps_of(place);
  if (own.empty() && others.size() == 1) {
    place.folder = others.front().first;
    return;
  }
  for (const auto& [folder, maps] : others) {
    unknown.lost.push_back(fmt::format("{}/{} holds snapshots of this LUN and is not its folder",
                                       place.store_name, folder));
    std::ranges::set_difference(maps, own, std::back_inserter(unknown.passed_over));
  }
}

bool Manager::was_passed_over(const Uuid& snapshot) const {
  auto noted = options_.catalog->setting(passed_over_setting(snapshot));
  return noted && noted->has_value();
}

/// What the catalog does not know of this LUN it knows from now on; true: there was some.
bool Manager::take_up_unknown(const Attachment& attachment, Place& place) {
  UnknownSnapshots beside;
  if (const auto wanted = place.folder.name(); rebuilding_.load() != 0) {
    find_left_behind(place, attachment.lun, beside);
    if (place.folder.name() != wanted)
      if (auto moved = place.move_to(wanted); !moved) log::warning("{}", moved.error().message);
  }
  auto unknown = unknown_in(place, attachment.lun, false);
  std::ranges::move(beside.lost, std::back_inserter(unknown.lost));
  std::ranges::move(beside.passed_over, std::back_inserter(unknown.passed_over));
  for (const auto& line : unknown.lost)
    log::error("LUN '{}': a snapshot cannot be taken up: {}", attachment.name, line);
  std::erase_if(unknown.passed_over, [&](const auto& uuid) { return was_passed_over(uuid); });
  if (unknown.snapshots.empty() && unknown.passed_over.empty()) return false;
  auto noted = options_.catalog->change([&](Transaction& transaction) -> Outcome<> {
    for (const auto& uuid : unknown.passed_over)
      if (auto put = transaction.put_setting(passed_over_setting(uuid), "1"); !put) return put;
    for (const auto& record : unknown.snapshots) {
      if (auto put = transaction.put_snapshot(record); !put) return put;
      if (!has_name(record)) continue;
      auto added = transaction.add_event(
          "snapshot.found", attachment.name, "caissond",
          fmt::format("snapshot '{}' is taken up: the catalog did not know it", record.name));
      if (!added) return added.error();
    }
    return {};
  });
  // The chain needs them in any case; the next start finds them again.
  if (!noted) log::warning("{}", noted.error().message);
  bool any = !unknown.snapshots.empty();
  std::lock_guard lock(mutex_);
  for (auto& record : unknown.snapshots) records_.emplace(record.uuid, std::move(record));
  return any;
}

}  // namespace caisson::snapshot
