// SPDX-License-Identifier: Apache-2.0
// An SQLite VFS over a file_store::Store, so that a database lies in the same
// simulated store as the containers and one cut of the power meets both.
//
// Behaves as SQLite's own VFS for Unix does where durability is concerned:
// xSync is fdatasync; the first sync of a new journal or log also makes its
// name durable; a new database's name is durable at once (the catalog does that
// before SQLite opens it). It has no shared memory, so a write-ahead log needs
// locking_mode = EXCLUSIVE, and no locks: one connection a database.
#pragma once

#include <sqlite3.h>

#include <string>

#include "storage_object/file_store/store.hpp"

namespace caisson::tests {

class SimSqliteVfs {
 public:
  /// Registered under a name of its own until destroyed. The store outlives it,
  /// and it outlives every connection. Databases lie in the store's root; their
  /// paths are plain names.
  explicit SimSqliteVfs(file_store::Store& store);
  ~SimSqliteVfs();
  SimSqliteVfs(const SimSqliteVfs&) = delete;
  SimSqliteVfs& operator=(const SimSqliteVfs&) = delete;

  const std::string& name() const noexcept { return name_; }

 private:
  std::string name_;
  sqlite3_vfs vfs_{};
};

}  // namespace caisson::tests
