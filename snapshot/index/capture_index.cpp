// SPDX-License-Identifier: Apache-2.0
#include "snapshot/index/capture_index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <utility>

#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

using catalog::Columns;

constexpr std::int64_t kVersion = 1;
constexpr int kMostRows = 4096;            // looked at by one question
constexpr int kLearnt = 8192;              // rows, at once
constexpr std::uint64_t kFiltered = 1024;  // blocks: of more than that it is quicker to ask
constexpr int kOpen = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

// Exclusive: nobody else has any business here, and no lock is taken for each question.
constexpr const char* kSettings =
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = TRUNCATE; "
    "PRAGMA synchronous = OFF; PRAGMA cache_size = -2048; PRAGMA temp_store = MEMORY";
constexpr const char* kTables =
    "CREATE TABLE captured (block INTEGER NOT NULL, sequence INTEGER NOT NULL, "
    "PRIMARY KEY (block, sequence)) WITHOUT ROWID; "
    "CREATE TABLE complete (snapshot BLOB PRIMARY KEY, blocks INTEGER NOT NULL) WITHOUT ROWID; "
    "CREATE TABLE state (clean INTEGER NOT NULL, boot TEXT NOT NULL); "
    "INSERT INTO state VALUES (0, '')";

constexpr const char* kSeek =
    "SELECT block, sequence FROM captured WHERE (block, sequence) >= (?, ?) "
    "ORDER BY block, sequence LIMIT 1";
constexpr const char* kLearn = "SELECT block FROM captured WHERE block >= ? ORDER BY block LIMIT ?";
constexpr const char* kAdd = "INSERT OR IGNORE INTO captured VALUES (?, ?)";
constexpr const char* kRemove = "DELETE FROM captured WHERE block BETWEEN ? AND ? AND sequence = ?";

}  // namespace

CaptureIndex::CaptureIndex(catalog::Database database, std::string path, std::string boot)
    : path_(std::move(path)),
      boot_(std::move(boot)),
      database_(std::move(database)),
      statements_(std::make_unique<catalog::Statements>(database_.get(), path_)) {}

CaptureIndex::~CaptureIndex() = default;

std::string CaptureIndex::this_boot() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  std::getline(file, boot);
  return boot;
}

void CaptureIndex::discard(const std::string& path) {
  std::error_code ignored;
  for (const auto* end : {"", "-journal", "-wal", "-shm"})
    std::filesystem::remove(path + end, ignored);
}

Outcome<std::unique_ptr<CaptureIndex>> CaptureIndex::open(const std::string& path,
                                                          const std::string& boot) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  std::set<Uuid> untouched;
  if (auto opened = try_open(path, boot, untouched)) return opened;
  discard(path);
  auto made = try_open(path, boot, untouched);
  if (made) (*made)->untouched_ = std::move(untouched);
  return made;
}

Outcome<std::unique_ptr<CaptureIndex>> CaptureIndex::try_open(const std::string& path,
                                                              const std::string& boot,
                                                              std::set<Uuid>& untouched) {
  auto database = catalog::open_database(path, kOpen);
  if (!database) return database.error();
  std::unique_ptr<CaptureIndex> index(new CaptureIndex(std::move(*database), path, boot));
  auto* raw = index->database_.get();
  if (auto set = catalog::execute(raw, path, kSettings); !set) return set.error();
  auto version = catalog::read_number(raw, path, "PRAGMA user_version");
  if (!version) return version.error();
  if (*version == 0) {
    if (auto made = index->make_tables(); !made) return made.error();
    return index;
  }
  auto good = index->believable();
  if (!good) return good.error();
  if (*version == kVersion && *good) return index;
  if (auto complete = index->complete())
    for (const auto& [snapshot, blocks] : *complete) untouched.insert(snapshot);
  return failure(Errc::corrupt, path + " is not to be believed");
}

Outcome<> CaptureIndex::make_tables() {
  auto sql = fmt::format("BEGIN; {}; PRAGMA user_version = {}; COMMIT", kTables, kVersion);
  return catalog::execute(database_.get(), path_, sql.c_str());
}

Outcome<bool> CaptureIndex::believable() {
  bool good = false;
  auto read = statements_->each("SELECT clean, boot FROM state", [&](Columns row) -> Outcome<> {
    bool clean = row.flag();
    dirty_ = !clean;
    good = clean || (row.text() == boot_ && !boot_.empty());
    return {};
  });
  if (!read) return read.error();
  return good;
}

/// Before the first change its file says, durably, that it may not be believed.
Outcome<> CaptureIndex::change() {
  if (dirty_) return {};
  auto* raw = database_.get();
  if (auto set = catalog::execute(raw, path_, "PRAGMA synchronous = FULL"); !set) return set;
  auto marked = statements_->run("UPDATE state SET clean = 0, boot = ?", std::string_view(boot_));
  if (!marked) return marked;
  dirty_ = true;
  return catalog::execute(raw, path_, "PRAGMA synchronous = OFF");
}

Outcome<> CaptureIndex::close() {
  std::lock_guard lock(mutex_);
  if (!dirty_) return {};
  auto* raw = database_.get();
  if (auto set = catalog::execute(raw, path_, "PRAGMA synchronous = FULL"); !set) return set;
  auto marked = statements_->run("UPDATE state SET clean = 1");
  if (marked) dirty_ = false;
  return marked;
}

Outcome<std::map<Uuid, std::uint64_t>> CaptureIndex::complete() {
  std::lock_guard lock(mutex_);
  std::map<Uuid, std::uint64_t> all;
  auto read =
      statements_->each("SELECT snapshot, blocks FROM complete", [&](Columns row) -> Outcome<> {
        auto snapshot = row.uuid();
        all[snapshot] = row.number();
        return {};
      });
  if (!read) return read.error();
  return all;
}

Outcome<> CaptureIndex::begin() {
  std::lock_guard lock(mutex_);
  if (auto marked = change(); !marked) return marked;
  return statements_->run("BEGIN IMMEDIATE");
}

Outcome<> CaptureIndex::commit() {
  std::lock_guard lock(mutex_);
  auto done = statements_->run("COMMIT");
  if (!done) (void)statements_->run("ROLLBACK");
  return done;
}

Outcome<> CaptureIndex::add(std::uint64_t sequence, std::uint64_t block) {
  std::lock_guard lock(mutex_);
  filter_.add(block);
  return statements_->run(kAdd, block, sequence);
}

Outcome<> CaptureIndex::add(std::uint64_t sequence, const Run& blocks) {
  for (auto block = blocks.first; block < blocks.end(); ++block)
    if (auto added = add(sequence, block); !added) return added;
  return {};
}

Outcome<> CaptureIndex::remove(std::uint64_t sequence, const Run& blocks) {
  std::lock_guard lock(mutex_);
  return statements_->run(kRemove, blocks.first, blocks.end() - 1, sequence);
}

Outcome<> CaptureIndex::set_complete(const Uuid& snapshot, std::uint64_t blocks) {
  std::lock_guard lock(mutex_);
  return statements_->run("INSERT OR REPLACE INTO complete VALUES (?, ?)", snapshot, blocks);
}

Outcome<> CaptureIndex::set_incomplete(const Uuid& snapshot) {
  std::lock_guard lock(mutex_);
  if (auto marked = change(); !marked) return marked;
  return statements_->run("DELETE FROM complete WHERE snapshot = ?", snapshot);
}

/// A block may have as many rows as there are snapshots: the last one is begun anew.
Outcome<bool> CaptureIndex::learn_some() {
  if (filter_.ready()) return false;
  std::lock_guard lock(mutex_);
  int rows = 0;
  auto before = learnt_;
  auto read = statements_->each(
      kLearn,
      [&](Columns row) -> Outcome<> {
        learnt_ = row.number();
        filter_.add(learnt_);
        ++rows;
        return {};
      },
      learnt_, kLearnt);
  if (!read) return read.error();
  if (learnt_ == before) ++learnt_;
  if (rows < kLearnt) filter_.set_ready();
  return true;
}

/// Who has the block; if nobody, `next` is the first block behind it that anybody has.
Outcome<std::optional<std::uint64_t>> CaptureIndex::holder(std::uint64_t block, std::uint64_t from,
                                                           std::uint64_t to, std::uint64_t& next) {
  std::optional<std::uint64_t> sequence;
  next = std::numeric_limits<std::uint64_t>::max();
  auto read = statements_->each(
      kSeek,
      [&](Columns row) -> Outcome<> {
        auto at = row.number(), by = row.number();
        if (at == block && by <= to) sequence = by;
        next = at == block ? block + 1 : at;
        return {};
      },
      block, from);
  if (!read) return read.error();
  return sequence;
}

Outcome<CaptureIndex::Found> CaptureIndex::find(std::uint64_t block, std::uint64_t end,
                                                std::uint64_t from, std::uint64_t to) {
  bool filtered = end - block <= kFiltered && filter_.ready();
  std::uint64_t next = 0;
  auto ask = [&](std::uint64_t at) -> Outcome<std::optional<std::uint64_t>> {
    next = filtered ? filter_.next(at, end) : at;
    if (next != at) return std::optional<std::uint64_t>();
    std::lock_guard lock(mutex_);
    return holder(at, from, to, next);
  };
  auto first = ask(block);
  if (!first) return first.error();
  auto until = *first ? block + 1 : next;
  for (int rows = 0; until < end && rows < kMostRows; ++rows) {
    auto another = ask(until);
    if (!another) return another.error();
    if (*another != *first) break;
    until = *another ? until + 1 : next;
  }
  return Found{*first, std::min(until, end)};
}

}  // namespace caisson::snapshot
