// SPDX-License-Identifier: Apache-2.0
// The two ways in which units get into a snapshot before they are overwritten.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "snapshot/chain/member.hpp"
#include "storage_object/block/block_device.hpp"

namespace caisson::snapshot {

/// Blocking; on the chain's lane. Nobody changes what is captured meanwhile, in
/// whichever file it is. On success it is durable, and in the member's set.

/// Clones at least `wanted`, units that it has not captured, with as much around them as
/// costs little: aligned windows of up to 1 MiB and 64 extents. One sync of the image
/// and one of the map for all of them.
Outcome<> capture_by_reflink(Member& member, file_store::File& source, std::span<const Run> wanted);

/// Clones what is missing from `cursor` (a unit) on for some milliseconds; holes are
/// recorded in one go. Moves the cursor; false: nothing is missing any more.
Outcome<bool> fill_by_reflink(Member& member, file_store::File& source, std::uint64_t& cursor);

/// Keeps pre-images of `wanted`, units that it has not captured, as `live` has them.
Outcome<> capture_by_copy(Member& member, block::BlockDevice& live, std::span<const Run> wanted,
                          std::int64_t wall_ms);

}  // namespace caisson::snapshot
