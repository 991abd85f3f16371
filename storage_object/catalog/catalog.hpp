// SPDX-License-Identifier: Apache-2.0
// The catalog: what the gateway knows beside its containers, in SQLite
// (WAL, synchronous=FULL, exclusive locking, numbered migrations).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage_object/base/clock.hpp"
#include "storage_object/base/result.hpp"
#include "storage_object/catalog/records.hpp"

struct sqlite3;

namespace caisson::catalog {

class Statements;

struct CatalogOptions {
  std::string path;  ///< of the database; its directory exists
  std::string vfs;   ///< SQLite VFS by name; empty: the default (tests hand in another)
  const Clock* clock = &Clock::system();
};

/// Everything durable that a change must write, as one transaction. Obtained
/// from Catalog::change(); what it wrote is durable when change() returns
/// success, and gone without a trace otherwise (but see Catalog::in_doubt).
///
/// `put_*` inserts or replaces the whole row (with its lists); `erase_*` and
/// `remove_*` of what is not there succeed.
class Transaction {
 public:
  Outcome<> put_store(const StoreRecord& record);
  Outcome<> erase_store(std::string_view name);
  /// Errc::in_use for a LUN in state deleting that has a snapshot: so its deletion is
  /// refused before its container is touched.
  Outcome<> put_lun(const LunRecord& record);
  /// With its grants and places in schedules. Errc::in_use while it has a
  /// snapshot, in whatever state: its files would be left without an owner.
  Outcome<> erase_lun(const Uuid& uuid);
  Outcome<std::uint64_t> put_host(const HostRecord& record);  // id 0: new; returns the id
  Outcome<> erase_host(std::uint64_t id);                     // with its grants
  Outcome<> put_grant(const GrantRecord& record);
  Outcome<> erase_grant(const Uuid& lun, std::uint64_t host);
  /// The number for the LUN's next cut: above all that were handed out or put
  /// before, removed ones included.
  Outcome<std::uint64_t> next_snapshot_sequence(const Uuid& lun);
  /// Errc::in_use when its LUN is being deleted.
  Outcome<> put_snapshot(const SnapshotRecord& record);
  /// Errc::in_use while a clone or view reads through it or a restore from it is
  /// under way.
  Outcome<> remove_snapshot(const Uuid& uuid);
  Outcome<> put_schedule(const ScheduleRecord& record);
  Outcome<> remove_schedule(std::string_view name);
  /// Adds an event; returns its sequence number.
  Outcome<std::uint64_t> add_event(std::string_view kind, std::string_view object,
                                   std::string_view actor, std::string_view text);
  /// Small durable facts: "node", "clean_shutdown", "authority", …
  Outcome<> put_setting(std::string_view key, std::string_view value);

 private:
  friend class Catalog;
  explicit Transaction(Statements& statements, const Clock& clock)
      : statements_(statements), clock_(clock) {}
  Statements& statements_;
  const Clock& clock_;
};

/// Thread-safe; every call blocks (SQLite, fsync): control threads only.
/// Errors: Errc::io_error or no_space with what SQLite said, Errc::corrupt when
/// the database is damaged, Errc::unsupported when a newer version wrote it.
class Catalog {
 public:
  /// Opens or creates (mode 0600) and migrates; before the first migration step
  /// of an existing file it is copied to `<path>.before-<version>`.
  static Outcome<std::unique_ptr<Catalog>> open(CatalogOptions options);
  ~Catalog();

  /// Runs `body` in one transaction. Its failure or exception undoes all of it
  /// and is passed on. `body` must not call the catalog itself (it holds its
  /// lock) and may run only once.
  ///
  /// A commit that fails may have reached the disk all the same. So it is taken
  /// back at once, by another commit. If that fails too the catalog is in doubt:
  /// the failure says so, the next start may find the change, whole, and every
  /// later change first tries to take it back and is refused while it cannot.
  Outcome<> change(const std::function<Outcome<>(Transaction&)>& body);

  /// Whether a change that failed may be found by the next start. Once it is
  /// false every change that failed before certainly did not happen.
  bool in_doubt();
  /// Ends the doubt: success says that no change that failed has happened.
  Outcome<> settle();

  Outcome<std::vector<StoreRecord>> stores();
  Outcome<std::vector<LunRecord>> luns();            // 10,000 in well under a second
  Outcome<std::vector<SnapshotRecord>> snapshots();  // of each LUN by sequence
  Outcome<std::vector<SnapshotRecord>> snapshots_of(const Uuid& lun);  // by sequence
  Outcome<std::vector<ScheduleRecord>> schedules();                    // by name
  Outcome<std::vector<HostRecord>> hosts();
  Outcome<std::vector<GrantRecord>> grants();
  Outcome<std::optional<std::string>> setting(std::string_view key);
  /// Events with sequence > after, oldest first, at most `limit`.
  Outcome<std::vector<EventRecord>> events_after(std::uint64_t after, std::size_t limit);
  /// The newest `limit` events, oldest first.
  Outcome<std::vector<EventRecord>> latest_events(std::size_t limit);

  /// A consistent copy of the running catalog at `target` (0600, fsynced, made
  /// beside it and renamed). For `catalog backup` and the daily copy. Replaces
  /// an older copy, but neither the catalog itself nor any other kind of file:
  /// Errc::invalid_argument, already_exists.
  Outcome<> backup_to(const std::string& target);

 private:
  explicit Catalog(CatalogOptions options);
  Outcome<> copy_locked(const std::string& partial);
  // Under mutex_:
  Outcome<> perform(const std::function<Outcome<>(Transaction&)>& body);
  Outcome<> take_back();  // ends the doubt, if there is one
  CatalogOptions options_;
  std::mutex mutex_;
  bool in_doubt_ = false;
  sqlite3* database_ = nullptr;
  std::unique_ptr<Statements> statements_;
};

/// Checks a backup (integrity, version) and puts it in place of the catalog at
/// `path`, which must not be open; the old one is kept as `<path>.replaced`.
Outcome<> restore(const std::string& backup, const std::string& path);

/// Puts the copy that `caisson catalog restore` left at `staged` in place, if there
/// is one, and removes it, durably: it never takes effect twice.
Outcome<> restore_staged(const std::string& staged, const std::string& path);

/// Keeps `keep` daily copies `<directory>/catalog-YYYYMMDD.db` (0600): makes
/// today's (UTC) if it is missing, removes the oldest beyond that number, never
/// today's. Makes the directory (0700). `keep` 0: does nothing. Returns true
/// when it made one.
Outcome<bool> rotate_daily_copy(Catalog& catalog, const std::string& directory, unsigned keep,
                                const Clock& clock);

}  // namespace caisson::catalog
