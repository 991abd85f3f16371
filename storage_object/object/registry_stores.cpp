// SPDX-License-Identifier: Apache-2.0
// The stores: where they may lie, opened and closed.
#include <fmt/format.h>

#include <filesystem>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/base/names.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::StoreRecord;
using catalog::Transaction;

namespace {

/// Without links, as far as it exists.
std::filesystem::path canonical(const std::string& directory) {
  std::error_code error;
  auto path = std::filesystem::weakly_canonical(directory, error);
  if (error) path = std::filesystem::path(directory).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

bool within(const std::filesystem::path& path, const std::filesystem::path& directory) {
  auto below = path.lexically_relative(directory);
  return !below.empty() && *below.begin() != "..";
}

bool overlap(const std::filesystem::path& a, const std::filesystem::path& b) {
  return within(a, b) || within(b, a);
}

}  // namespace

/// A store may be shared with anybody: nothing else may lie in it, nor it in anything.
Outcome<> Registry::check_place(const StoreRecord& record) {
  const auto place = canonical(record.location);
  for (const auto& directory : options_.protected_directories)
    if (overlap(place, canonical(directory)))
      return failure(Errc::invalid_argument,
                     fmt::format("store '{}' ({}) and {}, a directory of the gateway itself, lie "
                                 "in one another",
                                 record.name, record.location, directory),
                     "give the store a directory of its own: it may be shared, secrets may not");
  for (const auto& other : stores())
    if (other.name != record.name && overlap(place, canonical(other.location)))
      return failure(Errc::invalid_argument,
                     fmt::format("store '{}' ({}) and store '{}' ({}) lie in one another",
                                 record.name, record.location, other.name, other.location),
                     "give each store a directory of its own");
  return {};
}

Outcome<std::unique_ptr<file_store::Store>> Registry::open_in_place(const StoreRecord& record) {
  if (auto fine = check_place(record); !fine) return fine.error();
  return options_.open_store(record);
}

std::vector<StoreRecord> Registry::stores() {
  std::lock_guard lock(mutex_);
  std::vector<StoreRecord> records;
  for (const auto& [name, entry] : stores_) records.push_back(entry.record);
  return records;
}

file_store::Store* Registry::store(std::string_view name) {
  std::lock_guard lock(mutex_);
  auto found = stores_.find(name);
  return found == stores_.end() ? nullptr : found->second.store.get();
}

Outcome<file_store::Store*> Registry::open_store(std::string_view name) {
  std::lock_guard lock(mutex_);
  auto found = stores_.find(name);
  if (found == stores_.end())
    return failure(Errc::not_found, fmt::format("there is no store '{}'", name),
                   "see `caisson store list`");
  if (!found->second.store)
    return failure(Errc::offline,
                   fmt::format("store '{}' is not open: {}", name, found->second.reason),
                   "make its directory accessible and restart");
  return found->second.store.get();
}

std::string Registry::default_store() const {
  std::lock_guard lock(mutex_);
  return stores_.size() == 1 ? stores_.begin()->first : "main";
}

Outcome<> Registry::add_store(const StoreRecord& record, bool dry_run) {
  if (auto name = checked_name("store", record.name); !name) return name.error();
  std::lock_guard one_at_a_time(place_mutex_);
  {
    std::lock_guard lock(mutex_);
    auto found = stores_.find(record.name);
    if (found != stores_.end() && found->second.record.location != record.location)
      return failure(Errc::already_exists,
                     fmt::format("store '{}' exists already, at {}", record.name,
                                 found->second.record.location),
                     "choose another name");
    if (found != stores_.end() && found->second.store && found->second.record == record) return {};
  }
  auto opened = open_in_place(record);
  if (!opened) return opened.error();
  if (dry_run) return {};
  auto done = options_.catalog->change(
      [&](Transaction& transaction) { return transaction.put_store(record); });
  if (!done) return done.error();
  std::vector<EntryPtr> revived;
  {
    std::lock_guard lock(mutex_);
    auto& entry = stores_[record.name];
    entry.record = record;
    entry.reason.clear();
    if (entry.store) return {};  // open and in use: only what is said of it changes
    entry.store = std::move(*opened);
    for (const auto& [name, lun] : by_name_)
      if (lun->record.store == record.name && !lun->object) revived.push_back(lun);
  }
  for (const auto& lun : revived) bring_up_or_note(lun, MayWait::no);
  return {};
}

Outcome<> Registry::remove_store(std::string_view name) {
  {
    std::lock_guard lock(mutex_);
    if (!stores_.contains(name))
      return failure(Errc::not_found, fmt::format("there is no store '{}'", name),
                     "see `caisson store list`");
    for (const auto& [lun, entry] : by_name_)
      if (entry->record.store == name)
        return failure(Errc::in_use, fmt::format("store '{}' holds LUN '{}'", name, lun),
                       "delete its LUNs first");
  }
  auto done = options_.catalog->change(
      [&](Transaction& transaction) { return transaction.erase_store(name); });
  if (!done) return done.error();
  std::lock_guard lock(mutex_);
  if (auto found = stores_.find(name); found != stores_.end()) {
    removed_stores_.push_back(std::move(found->second.store));  // someone may still look at it
    stores_.erase(found);
  }
  return {};
}

}  // namespace caisson::object
