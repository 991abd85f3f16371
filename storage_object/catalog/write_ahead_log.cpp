// SPDX-License-Identifier: Apache-2.0
#include "storage_object/catalog/write_ahead_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "storage_object/catalog/sqlite.hpp"

namespace caisson::catalog {
namespace {

/// A second handle of the log, through the connection's own VFS: a log bears
/// no locks that closing it could drop.
class LogFile {
 public:
  LogFile(sqlite3_vfs* vfs, const char* name)
      : memory_(new std::max_align_t[static_cast<std::size_t>(vfs->szOsFile) /
                                         sizeof(std::max_align_t) +
                                     1]()) {
    opened_ = vfs->xOpen(vfs, name, file(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL, nullptr);
  }
  ~LogFile() {
    if (file()->pMethods != nullptr) file()->pMethods->xClose(file());
  }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  int rewrite() {
    if (opened_ != SQLITE_OK) return opened_;
    sqlite3_int64 size = 0;
    if (int code = file()->pMethods->xFileSize(file(), &size); code != SQLITE_OK) return code;
    std::vector<std::byte> piece(kPiece);
    for (sqlite3_int64 at = 0; at < size; at += kPiece) {
      const auto length = static_cast<int>(std::min<sqlite3_int64>(kPiece, size - at));
      int code = file()->pMethods->xRead(file(), piece.data(), length, at);
      if (code == SQLITE_OK) code = file()->pMethods->xWrite(file(), piece.data(), length, at);
      if (code != SQLITE_OK) return code;
    }
    return size == 0 ? SQLITE_OK : file()->pMethods->xSync(file(), SQLITE_SYNC_NORMAL);
  }

 private:
  /// SQLite writes no more than 128 KiB - 1 at once; a larger piece ends SQLITE_FULL.
  static constexpr int kPiece = 64 * 1024;
  sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(memory_.get()); }

  std::unique_ptr<std::max_align_t[]> memory_;
  int opened_;
};

}  // namespace

Outcome<> settle_log(sqlite3* database, const std::string& path) {
  sqlite3_vfs* vfs = nullptr;
  sqlite3_file_control(database, "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
  const char* name = sqlite3_filename_wal(sqlite3_db_filename(database, "main"));
  int exists = 0;
  int code = vfs->xAccess(vfs, name, SQLITE_ACCESS_EXISTS, &exists);
  if (code == SQLITE_OK && exists != 0) code = LogFile(vfs, name).rewrite();
  if (code == SQLITE_OK) return {};
  return failure(
      Errc::io_error,
      fmt::format("catalog {}: its log cannot be made durable: {}", path, sqlite3_errstr(code)),
      "Look for the cause in the kernel's log.");
}

}  // namespace caisson::catalog
