// SPDX-License-Identifier: Apache-2.0
#include "storage_object/catalog/copies.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <regex>

#include "storage_object/base/byte_order.hpp"
#include "storage_object/catalog/catalog.hpp"
#include "storage_object/catalog/files.hpp"
#include "storage_object/catalog/migrations.hpp"
#include "storage_object/catalog/sqlite.hpp"

namespace caisson::catalog {
namespace {

/// What SQLite may leave beside a copy that it was making.
constexpr const char* kCopySuffixes[] = {"", "-wal", "-journal"};

/// SQLite's file format, 1.3: the magic, and the application id at byte 68.
bool has_catalog_header(const std::string& path) {
  constexpr std::size_t kApplicationIdOffset = 68;
  char header[100] = {};
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  std::ifstream(path, std::ios::binary).read(header, sizeof header);
  be32 application;
  std::memcpy(&application, header + kApplicationIdOffset, sizeof application);
  return std::string_view(header, 16) == std::string_view("SQLite format 3\0", 16) &&
         application == kApplicationId;
}

/// Every page of `source` into the empty database `target`.
Outcome<> copy_pages(sqlite3* source, const std::string& source_path, sqlite3* target,
                     const std::string& target_path) {
  auto* backup = sqlite3_backup_init(target, "main", source, "main");
  if (backup == nullptr) return sqlite_failure(target, target_path);
  const int stepped = sqlite3_backup_step(backup, -1);
  const int finished = sqlite3_backup_finish(backup);
  if (finished != SQLITE_OK) return sqlite_failure(target, target_path);
  if (stepped != SQLITE_DONE)
    return failure(Errc::in_use,
                   fmt::format("catalog {}: {}", source_path, sqlite3_errstr(stepped)),
                   "Try again when no other process uses it.");
  return {};
}

std::string day_name(const Clock& clock) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(clock.wall()));
  return fmt::format("catalog-{:04}{:02}{:02}.db", static_cast<int>(day.year()),
                     static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
}

Outcome<std::vector<std::string>> daily_copies(const std::string& directory) {
  static const std::regex kDaily("catalog-[0-9]{8}\\.db");
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error))
    if (auto name = entry->path().filename().string(); std::regex_match(name, kDaily))
      names.push_back(std::move(name));
  if (error)
    return failure(to_errc(Error(error)),
                   fmt::format("cannot list {}: {}", directory, error.message()));
  std::ranges::sort(names);
  return names;
}

Outcome<> make_private_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST)
    return system_failure("create", directory);
  return {};
}

}  // namespace

Failure damaged(const std::string& path, const std::string& finding) {
  return failure(Errc::corrupt, fmt::format("catalog {} is damaged: {}", path, finding), kRepair);
}

Outcome<> check_integrity(sqlite3* database, const std::string& path, Check check) {
  auto finding = read_text(
      database, path, check == Check::full ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)");
  if (!finding) return finding.error();
  if (*finding != "ok") return damaged(path, *finding);
  if (check == Check::quick) return {};
  auto orphans = read_text(database, path, "SELECT \"table\" FROM pragma_foreign_key_check");
  if (!orphans) return orphans.error();
  if (!orphans->empty()) return damaged(path, "rows of " + *orphans + " refer to nothing");
  return {};
}

std::string partial_name(const std::string& target) { return target + ".caisson-partial"; }

void discard_copy(const std::string& partial) {
  for (const char* suffix : kCopySuffixes) (void)remove_file(partial + suffix);
}

Outcome<> check_target(const std::string& catalog, const std::string& target) {
  std::error_code error;
  if (!std::filesystem::exists(target, error)) return {};
  if (std::filesystem::equivalent(catalog, target, error) ||
      std::filesystem::equivalent(catalog + "-wal", target, error))
    return failure(Errc::invalid_argument, fmt::format("{} is the catalog itself", target),
                   "Name another file for the copy.");
  if (has_catalog_header(target)) return {};
  return failure(Errc::already_exists,
                 fmt::format("{} exists and is not a copy of a catalog", target),
                 "It is left alone: name another file for the copy.");
}

Outcome<> copy_database(sqlite3* source, const std::string& source_path,
                        const std::string& partial) {
  for (const char* suffix : kCopySuffixes)
    if (auto removed = remove_file(partial + suffix); !removed) return removed.error();
  if (auto made = make_private(partial); !made) return made.error();
  auto target = open_database(partial, SQLITE_OPEN_READWRITE);
  if (!target) return target.error();
  constexpr const char* kUnsynced =  // publish_copy() syncs once, when all is there
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF";
  if (auto set = execute(target->get(), partial, kUnsynced); !set) return set.error();
  if (auto copied = copy_pages(source, source_path, target->get(), partial); !copied)
    return copied.error();
  // The pages say that there is a log; a copy is to be whole in one file.
  return execute(target->get(), partial, "PRAGMA journal_mode = DELETE");
}

Outcome<> publish_copy(const std::string& partial, const std::string& target) {
  if (auto synced = sync_file(partial); !synced) return synced.error();
  if (auto renamed = rename_file(partial, target); !renamed) return renamed.error();
  return sync_directory_of(target);
}

Outcome<> copy_to_file(sqlite3* source, const std::string& source_path, const std::string& target) {
  const auto partial = partial_name(target);
  auto copied = copy_database(source, source_path, partial);
  if (copied) copied = publish_copy(partial, target);
  if (!copied) discard_copy(partial);
  return copied;
}

Outcome<bool> rotate_daily_copy(Catalog& catalog, const std::string& directory, unsigned keep,
                                const Clock& clock) {
  if (keep == 0) return false;
  if (auto made = make_private_directory(directory); !made) return made.error();
  const auto today = day_name(clock);
  const bool missing = !file_exists(directory + "/" + today);
  if (missing)
    if (auto copied = catalog.backup_to(directory + "/" + today); !copied) return copied.error();
  auto names = daily_copies(directory);
  if (!names) return names.error();
  std::erase(*names, today);  // kept, even if a clock that ran ahead left names beyond it
  for (std::size_t i = 0; i + keep <= names->size(); ++i)
    if (auto removed = remove_file(directory + "/" + (*names)[i]); !removed) return removed.error();
  return missing;
}

}  // namespace caisson::catalog
