// SPDX-License-Identifier: Apache-2.0
// The stores: where they may lie, opened and closed.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/base/names.hpp"
#include "storage_object/object/registry_impl.hpp"
#include "storage_object/object/store_mark.hpp"

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
  std::lock_guard lock(mutex_);  // the others are not looked at: one may hang
  for (const auto& [name, other] : stores_) {
    auto there = other.place.empty() ? std::filesystem::path(other.record.location) : other.place;
    if (name != record.name && overlap(place, there.lexically_normal()))
      return failure(Errc::invalid_argument,
                     fmt::format("store '{}' ({}) and store '{}' ({}) lie in one another",
                                 record.name, record.location, name, other.record.location),
                     "give each store a directory of its own");
  }
  return {};
}

/// Whether a container of ours lies in it, as a proof that it is the store.
bool Registry::holds_ours(file_store::Store& store, std::string_view name) {
  for (const auto& lun : list()) {
    const auto& row = lun.record;
    if (row.store != name) continue;
    auto file = store.open(row.file, {.read_only = true});
    if (!file) continue;
    auto attributes = (*file)->attributes();
    auto position = attributes ? format::trailer_position_in(attributes->size) : std::nullopt;
    if (position && TrailerFile(**file, row.file).load({.position = *position, .uuid = row.uuid}))
      return true;
  }
  return false;
}

bool Registry::holds_rows(std::string_view name) const {
  std::lock_guard lock(mutex_);
  return std::ranges::any_of(by_name_,
                             [&](const auto& lun) { return lun.second->record.store == name; });
}

/// Whether `store`, opened but not touched yet, is the one that `record` speaks of.
/// True: it has to be given the mark that `record` has now.
Outcome<bool> Registry::check_mark(file_store::Store& store, StoreRecord& record, Asked asked) {
  const auto remount = fmt::format(
      "mount it, then `caisson store add {} {}`, or bring one of its "
      "LUNs online",
      record.name, record.location);
  auto found = read_mark(store, record.name, record.mark);
  if (!found) return found.error();
  const auto& there = *found;
  if (record.mark) {
    if (there == record.mark) return false;
    if (there)
      return failure(
          Errc::offline,
          fmt::format("store '{}': {} is another store, with the mark {} instead of {}",
                      record.name, record.location, there->to_string(), record.mark->to_string()),
          remount);
    if (asked != Asked::no && holds_ours(store, record.name)) return true;
    return failure(
        Errc::offline,
        fmt::format("store '{}': {} does not bear its mark, as if it were not mounted", record.name,
                    record.location),
        fmt::format("{}; if the mark was lost, write the line '{}' into {}/{}", remount,
                    mark_text(*record.mark).substr(0, mark_text(*record.mark).size() - 1),
                    record.location, kMarkName));
  }
  bool proved =
      !holds_rows(record.name) || holds_ours(store, record.name) || (there && asked == Asked::yes);
  if (!proved)
    return failure(Errc::offline,
                   fmt::format("store '{}': none of its containers is in {}, as if it were not "
                               "mounted",
                               record.name, record.location),
                   remount);
  if (there)
    for (const auto& other : stores())
      if (other.name != record.name && other.mark == there)
        return failure(Errc::already_exists,
                       fmt::format("{} bears the mark of store '{}': it is that store, reached by "
                                   "another path, or a copy of it",
                                   record.location, other.name),
                       fmt::format("of a copy, take {} away first", kMarkName));
  record.mark = there ? there : Uuid::random();
  return !there;
}

/// Opens the place of `record`, if it is there; what the catalog must know of it
/// then is in `record`. Without `change` nothing is written.
Outcome<std::unique_ptr<file_store::Store>> Registry::open_in_place(StoreRecord& record,
                                                                    Asked asked, bool change) {
  if (auto fine = check_place(record); !fine) return fine.error();
  auto opened = options_.open_store(record);
  if (!opened) return opened.error();
  const bool known = record.mark.has_value();
  auto unmarked = check_mark(**opened, record, asked);
  if (!unmarked) return unmarked.error();
  if (auto done = (*opened)->prepare(); !done) return done.error();
  if (!change || (known && !*unmarked)) return opened;
  // One that is there already may be of a start that was killed before its name was durable.
  auto marked = *unmarked ? write_mark(**opened, record.name, *record.mark)
                          : settle_mark(**opened, record.name);
  if (!marked && asked != Asked::no) return marked.error();
  if (!marked) {  // a full store of an earlier version is served all the same
    log::warning("{}; the next start tries again", marked.error().message);
    record.mark.reset();
  }
  return opened;
}

bool Registry::has_store(std::string_view name) const {
  std::lock_guard lock(mutex_);
  return stores_.contains(name);
}

Outcome<> Registry::put_store(const StoreRecord& record) {
  return options_.catalog->change(
      [&](Transaction& transaction) { return transaction.put_store(record); });
}

/// A store of the catalog: at the start, or when it may have been mounted since.
void Registry::try_store(StoreRecord record, Asked asked) {
  const auto known = record.mark;
  auto opened = open_in_place(record, asked, true);
  const auto place = opened ? canonical(record.location) : std::filesystem::path();
  if (opened && record.mark != known && has_store(record.name))
    if (auto noted = put_store(record); !noted) opened = noted.error();
  if (!opened) log::error("store '{}' is offline: {}", record.name, opened.error().message);
  std::lock_guard lock(mutex_);
  if (!stores_.contains(record.name)) return;  // removed meanwhile
  auto& entry = stores_[record.name];
  entry.record = record;
  entry.place = place;
  entry.reason = opened ? "" : opened.error().message + "; " + opened.error().remedy;
  if (opened) entry.store = std::move(*opened);
}

/// Brings up what lies in a store that has just been opened.
void Registry::revive(std::string_view store) {
  std::vector<EntryPtr> revived;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, lun] : by_name_)
      if (lun->record.store == store && !lun->object) revived.push_back(lun);
  }
  for (const auto& lun : revived) bring_up_or_note(lun, MayWait::no);
}

Registry::Trying::Trying(Registry& registry, std::string_view store)
    : registry_(registry), store_(store) {
  std::unique_lock lock(registry_.mutex_);
  registry_.tried_.wait(lock, [this] { return !registry_.trying_.contains(store_); });
  registry_.trying_.insert(store_);
}

Registry::Trying::~Trying() {
  {
    std::lock_guard lock(registry_.mutex_);
    registry_.trying_.erase(store_);
  }
  registry_.tried_.notify_all();
}

/// One of the catalog, at the start.
void Registry::open_known(const StoreRecord& record) {
  Trying trying(*this, record.name);
  std::unique_lock marking(place_mutex_, std::defer_lock);
  if (!record.mark) marking.lock();
  try_store(record);
}

// Only one without a mark looks at what the other stores are: it may be one of them.
void Registry::retry_store(std::string_view name) {
  if (reopen_store(name) && store(name) != nullptr) revive(name);
}

/// False: there was nothing to do.
bool Registry::reopen_store(std::string_view name) {
  Trying trying(*this, name);
  StoreRecord record;
  {
    std::lock_guard lock(mutex_);
    auto found = stores_.find(name);
    if (found == stores_.end() || found->second.store) return false;
    record = found->second.record;
  }
  std::unique_lock marking(place_mutex_, std::defer_lock);
  if (!record.mark) marking.lock();
  try_store(std::move(record), Asked::online);
  return true;
}

std::string Registry::store_reason(std::string_view name) {
  std::lock_guard lock(mutex_);
  auto found = stores_.find(name);
  return found == stores_.end() ? "" : found->second.reason;
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
                   "make its directory accessible, then `caisson store add` it again");
  return found->second.store.get();
}

std::string Registry::default_store() const {
  std::lock_guard lock(mutex_);
  return stores_.size() == 1 ? stores_.begin()->first : "main";
}

Outcome<> Registry::add_store(const StoreRecord& wanted, bool dry_run) {
  if (auto name = checked_name("store", wanted.name); !name) return name.error();
  auto added = put_in_place(wanted, dry_run);
  if (added && !dry_run) revive(wanted.name);  // LUNs that hang keep no other store from coming
  return added;
}

Outcome<> Registry::put_in_place(const StoreRecord& wanted, bool dry_run) {
  Trying trying(*this, wanted.name);
  std::lock_guard one_at_a_time(place_mutex_);
  auto record = wanted;
  bool open = false;
  {
    std::lock_guard lock(mutex_);
    auto found = stores_.find(record.name);
    if (found != stores_.end()) {
      const auto& [known, store, reason, place] = found->second;
      if (known.location != record.location)
        return failure(Errc::already_exists,
                       fmt::format("store '{}' exists already, at {}", record.name, known.location),
                       "choose another name");
      record.mark = known.mark;
      open = store != nullptr;
      if (open && known == record) return {};
    }
  }
  std::unique_ptr<file_store::Store> store;
  if (!open) {
    auto opened = open_in_place(record, Asked::yes, !dry_run);
    if (!opened) return opened.error();
    store = std::move(*opened);
  }
  if (dry_run) return {};
  if (auto done = put_store(record); !done) return done.error();
  auto place = open ? std::filesystem::path() : canonical(record.location);
  {
    std::lock_guard lock(mutex_);
    auto& entry = stores_[record.name];
    entry.record = record;
    entry.reason.clear();
    if (open) return {};  // in use: only what is said of it changes
    entry.store = std::move(store);
    entry.place = std::move(place);
  }
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
