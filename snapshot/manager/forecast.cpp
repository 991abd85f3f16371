// SPDX-License-Identifier: Apache-2.0
#include "snapshot/manager/forecast.hpp"

#include <algorithm>

namespace caisson::snapshot {

using catalog::SnapshotRecord;
using catalog::SnapshotState;

namespace {

/// What is wrong with its image; empty: nothing, or that cannot be told.
std::string image_problem(const Place& place, const SnapshotRecord& record,
                          const std::string& name) {
  const auto hidden = hidden_image_name(record.uuid);
  const bool is_public = record.complete && !place.has(hidden);
  const auto file = is_public ? image_name(name) : hidden;
  auto found = place.look_up(file);
  if (!found) return place.failed("find", file, found.error()).message;
  bool fits = record.complete ? found->size == record.capacity : found->size >= record.capacity;
  return fits ? "" : place.label(file) + " has not the snapshot's length";
}

std::string problem_of(const Place& place, const std::set<Uuid>& missing, const MapFacts& one) {
  const auto& record = one.record;
  if (one.given_up) return *one.given_up;
  if (!record.complete && one.sealed_by && missing.contains(*one.sealed_by))
    return "the snapshot that followed it, " + one.sealed_by->to_string() + ", is missing";
  for (auto number : record.complete ? std::vector<std::uint32_t>() : one.segments)
    if (const auto file = segment_name(record.uuid, number); !place.has(file))
      return place.label(file) + " is not there";
  return image_problem(place, record, one.name);
}

}  // namespace

std::set<Uuid> missing_followers(const Place& place, std::span<const SnapshotRecord> all,
                                 std::span<const MapFacts> taken) {
  std::set<Uuid> missing;
  auto folder = place.list();
  if (!folder) return missing;
  for (const auto& one : taken) {
    const auto& by = one.sealed_by;
    if (one.record.complete || !by || folder->removed.contains(*by)) continue;
    if (std::ranges::find(all, *by, &SnapshotRecord::uuid) == all.end()) missing.insert(*by);
  }
  return missing;
}

void forecast(const Place& place, const std::set<Uuid>& missing, std::span<MapFacts> taken) {
  std::string through;  // why what reads through the newer one is lost; empty: it is not
  for (auto at = taken.rbegin(); at != taken.rend(); ++at) {
    const auto& one = *at;
    auto& record = at->record;
    if (record.state == SnapshotState::creating) continue;
    auto why = problem_of(place, missing, one);
    if (why.empty() && !record.complete) why = through;
    if (why.empty()) {
      if (record.complete) through.clear();
      continue;
    }
    through = "it reads through '" + record.name + "': " + why;
    if (record.state == SnapshotState::ghost) continue;
    record.state = SnapshotState::invalid;
    record.reason = std::move(why);
  }
}

}  // namespace caisson::snapshot
