// SPDX-License-Identifier: Apache-2.0
// Where failed states are noted that the catalog or a trailer cannot take.
#pragma once

#include <string>
#include <vector>

#include "storage_object/object/registry.hpp"

namespace caisson::daemon {

/// The run directory, and a directory of this gateway's own in memory (/dev/shm):
/// where state and stores share one file system that has failed, something must
/// still take a mark. The latter is made (0700) when the first mark is; one that
/// belongs to somebody else is refused.
std::vector<object::MarkPlace> failure_mark_places(const std::string& run_directory,
                                                   const std::string& state_directory);

/// The state directory, for the file that is allocated beforehand.
object::MarkPlace failure_record_place(const std::string& state_directory);

}  // namespace caisson::daemon
