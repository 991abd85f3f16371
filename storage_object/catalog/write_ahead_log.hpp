// SPDX-License-Identifier: Apache-2.0
// One thing SQLite leaves open about its log. Inside this folder only.
#pragma once

#include <string>

#include "storage_object/base/result.hpp"

struct sqlite3;

namespace caisson::catalog {

/// Makes what this start has read from the log durable, before anything is
/// built on it.
///
/// After a failed fsync the kernel calls the pages clean: the frames of a
/// commit that was reported as failed may be readable and yet not on the disk,
/// and no later fsync writes them. SQLite's recovery takes them for committed
/// and appends to them; a power cut would break the chain there and lose every
/// commit after. So the log is written again, byte for byte, and synced.
///
/// The connection holds its exclusive lock, has read its log and written
/// nothing yet.
Outcome<> settle_log(sqlite3* database, const std::string& path);

}  // namespace caisson::catalog
