// SPDX-License-Identifier: Apache-2.0
// Snapshots of which the catalog knows nothing, taken up from their maps
// (docs/design/capture.md, "Rebuild").
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "snapshot/format/map_reader.hpp"
#include "snapshot/format/settle.hpp"
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
  std::vector<SnapshotRecord> found;
  for (const auto& [uuid, removed] : *maps) {
    auto map = contents_of(place, uuid, dry_run);
    if (!map)
      unknown.lost.push_back(map.error().message);
    else if (map->header.lun == lun)
      found.push_back(record_from(*map, removed));
    else
      unknown.lost.push_back(place.label(map_name(uuid)) + " is of another LUN's snapshot");
  }
  std::ranges::sort(found, {}, &SnapshotRecord::sequence);
  for (auto& record : found) {
    if (std::ranges::find(all, record.sequence, &SnapshotRecord::sequence) != all.end()) {
      unknown.lost.push_back(fmt::format("{} is of cut {}, as that of another snapshot is",
                                         place.label(map_name(record.uuid)), record.sequence));
      continue;
    }
    if (has_name(record)) record.name = free_name(record.name, all);
    all.push_back(record);
    unknown.snapshots.push_back(std::move(record));
  }
  return unknown;
}

UnknownSnapshots Manager::find_unknown(const Uuid& lun, std::string_view name,
                                       std::string_view store) {
  auto* where = options_.luns->store(store);
  if (where == nullptr) return {};
  Place place{where, std::string(store), folder_of(name)};
  if (auto folder = folder_left_behind(place, lun)) place.folder = *folder;
  return unknown_in(place, lun, true);
}

/// A folder of a LUN that is not there under that name, with a map of this one's: after a
/// rename that was cut short. nullopt: it has its own, or none.
std::optional<std::string> Manager::folder_left_behind(const Place& place, const Uuid& lun) {
  if (place.store->look_up(place.folder.name())) return std::nullopt;
  auto entries = place.store->list(kSnapshotsFolder);
  if (!entries) return std::nullopt;
  for (const auto& entry : *entries) {
    if (entry.regular || !valid_name(entry.name) || place.store->look_up(entry.name + ".img"))
      continue;
    Place other{place.store, place.store_name, folder_of(entry.name)};
    auto maps = maps_in(other);
    if (!maps) continue;
    for (const auto& [uuid, removed] : *maps)
      if (auto map = contents_of(other, uuid, true); map && map->header.lun == lun)
        return other.folder.name();
  }
  return std::nullopt;
}

/// What the catalog does not know of this LUN it knows from now on; true: there was some.
bool Manager::take_up_unknown(const Attachment& attachment, Place& place) {
  if (rebuilding_.load())
    if (auto folder = folder_left_behind(place, attachment.lun)) {
      auto wanted = place.folder.name();
      place.folder = *folder;
      if (auto moved = place.move_to(wanted); !moved) log::warning("{}", moved.error().message);
    }
  auto unknown = unknown_in(place, attachment.lun, false);
  for (const auto& line : unknown.lost)
    log::error("LUN '{}': a snapshot cannot be taken up: {}", attachment.name, line);
  if (unknown.snapshots.empty()) return false;
  auto noted = options_.catalog->change([&](Transaction& transaction) -> Outcome<> {
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
  std::lock_guard lock(mutex_);
  for (auto& record : unknown.snapshots) records_.emplace(record.uuid, std::move(record));
  return true;
}

}  // namespace caisson::snapshot
