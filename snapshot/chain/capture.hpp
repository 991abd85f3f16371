// SPDX-License-Identifier: Apache-2.0
// The two ways in which units get into a snapshot before they are overwritten.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "snapshot/chain/clone_cost.hpp"
#include "snapshot/chain/member.hpp"
#include "storage_object/block/block_device.hpp"

namespace caisson::snapshot {

/// Blocking; on the chain's lane. Nobody changes what is captured meanwhile, in
/// whichever file it is. On success it is durable, and in the member's set.

/// Clones at least `wanted`, units that it has not captured, with as much around them as
/// costs little: aligned windows of up to 1 MiB and 64 extents, smaller where many are
/// wanted and `cost` says that they would wait too long. One sync of the image and one of
/// the map for all of them.
Outcome<> capture_by_reflink(Member& member, file_store::File& source, std::span<const Run> wanted,
                             CloneCost& cost);

/// Clones what is missing from `cursor` (a unit) on for some milliseconds; holes are
/// recorded in one go. Moves the cursor; to 0 at the end, where nothing is missing unless
/// a former call failed.
Outcome<> fill_by_reflink(Member& member, file_store::File& source, std::uint64_t& cursor,
                          CloneCost& cost);

/// Keeps pre-images of `wanted`, units that it has not captured, as `live` has them; large
/// holes of `source`, which is the same, are recorded only.
Outcome<> capture_by_copy(Member& member, block::BlockDevice& live, file_store::File& source,
                          std::span<const Run> wanted, std::int64_t wall_ms);

/// How many units from the beginning of `run` on are a hole of the source; 0 of a run
/// shorter than `worth` bytes, for which asking is not worth the while.
std::uint64_t hole_units(const Member& member, file_store::File& source, const Run& run,
                         std::uint64_t worth);

}  // namespace caisson::snapshot
