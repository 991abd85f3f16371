// SPDX-License-Identifier: Apache-2.0
// SQLite with our error and value types. For this folder and snapshot/index.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/result.hpp"
#include "storage_object/base/uuid.hpp"

namespace caisson::catalog {

/// The way out of a damaged catalog.
inline constexpr const char* kRepair =
    "Put a copy in its place with `caisson catalog restore FILE` (caissond(8) tells how if "
    "caissond "
    "does not start), or move it away, start, and take up the containers with `caisson catalog "
    "rebuild`. The damaged file is left as it is.";

struct CloseDatabase {
  void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

/// What SQLite reported last on `database`, as a Failure that names `path`.
/// Throws std::bad_alloc when SQLite ran out of memory.
Failure sqlite_failure(sqlite3* database, const std::string& path);

/// Opens `path` with `flags` (SQLITE_OPEN_*) through VFS `vfs` (empty: default).
Outcome<Database> open_database(const std::string& path, int flags, const std::string& vfs = {});

/// Runs SQL that has no values and whose rows do not matter; may be several
/// statements.
Outcome<> execute(sqlite3* database, const std::string& path, const char* sql);

/// First column of the first row, as a number or text; 0 or empty if no row.
Outcome<std::int64_t> read_number(sqlite3* database, const std::string& path, const char* sql);
Outcome<std::string> read_text(sqlite3* database, const std::string& path, const char* sql);

/// The columns of the current row, left to right. Valid until the next row.
class Columns {
 public:
  explicit Columns(sqlite3_stmt* statement) : statement_(statement) {}
  std::string text();
  std::uint64_t number();  // as stored, bit for bit
  std::int64_t signed_number() { return static_cast<std::int64_t>(number()); }
  bool flag() { return number() != 0; }
  std::optional<std::uint64_t> optional_number();
  Uuid uuid();
  std::optional<Uuid> optional_uuid();

 private:
  sqlite3_stmt* statement_;
  int next_ = 0;
};

/// A connection's prepared statements, made on first use and kept. Keyed by the
/// address of the SQL, which must be a constant of the program.
class Statements {
 public:
  Statements(sqlite3* database, std::string path) : database_(database), path_(std::move(path)) {}
  ~Statements();
  Statements(const Statements&) = delete;
  Statements& operator=(const Statements&) = delete;

  /// Executes to its end. Values bind in the order of the question marks.
  template <class... Values>
  Outcome<> run(const char* sql, const Values&... values) {
    return each(
        sql, [](Columns) -> Outcome<> { return {}; }, values...);
  }

  /// Calls `row(Columns)` -> Outcome<> for every row; its failure ends the walk.
  template <class Row, class... Values>
  Outcome<> each(const char* sql, Row&& row, const Values&... values) {
    auto prepared = prepare(sql);
    if (!prepared) return prepared.error();
    Use use{*prepared};
    int index = 0;
    if (((bind(*prepared, ++index, values) != SQLITE_OK) || ...)) return error();
    for (;;) {
      switch (sqlite3_step(*prepared)) {
        case SQLITE_ROW: break;
        case SQLITE_DONE: return {};
        default: return error();
      }
      if (Outcome<> taken = row(Columns(*prepared)); !taken) return taken.error();
    }
  }

  std::uint64_t last_row_id() const noexcept;
  sqlite3* database() const noexcept { return database_; }
  const std::string& path() const noexcept { return path_; }
  Failure error() const { return sqlite_failure(database_, path_); }

 private:
  struct Use {  // a statement left open would hold its read transaction
    sqlite3_stmt* statement;
    ~Use() {
      sqlite3_reset(statement);
      sqlite3_clear_bindings(statement);
    }
  };
  Outcome<sqlite3_stmt*> prepare(const char* sql);
  static int bind(sqlite3_stmt* statement, int index, std::string_view value);
  static int bind(sqlite3_stmt* statement, int index, const Uuid& value);
  static int bind(sqlite3_stmt* statement, int index, const std::optional<std::uint64_t>& value);
  static int bind(sqlite3_stmt* statement, int index, const std::optional<Uuid>& value);
  template <std::integral T>
  static int bind(sqlite3_stmt* statement, int index, T value) {
    return sqlite3_bind_int64(statement, index, static_cast<sqlite3_int64>(value));
  }

  sqlite3* database_;
  std::string path_;
  std::unordered_map<const char*, sqlite3_stmt*> prepared_;
};

}  // namespace caisson::catalog
