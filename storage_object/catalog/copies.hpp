// SPDX-License-Identifier: Apache-2.0
// Copies of a catalog: made from a connection, checked, put in place. Inside
// this folder only.
#pragma once

#include <string>

#include "storage_object/base/result.hpp"

struct sqlite3;

namespace caisson::catalog {

/// Errc::corrupt: what was found in the catalog at `path`, and the way out.
Failure damaged(const std::string& path, const std::string& finding);

enum class Check { quick, full };

/// Errc::corrupt with the way out when SQLite finds the database damaged.
Outcome<> check_integrity(sqlite3* database, const std::string& path, Check check);

/// Where a copy grows before it gets its name.
std::string partial_name(const std::string& target);

/// Writes all of `source` to the new file `partial` (0600, one plain file
/// without a log). Not durable yet. What a crashed attempt left is removed.
Outcome<> copy_database(sqlite3* source, const std::string& source_path,
                        const std::string& partial);

/// Makes `partial` durable and gives it its name, durably.
Outcome<> publish_copy(const std::string& partial, const std::string& target);

/// Removes a copy that did not succeed.
void discard_copy(const std::string& partial);

/// Refuses to put a copy in place of the catalog itself, or of a file that is
/// no catalog (a container, say).
Outcome<> check_target(const std::string& catalog, const std::string& target);

/// Writes a copy and gives it its name.
Outcome<> copy_to_file(sqlite3* source, const std::string& source_path, const std::string& target);

}  // namespace caisson::catalog
