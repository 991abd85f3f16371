// SPDX-License-Identifier: Apache-2.0
// What will be found damaged of snapshots that are taken up from their maps. Inside this
// folder only.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "snapshot/chain/place.hpp"
#include "storage_object/catalog/records.hpp"

namespace caisson::snapshot {

/// One as its map tells of it.
struct MapFacts {
  catalog::SnapshotRecord record;
  std::string name;  ///< that its public file has
  std::optional<Uuid> sealed_by;
  std::optional<std::string> given_up;
  std::vector<std::uint32_t> segments;  ///< that must be there
};

/// Which ones followed some of `taken`, that are not complete, and are neither among `all`
/// nor being removed in that folder.
std::set<Uuid> missing_followers(const Place& place, std::span<const catalog::SnapshotRecord> all,
                                 std::span<const MapFacts> taken);

/// Makes those of `taken`, ascending, invalid that their chain will find so: files are
/// missing or too short, or they read through such a one. What is only found by reading all
/// that a map or segment holds is not foreseen. Blocking; changes no file.
void forecast(const Place& place, const std::set<Uuid>& missing, std::span<MapFacts> taken);

}  // namespace caisson::snapshot
