// SPDX-License-Identifier: Apache-2.0
// The catalog's schema as numbered steps. A step that was released is never
// changed; a change of schema is a new step.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "storage_object/base/result.hpp"

struct sqlite3;

namespace caisson::catalog {

struct Migration {
  int version;      ///< PRAGMA user_version after it; ascending from 1
  const char* sql;  ///< one or more statements
};

/// "Cais" in PRAGMA application_id: tells a catalog from any other database.
inline constexpr int kApplicationId = 0x43616973;

std::span<const Migration> migrations() noexcept;

/// Version of the schema in the database: 0 for one without tables.
/// Errc::corrupt for a database that is not a catalog, Errc::unsupported for
/// one that a version newer than the last of `steps` wrote.
Outcome<int> checked_version(sqlite3* database, const std::string& path,
                             std::span<const Migration> steps);

/// Brings the database to the last of `steps`, each one transaction. Before the
/// first one that meets a catalog with content, `keep_copy(version)` is called.
Outcome<> migrate(sqlite3* database, const std::string& path, std::span<const Migration> steps,
                  const std::function<Outcome<>(int version)>& keep_copy);

}  // namespace caisson::catalog
