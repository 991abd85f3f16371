// SPDX-License-Identifier: Apache-2.0
#include "storage_object/catalog/migrations.hpp"

#include <fmt/format.h>

#include "storage_object/catalog/sqlite.hpp"

namespace caisson::catalog {
namespace {

constexpr Migration kMigrations[] = {
    {1, R"sql(
      CREATE TABLE stores (
        name TEXT NOT NULL PRIMARY KEY,
        location TEXT NOT NULL,
        import_allowed INTEGER NOT NULL CHECK (import_allowed IN (0, 1))
      ) STRICT;

      CREATE TABLE luns (
        uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
        name TEXT NOT NULL UNIQUE,
        store TEXT NOT NULL REFERENCES stores (name),
        file TEXT NOT NULL,
        capacity INTEGER NOT NULL,
        logical_block INTEGER NOT NULL,
        physical_block INTEGER NOT NULL,
        cache TEXT NOT NULL,
        thick INTEGER NOT NULL CHECK (thick IN (0, 1)),
        removable INTEGER NOT NULL CHECK (removable IN (0, 1)),
        naa TEXT NOT NULL,
        serial TEXT NOT NULL,
        target_name TEXT NOT NULL,
        target_lun INTEGER NOT NULL,
        vendor_location TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        resize_from INTEGER,
        resize_to INTEGER,
        config_id INTEGER NOT NULL,
        owner_epoch INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        CHECK ((resize_from IS NULL) = (resize_to IS NULL))
      ) STRICT;
      CREATE UNIQUE INDEX luns_by_file ON luns (store, file) WHERE file <> '';

      CREATE TABLE snapshots (
        lun BLOB NOT NULL REFERENCES luns (uuid) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        name TEXT NOT NULL,
        uuid BLOB NOT NULL CHECK (length(uuid) = 16),
        created_at INTEGER NOT NULL,
        PRIMARY KEY (lun, position),
        UNIQUE (lun, name)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE hosts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        no_auth INTEGER NOT NULL CHECK (no_auth IN (0, 1)),
        chap_user TEXT NOT NULL,
        chap_secret TEXT NOT NULL,
        mutual_user TEXT NOT NULL,
        mutual_secret TEXT NOT NULL,
        quota INTEGER NOT NULL,
        created_at INTEGER NOT NULL
      ) STRICT;

      CREATE TABLE host_iqns (
        host INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        iqn TEXT NOT NULL UNIQUE,
        PRIMARY KEY (host, position)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE grants (
        lun BLOB NOT NULL REFERENCES luns (uuid) ON DELETE CASCADE,
        host INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
        read_only INTEGER NOT NULL CHECK (read_only IN (0, 1)),
        quota INTEGER NOT NULL,
        lun_number INTEGER NOT NULL,
        allowed_verbs TEXT NOT NULL,
        config_id INTEGER NOT NULL,
        proposed INTEGER NOT NULL CHECK (proposed IN (0, 1)),
        PRIMARY KEY (lun, host)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX grants_by_host ON grants (host);

      CREATE TABLE events (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        time_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        object TEXT NOT NULL,
        actor TEXT NOT NULL,
        text TEXT NOT NULL
      ) STRICT;

      CREATE TABLE settings (
        key TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
    )sql"},
    {2, R"sql(
      ALTER TABLE grants ADD COLUMN redirect_to TEXT NOT NULL DEFAULT '';
      ALTER TABLE grants ADD COLUMN redirect_permanent INTEGER NOT NULL DEFAULT 0
        CHECK (redirect_permanent IN (0, 1));
    )sql"},
    // An import that version 2 left unfinished does not know its image: inode 0.
    {3, R"sql(
      ALTER TABLE stores ADD COLUMN mark TEXT NOT NULL DEFAULT '';

      ALTER TABLE luns ADD COLUMN rename_to TEXT NOT NULL DEFAULT '';
      UPDATE luns SET rename_to = ifnull((
        SELECT substr(value, 38) FROM settings WHERE key = 'pending_rename'
          AND replace(substr(value, 1, 36), '-', '') = lower(hex(luns.uuid))), '');
      DELETE FROM settings WHERE key = 'pending_rename';

      ALTER TABLE luns ADD COLUMN import_file TEXT NOT NULL DEFAULT '';
      ALTER TABLE luns ADD COLUMN import_length INTEGER;
      ALTER TABLE luns ADD COLUMN import_born INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE luns ADD COLUMN import_inode INTEGER
        CHECK ((import_length IS NULL) = (import_inode IS NULL));
      UPDATE luns SET import_file = substr(reason, 11), import_length = 0, import_inode = 0
        WHERE state = 'creating' AND reason LIKE 'import of %';
    )sql"},
    // A LUN with snapshots is not erased (no ON DELETE): the rows are all that says
    // whose the files in its folder are. A ghost's name is free for the next snapshot.
    {4, R"sql(
      ALTER TABLE luns ADD COLUMN kind TEXT NOT NULL DEFAULT 'disk';
      ALTER TABLE luns ADD COLUMN origin BLOB CHECK (length(origin) = 16);
      ALTER TABLE luns ADD COLUMN restoring BLOB CHECK (length(restoring) = 16);
      ALTER TABLE luns ADD COLUMN last_snapshot INTEGER NOT NULL DEFAULT 0;

      ALTER TABLE snapshots RENAME TO old_snapshots;
      CREATE TABLE snapshots (
        uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
        lun BLOB NOT NULL REFERENCES luns (uuid),
        name TEXT NOT NULL,
        sequence INTEGER NOT NULL CHECK (sequence > 0),
        created_ms INTEGER NOT NULL,
        capacity INTEGER NOT NULL,
        state TEXT NOT NULL,
        complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
        reason TEXT NOT NULL,
        group_uuid BLOB CHECK (length(group_uuid) = 16),
        made_by TEXT NOT NULL,
        locked_until INTEGER NOT NULL,
        grade TEXT NOT NULL,
        details TEXT NOT NULL,
        UNIQUE (lun, sequence)
      ) STRICT;
      CREATE UNIQUE INDEX snapshots_by_name ON snapshots (lun, name) WHERE state <> 'ghost';
      INSERT INTO snapshots
        SELECT old.uuid, old.lun, old.name, old.position + 1, old.created_at * 1000,
          luns.capacity, 'present', 0, '', NULL, 'admin', 0, 'crash', ''
        FROM old_snapshots AS old JOIN luns ON luns.uuid = old.lun;
      UPDATE luns SET last_snapshot = ifnull((
        SELECT max(sequence) FROM snapshots WHERE lun = luns.uuid), 0);
      DROP TABLE old_snapshots;

      CREATE TABLE schedules (
        name TEXT NOT NULL PRIMARY KEY,
        spec TEXT NOT NULL,
        zone TEXT NOT NULL,
        retention TEXT NOT NULL,
        quiesce TEXT NOT NULL,
        enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
        state TEXT NOT NULL
      ) STRICT;
      CREATE TABLE schedule_luns (
        schedule TEXT NOT NULL REFERENCES schedules (name) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        lun BLOB NOT NULL REFERENCES luns (uuid) ON DELETE CASCADE,
        PRIMARY KEY (schedule, position),
        UNIQUE (lun, schedule)
      ) STRICT, WITHOUT ROWID;
    )sql"},
    // The name of a snapshot that was never reported is free, too: a crash may have left it.
    {5, R"sql(
      DROP INDEX snapshots_by_name;
      CREATE UNIQUE INDEX snapshots_by_name ON snapshots (lun, name)
        WHERE state NOT IN ('ghost', 'creating');
    )sql"},
    {6, R"sql(
      ALTER TABLE schedules ADD COLUMN allow_unreserved INTEGER NOT NULL DEFAULT 0;
    )sql"},
};

Outcome<> apply_step(sqlite3* database, const std::string& path, const Migration& step) {
  const auto script = fmt::format(
      "BEGIN IMMEDIATE; {}; PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT", step.sql,
      kApplicationId, step.version);
  auto applied = execute(database, path, script.c_str());
  if (applied) return {};
  Failure cause = applied.error();
  cause.message += fmt::format(" (in migration step {})", step.version);
  if (!sqlite3_get_autocommit(database))
    sqlite3_exec(database, "ROLLBACK", nullptr, nullptr, nullptr);
  return cause;
}

Failure not_a_catalog(const std::string& path) {
  return failure(Errc::corrupt, fmt::format("{} is a database, but not a catalog", path),
                 "It is left alone. Name another state directory, or move the file away.");
}

}  // namespace

std::span<const Migration> migrations() noexcept { return kMigrations; }

Outcome<int> checked_version(sqlite3* database, const std::string& path,
                             std::span<const Migration> steps) {
  auto tables = read_number(database, path, "SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error();
  auto application = read_number(database, path, "PRAGMA application_id");
  if (!application) return application.error();
  auto version = read_number(database, path, "PRAGMA user_version");
  if (!version) return version.error();
  if (*application == 0 && *version == 0 && *tables == 0) return 0;
  if (*application != kApplicationId || *version <= 0) return not_a_catalog(path);
  if (*version > steps.back().version)
    return failure(Errc::unsupported,
                   fmt::format("catalog {} has schema version {}, this program knows {} at most",
                               path, *version, steps.back().version),
                   "Install the version of Caisson that wrote it, or restore an older copy with "
                   "`caisson catalog restore FILE`.");
  return static_cast<int>(*version);
}

Outcome<> migrate(sqlite3* database, const std::string& path, std::span<const Migration> steps,
                  const std::function<Outcome<>(int version)>& keep_copy) {
  auto version = checked_version(database, path, steps);
  if (!version) return version.error();
  if (*version > 0 && *version < steps.back().version)
    if (auto kept = keep_copy(*version); !kept) return kept.error();
  for (const auto& step : steps)
    if (step.version > *version)
      if (auto applied = apply_step(database, path, step); !applied) return applied.error();
  return {};
}

}  // namespace caisson::catalog
