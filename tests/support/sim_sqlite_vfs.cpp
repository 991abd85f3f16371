// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_sqlite_vfs.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

namespace caisson::tests {
namespace {

using file_store::Store;

struct OpenFile {
  Store& store;
  std::unique_ptr<file_store::File> file;
  std::string name;
  bool delete_on_close = false;
  bool shrunk = false;       // since the last sync
  bool name_is_new = false;  // perhaps, and not durable yet: as for Unix
};

/// What SQLite allocates for us: its own head and then ours.
struct SqliteFile {
  sqlite3_file base;
  OpenFile* open;
};

OpenFile& open_file(sqlite3_file* file) { return *reinterpret_cast<SqliteFile*>(file)->open; }
Store& store_of(sqlite3_vfs* vfs) { return *static_cast<Store*>(vfs->pAppData); }
sqlite3_vfs* system_vfs() { return sqlite3_vfs_find(nullptr); }
bool is(const Error& error, int number) {
  return error == Error(number, boost::system::system_category());
}

/// SQLite's code for a failed operation of that kind.
int io_code(const Result<>& result, int code) {
  if (result) return SQLITE_OK;
  return is(result.error(), ENOSPC) ? SQLITE_FULL : code;
}

int close_file(sqlite3_file* raw) {
  std::unique_ptr<OpenFile> open(std::exchange(reinterpret_cast<SqliteFile*>(raw)->open, nullptr));
  open->file.reset();
  if (open->delete_on_close) (void)open->store.remove(open->name);
  return SQLITE_OK;
}

int read(sqlite3_file* raw, void* into, int length, sqlite3_int64 offset) {
  auto& file = *open_file(raw).file;
  auto found = file.attributes();
  if (!found) return SQLITE_IOERR_READ;
  const auto at = static_cast<std::uint64_t>(offset), wanted = static_cast<std::uint64_t>(length);
  const auto there = found->size > at ? std::min(found->size - at, wanted) : 0;
  auto* bytes = static_cast<std::byte*>(into);
  std::fill(bytes + there, bytes + wanted, std::byte{0});
  if (there > 0 && !file_store::read_at(file, at, {bytes, there})) return SQLITE_IOERR_READ;
  return there == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int write(sqlite3_file* raw, const void* from, int length, sqlite3_int64 offset) {
  const std::span bytes(static_cast<const std::byte*>(from), static_cast<std::size_t>(length));
  return io_code(
      file_store::write_at(*open_file(raw).file, static_cast<std::uint64_t>(offset), bytes),
      SQLITE_IOERR_WRITE);
}

int truncate(sqlite3_file* raw, sqlite3_int64 size) {
  auto& open = open_file(raw);
  open.shrunk = true;
  return io_code(open.file->resize(static_cast<std::uint64_t>(size)), SQLITE_IOERR_TRUNCATE);
}

int sync(sqlite3_file* raw, int) {
  auto& open = open_file(raw);
  // SQLite's fdatasync has a size that ftruncate() changed written, too: fdatasync(2).
  auto synced = open.shrunk ? open.file->sync_all() : file_store::sync(*open.file);
  if (!synced) return SQLITE_IOERR_FSYNC;
  open.shrunk = false;
  if (!open.name_is_new) return SQLITE_OK;
  open.name_is_new = false;
  return io_code(open.store.sync_names(), SQLITE_IOERR_DIR_FSYNC);
}

int file_size(sqlite3_file* raw, sqlite3_int64* size) {
  auto found = open_file(raw).file->attributes();
  if (!found) return SQLITE_IOERR_FSTAT;
  *size = static_cast<sqlite3_int64>(found->size);
  return SQLITE_OK;
}

int lock(sqlite3_file*, int) { return SQLITE_OK; }
int check_reserved_lock(sqlite3_file*, int* reserved) { return *reserved = 0, SQLITE_OK; }
int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return 4096; }
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

const sqlite3_io_methods kMethods = {.iVersion = 1,
                                     .xClose = close_file,
                                     .xRead = read,
                                     .xWrite = write,
                                     .xTruncate = truncate,
                                     .xSync = sync,
                                     .xFileSize = file_size,
                                     .xLock = lock,
                                     .xUnlock = lock,
                                     .xCheckReservedLock = check_reserved_lock,
                                     .xFileControl = file_control,
                                     .xSectorSize = sector_size,
                                     .xDeviceCharacteristics = characteristics};

Result<std::unique_ptr<file_store::File>> create(Store& store, const char* name) {
  auto file = store.create_unnamed();
  if (!file) return file;
  if (auto published = store.publish(**file, name); !published) return published.error();
  return file;
}

int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* raw, int flags, int* out_flags) {
  raw->pMethods = nullptr;  // no xClose after a failure
  if (name == nullptr) return SQLITE_CANTOPEN;
  auto& store = store_of(vfs);
  auto file = store.open(name, {.read_only = (flags & SQLITE_OPEN_READONLY) != 0});
  const bool make = !file && is(file.error(), ENOENT) && (flags & SQLITE_OPEN_CREATE) != 0;
  if (make) file = create(store, name);
  const bool database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
  if (file && make && database && !store.sync_names()) return SQLITE_CANTOPEN;
  if (!file) return SQLITE_CANTOPEN;
  auto open = std::make_unique<OpenFile>(
      OpenFile{.store = store,
               .file = std::move(*file),
               .name = name,
               .delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0,
               .name_is_new = (flags & SQLITE_OPEN_CREATE) != 0 && !database});
  reinterpret_cast<SqliteFile*>(raw)->open = open.release();
  raw->pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int remove(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  auto& store = store_of(vfs);
  if (auto removed = store.remove(name); !removed)
    return is(removed.error(), ENOENT) ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
  return sync_directory != 0 ? io_code(store.sync_names(), SQLITE_IOERR_DIR_FSYNC) : SQLITE_OK;
}

int access(sqlite3_vfs* vfs, const char* name, int, int* result) {
  *result = 0;
  auto file = store_of(vfs).open(name, {.read_only = true});
  if (!file) return is(file.error(), ENOENT) ? SQLITE_OK : SQLITE_IOERR_ACCESS;
  auto found = (*file)->attributes();
  if (!found) return SQLITE_IOERR_ACCESS;
  *result = found->size > 0 ? 1 : 0;  // as for Unix: an empty log counts as none
  return SQLITE_OK;
}

int full_name(sqlite3_vfs*, const char* name, int room, char* out) {
  auto size = std::strlen(name) + 1;
  if (size > static_cast<std::size_t>(room)) return SQLITE_CANTOPEN;
  std::memcpy(out, name, size);
  return SQLITE_OK;
}

int randomness(sqlite3_vfs*, int length, char* out) {
  return system_vfs()->xRandomness(system_vfs(), length, out);
}
int sleep(sqlite3_vfs*, int microseconds) { return microseconds; }
int current_time(sqlite3_vfs*, double* now) {
  return system_vfs()->xCurrentTime(system_vfs(), now);
}
int last_error(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

SimSqliteVfs::SimSqliteVfs(file_store::Store& store) {
  static std::atomic<unsigned> count = 0;
  name_ = "sim-" + std::to_string(++count);
  vfs_.iVersion = 1;
  vfs_.szOsFile = sizeof(SqliteFile);
  vfs_.mxPathname = 512;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = &store;
  vfs_.xOpen = open;
  vfs_.xDelete = remove;
  vfs_.xAccess = access;
  vfs_.xFullPathname = full_name;
  vfs_.xRandomness = randomness;
  vfs_.xSleep = sleep;
  vfs_.xCurrentTime = current_time;
  vfs_.xGetLastError = last_error;
  sqlite3_vfs_register(&vfs_, 0);
}

SimSqliteVfs::~SimSqliteVfs() { sqlite3_vfs_unregister(&vfs_); }

}  // namespace caisson::tests
