// SPDX-License-Identifier: Apache-2.0
#include "storage_object/catalog/sqlite.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/system/error_code.hpp>
#include <cerrno>
#include <new>

namespace caisson::catalog {
namespace {

struct ErrorRow {
  int code;  // extended if such a row exists, else primary
  Errc errc;
  const char* remedy;
};

constexpr ErrorRow kErrors[] = {
    {SQLITE_CORRUPT, Errc::corrupt, kRepair},
    {SQLITE_NOTADB, Errc::corrupt, kRepair},
    {SQLITE_FORMAT, Errc::corrupt, kRepair},
    {SQLITE_FULL, Errc::no_space, "Free space on its file system."},
    {SQLITE_IOERR, Errc::io_error, "Look for the cause in the kernel's log."},
    {SQLITE_PROTOCOL, Errc::io_error, "Try again."},
    {SQLITE_BUSY, Errc::in_use, "Another process has it open: stop that first."},
    {SQLITE_LOCKED, Errc::in_use, "Another process has it open: stop that first."},
    {SQLITE_READONLY, Errc::permission_denied, "Make the file and its directory writable."},
    {SQLITE_PERM, Errc::permission_denied, "Make the file and its directory writable."},
    {SQLITE_AUTH, Errc::permission_denied, ""},
    {SQLITE_CANTOPEN, Errc::io_error, "Check that its directory exists and is writable."},
    {SQLITE_TOOBIG, Errc::invalid_argument, ""},
    {SQLITE_CONSTRAINT_UNIQUE, Errc::already_exists, ""},
    {SQLITE_CONSTRAINT_PRIMARYKEY, Errc::already_exists, ""},
    {SQLITE_CONSTRAINT_ROWID, Errc::already_exists, ""},
    {SQLITE_CONSTRAINT_FOREIGNKEY, Errc::in_use, ""},
    {SQLITE_CONSTRAINT, Errc::invalid_argument, ""},
};

ErrorRow find_row(int extended) {
  for (int wanted : {extended, extended & 0xff})
    for (const auto& row : kErrors)
      if (row.code == wanted) return row;
  return {extended, Errc::internal, ""};
}

/// A file system's own word is more exact than "unable to open" or "I/O error".
Errc refine(Errc errc, int system_error) {
  if (errc != Errc::io_error || system_error == 0) return errc;
  return to_errc(Error(system_error, boost::system::system_category()));
}

}  // namespace

Failure sqlite_failure(sqlite3* database, const std::string& path) {
  const int code = sqlite3_extended_errcode(database);
  if ((code & 0xff) == SQLITE_NOMEM) throw std::bad_alloc();
  const ErrorRow row = find_row(code);
  const bool below = row.errc == Errc::io_error || row.errc == Errc::no_space;
  const int system_error = below ? sqlite3_system_errno(database) : 0;
  auto message = fmt::format("catalog {}: {}", path, sqlite3_errmsg(database));
  if (system_error != 0)
    message +=
        fmt::format(" ({})", Error(system_error, boost::system::system_category()).message());
  return failure(refine(row.errc, system_error), std::move(message), row.remedy);
}

Outcome<Database> open_database(const std::string& path, int flags, const std::string& vfs) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX,
                                   vfs.empty() ? nullptr : vfs.c_str());
  Database database(raw);
  if (!database) throw std::bad_alloc();
  if (code != SQLITE_OK) return sqlite_failure(database.get(), path);
  sqlite3_extended_result_codes(database.get(), 1);
  return database;
}

Outcome<> execute(sqlite3* database, const std::string& path, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return sqlite_failure(database, path);
  return {};
}

Outcome<std::int64_t> read_number(sqlite3* database, const std::string& path, const char* sql) {
  std::int64_t value = 0;
  auto read = Statements(database, path).each(sql, [&](Columns row) -> Outcome<> {
    value = row.signed_number();
    return {};
  });
  if (!read) return read.error();
  return value;
}

Outcome<std::string> read_text(sqlite3* database, const std::string& path, const char* sql) {
  std::string value;
  auto read = Statements(database, path).each(sql, [&](Columns row) -> Outcome<> {
    if (value.empty()) value = row.text();
    return {};
  });
  if (!read) return read.error();
  return value;
}

std::string Columns::text() {
  const auto* bytes = sqlite3_column_text(statement_, next_);
  const auto size = sqlite3_column_bytes(statement_, next_++);
  return bytes == nullptr
             ? std::string()
             : std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

std::uint64_t Columns::number() {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, next_++));
}

std::optional<std::uint64_t> Columns::optional_number() {
  if (sqlite3_column_type(statement_, next_) == SQLITE_NULL) return ++next_, std::nullopt;
  return number();
}

Uuid Columns::uuid() {
  Uuid value;
  const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(statement_, next_));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, next_++));
  if (bytes != nullptr) std::copy_n(bytes, std::min(size, value.bytes.size()), value.bytes.begin());
  return value;
}

std::optional<Uuid> Columns::optional_uuid() {
  if (sqlite3_column_type(statement_, next_) == SQLITE_NULL) return ++next_, std::nullopt;
  return uuid();
}

Statements::~Statements() {
  for (auto& [sql, statement] : prepared_) sqlite3_finalize(statement);
}

Outcome<sqlite3_stmt*> Statements::prepare(const char* sql) {
  if (auto found = prepared_.find(sql); found != prepared_.end()) return found->second;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK)
    return error();
  prepared_.emplace(sql, statement);
  return statement;
}

std::uint64_t Statements::last_row_id() const noexcept {
  return static_cast<std::uint64_t>(sqlite3_last_insert_rowid(database_));
}

int Statements::bind(sqlite3_stmt* statement, int index, std::string_view value) {
  // An empty view may have a null pointer, which SQLite would take for NULL.
  return sqlite3_bind_text64(statement, index, value.empty() ? "" : value.data(), value.size(),
                             SQLITE_STATIC, SQLITE_UTF8);
}

int Statements::bind(sqlite3_stmt* statement, int index, const Uuid& value) {
  return sqlite3_bind_blob(statement, index, value.bytes.data(),
                           static_cast<int>(value.bytes.size()), SQLITE_STATIC);
}

int Statements::bind(sqlite3_stmt* statement, int index,
                     const std::optional<std::uint64_t>& value) {
  return value ? bind(statement, index, *value) : sqlite3_bind_null(statement, index);
}

int Statements::bind(sqlite3_stmt* statement, int index, const std::optional<Uuid>& value) {
  return value ? bind(statement, index, *value) : sqlite3_bind_null(statement, index);
}

}  // namespace caisson::catalog
