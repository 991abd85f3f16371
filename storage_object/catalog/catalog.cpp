// SPDX-License-Identifier: Apache-2.0
#include "storage_object/catalog/catalog.hpp"

#include <fmt/format.h>

#include "storage_object/catalog/copies.hpp"
#include "storage_object/catalog/files.hpp"
#include "storage_object/catalog/migrations.hpp"
#include "storage_object/catalog/sqlite.hpp"
#include "storage_object/catalog/write_ahead_log.hpp"

namespace caisson::catalog {
namespace {

// The lock comes first: an exclusive connection keeps its index of the log in
// its own memory and needs no shared file. What is deleted (secrets) is
// overwritten. A damaged page is noticed when it is read.
constexpr const char* kConnection =
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
    "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON; "
    "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY";

/// One page of the smallest size. SQLite takes some shorter files for empty
/// ones and would write over them.
constexpr std::uint64_t kSmallestDatabase = 512;

Outcome<> prepare_files(const CatalogOptions& options) {
  if (!options.vfs.empty()) return {};  // modes are the other VFS's affair
  if (const auto size = file_size(options.path); size > 0 && size < kSmallestDatabase)
    return damaged(options.path, "it is too short to be one");
  if (auto made = make_private(options.path); !made) return made.error();
  return tighten(options.path + "-wal");  // a new log takes over the database's mode
}

Outcome<> configure(sqlite3* database, const std::string& path) {
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // A start that fails leaves the files as they are: closing must not move a
  // log into the database that is damaged, newer, or not durable itself.
  sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  if (auto set = execute(database, path, kConnection); !set) return set.error();
  auto mode = read_text(database, path, "PRAGMA journal_mode");
  if (!mode) return mode.error();
  if (*mode != "wal")
    return failure(Errc::unsupported,
                   fmt::format("catalog {}: no write-ahead log possible there", path),
                   "Put the state directory on a local file system.");
  return {};
}

/// Undoes at the end of its scope whatever was not committed.
class Rollback {
 public:
  explicit Rollback(sqlite3* database) : database_(database) {}
  ~Rollback() {  // a failed COMMIT may have rolled back by itself
    if (!sqlite3_get_autocommit(database_))
      sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
  }

 private:
  sqlite3* database_;
};

/// Changes a row, so that its frame in the log cannot be the one it overwrites.
constexpr const char* kTakeBack =
    "INSERT INTO settings (key, value) VALUES ('changes_taken_back', '1') ON CONFLICT (key) "
    "DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)";

}  // namespace

Catalog::Catalog(CatalogOptions options) : options_(std::move(options)) {}

Catalog::~Catalog() {
  statements_.reset();
  sqlite3_close_v2(database_);
}

Outcome<std::unique_ptr<Catalog>> Catalog::open(CatalogOptions options) {
  std::unique_ptr<Catalog> catalog(new Catalog(std::move(options)));
  const auto& path = catalog->options_.path;
  if (auto ready = prepare_files(catalog->options_); !ready) return ready.error();
  auto database =
      open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, catalog->options_.vfs);
  if (!database) return database.error();
  catalog->database_ = database->release();
  if (auto set = configure(catalog->database_, path); !set) return set.error();
  if (auto settled = settle_log(catalog->database_, path); !settled) return settled.error();
  if (auto whole = check_integrity(catalog->database_, path, Check::quick); !whole)
    return whole.error();
  auto keep_copy = [&](int version) {
    return copy_to_file(catalog->database_, path, fmt::format("{}.before-{}", path, version));
  };
  if (auto done = migrate(catalog->database_, path, migrations(), keep_copy); !done)
    return done.error();
  sqlite3_db_config(catalog->database_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  catalog->statements_ = std::make_unique<Statements>(catalog->database_, path);
  return catalog;
}

Outcome<> Catalog::change(const std::function<Outcome<>(Transaction&)>& body) {
  std::lock_guard lock(mutex_);
  if (auto certain = take_back(); !certain) {
    auto refusal = certain.error();
    refusal.message =
        "nothing can be changed until a change that failed is taken back: " + refusal.message;
    return refusal;
  }
  auto done = perform(body);
  if (!in_doubt_ || take_back()) return done;
  auto doubt = done.error();
  doubt.message += "; it may have happened all the same, the next start will tell";
  return doubt;
}

Outcome<> Catalog::perform(const std::function<Outcome<>(Transaction&)>& body) {
  Rollback unless_committed(database_);
  if (auto begun = statements_->run("BEGIN IMMEDIATE"); !begun) return begun.error();
  Transaction transaction(*statements_, *options_.clock);
  if (auto done = body(transaction); !done) return done.error();
  auto committed = statements_->run("COMMIT");
  in_doubt_ = !committed;
  return committed;
}

// The log of a failed commit is whole, perhaps, but does not count yet for this
// connection: the next commit is written over it. The checksum of each frame
// goes on from that of the one before, so what is left of the failed commit
// behind the new one, on the disk or not, belongs to nothing.
Outcome<> Catalog::take_back() {
  if (!in_doubt_) return {};
  return perform([this](Transaction&) { return statements_->run(kTakeBack); });
}

bool Catalog::in_doubt() {
  std::lock_guard lock(mutex_);
  return in_doubt_;
}

Outcome<> Catalog::settle() {
  std::lock_guard lock(mutex_);
  return take_back();
}

Outcome<> Catalog::backup_to(const std::string& target) {
  if (auto allowed = check_target(options_.path, target); !allowed) return allowed.error();
  const auto partial = partial_name(target);
  auto copied = copy_locked(partial);  // synced without the lock
  if (copied) copied = publish_copy(partial, target);
  if (!copied) discard_copy(partial);
  return copied;
}

Outcome<> Catalog::copy_locked(const std::string& partial) {
  std::lock_guard lock(mutex_);
  return copy_database(database_, options_.path, partial);
}

}  // namespace caisson::catalog
