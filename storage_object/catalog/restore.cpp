// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include "storage_object/base/log.hpp"
#include "storage_object/catalog/catalog.hpp"
#include "storage_object/catalog/copies.hpp"
#include "storage_object/catalog/files.hpp"
#include "storage_object/catalog/migrations.hpp"
#include "storage_object/catalog/sqlite.hpp"

namespace caisson::catalog {
namespace {

/// `path` as an SQLite URI that forbids any write or lock beside it.
std::string immutable_uri(const std::string& path) {
  std::string uri = "file:";
  for (const unsigned char c : path)
    uri += c == '%' || c == '?' || c == '#' ? fmt::format("%{:02X}", c) : std::string(1, c);
  return uri + "?immutable=1";
}

Outcome<> copy_checked(const std::string& backup, const std::string& partial) {
  if (::access(backup.c_str(), R_OK) != 0) return system_failure("read", backup);
  // A raw copy taken together with its log is read with it; all else is as it lies there.
  const bool log = file_exists(backup + "-wal");
  auto source = open_database(log ? backup : immutable_uri(backup),
                              SQLITE_OPEN_READONLY | (log ? 0 : SQLITE_OPEN_URI));
  if (!source) return source.error();
  if (auto whole = check_integrity(source->get(), backup, Check::full); !whole)
    return whole.error();
  auto version = checked_version(source->get(), backup, migrations());
  if (!version) return version.error();
  if (*version == 0)
    return failure(Errc::corrupt, fmt::format("{} is an empty database, not a catalog", backup),
                   "Name a file that `caisson catalog backup` or the daily copy made.");
  return copy_database(source->get(), backup, partial);
}

/// Fails if a process has the catalog open; brings what is in its log into it.
/// A damaged catalog is none's to open, and stays as it is.
Outcome<> settle_old(const std::string& path) {
  auto old = open_database(path, SQLITE_OPEN_READWRITE);
  if (!old) return old.error();
  auto settled =
      execute(old->get(), path, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA wal_checkpoint(TRUNCATE)");
  if (!settled && settled.error().code == Errc::in_use)
    return failure(Errc::in_use, fmt::format("catalog {} is in use", path),
                   "Stop caissond first: `systemctl stop caissond`.");
  return {};
}

/// Second names for the old files, so that `path` never lacks one.
Outcome<> keep_old(const std::string& path) {
  for (const char* suffix : {"", "-wal"}) {
    const auto kept = path + ".replaced" + suffix;
    if (auto removed = remove_file(kept); !removed) return removed.error();
    if (::link((path + suffix).c_str(), kept.c_str()) != 0 && errno != ENOENT)
      return system_failure("keep the old catalog as", kept);
  }
  if (auto synced = sync_directory_of(path); !synced) return synced.error();
  // Its log must be gone before the new file is there: it would be replayed into it.
  if (auto removed = remove_file(path + "-wal"); !removed) return removed.error();
  return sync_directory_of(path);
}

}  // namespace

Outcome<> restore(const std::string& backup, const std::string& path) {
  const auto partial = path + ".restoring";
  auto done = copy_checked(backup, partial);
  if (done && file_exists(path)) {
    done = settle_old(path);
    if (done) done = keep_old(path);
  }
  if (done) done = publish_copy(partial, path);
  if (!done) discard_copy(partial);
  return done;
}

Outcome<> restore_staged(const std::string& staged, const std::string& path) {
  if (!file_exists(staged)) return {};
  if (auto restored = restore(staged, path); !restored) return restored;
  if (auto removed = remove_file(staged); !removed) return removed.error();
  if (auto synced = sync_directory_of(staged); !synced) return synced.error();
  log::info("the catalog was restored; the one before it is {}.replaced", path);
  return {};
}

}  // namespace caisson::catalog
