// SPDX-License-Identifier: Apache-2.0
// The lists: what is known, by name, file, UUID and target.
#include "storage_object/object/registry.hpp"

#include <fmt/format.h>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::LunRecord;
using catalog::LunState;
using catalog::Transaction;

std::unique_ptr<ObjectRegistry> ObjectRegistry::make(RegistryOptions options) {
  return std::make_unique<Registry>(std::move(options));
}

std::string container_name(std::string_view lun) { return fmt::format("{}.img", lun); }

Registry::Registry(RegistryOptions options) : options_(std::move(options)) {}

Registry::~Registry() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  lock_wake_.notify_all();
  closing_.reset();  // which may wait for the watch
  watch_.reset();
  recording_.reset();
  {
    std::lock_guard begin(lock_waiter_mutex_);
    if (lock_waiter_.joinable()) lock_waiter_.join();
  }
  if (recorder_.joinable()) recorder_.join();
  for (const auto& entry : entries()) {  // a failure may be on its way into the lists
    if (!entry->object) continue;
    entry->object->withdraw();
    entry->object->data().close();  // whoever still holds the object holds no file
  }
  control_.reset();
}

LunView Registry::view(const Entry& entry) const {
  LunView view;
  view.record = entry.record;
  view.reason = entry.reason;
  view.object = entry.object;
  if (entry.object)
    view.state = entry.object->state();
  else
    view.state = entry.record.state != LunState::online ? entry.record.state
                 : entry.failing                        ? LunState::failed
                                                        : LunState::offline;
  if (view.reason.empty() && view.state != LunState::online) view.reason = entry.record.reason;
  return view;
}

LunView Registry::view_of(const EntryPtr& entry) const {
  std::lock_guard lock(mutex_);
  return view(*entry);
}

LunRecord Registry::row_of_entry(const EntryPtr& entry) const {
  std::lock_guard lock(mutex_);
  return entry->record;
}

std::vector<EntryPtr> Registry::entries() const {
  std::vector<EntryPtr> all;
  std::lock_guard lock(mutex_);
  for (const auto& [name, entry] : by_name_) all.push_back(entry);
  return all;
}

EntryPtr Registry::entry_named(std::string_view name) const {
  std::lock_guard lock(mutex_);
  auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

Outcome<Registry::Locked> Registry::lock(std::string_view name) {
  for (;;) {
    auto entry = entry_named(name);
    if (!entry)
      return failure(Errc::not_found, fmt::format("there is no LUN '{}'", name),
                     "see `caisson lun list`");
    std::unique_lock change(entry->change);
    if (entry_named(name) == entry) return Locked{entry, std::move(change)};
  }
}

void Registry::index(const EntryPtr& entry) {
  const auto& row = entry->record;
  by_name_[row.name] = entry;
  if (!row.file.empty()) by_file_[{row.store, row.file}] = entry;
  by_uuid_[row.uuid] = entry;
  by_target_.emplace(row.target_name, entry);
}

void Registry::unindex(const EntryPtr& entry) {
  const auto& row = entry->record;
  by_name_.erase(row.name);
  if (!row.file.empty()) by_file_.erase({row.store, row.file});
  by_uuid_.erase(row.uuid);
  auto [first, last] = by_target_.equal_range(row.target_name);
  for (auto at = first; at != last; ++at)
    if (at->second == entry) {
      by_target_.erase(at);
      return;
    }
}

void Registry::forget(const EntryPtr& entry) {
  std::lock_guard lock(mutex_);
  unindex(entry);
  entry->erased = true;
}

Outcome<> Registry::save(const EntryPtr& entry, const std::function<void(LunRecord&)>& change,
                         std::string_view event, std::string_view text) {
  std::lock_guard one_at_a_time(entry->row);
  {
    std::lock_guard lock(mutex_);
    if (entry->erased)  // its row must not come back
      return failure(Errc::not_found,
                     fmt::format("LUN '{}' is deleted meanwhile", entry->record.name));
  }
  auto row = row_of_entry(entry);
  change(row);
  auto done = options_.catalog->change([&](Transaction& transaction) -> Outcome<> {
    if (auto put = transaction.put_lun(row); !put) return put.error();
    if (event.empty()) return {};
    auto added = transaction.add_event(event, row.name, "caissond", text);
    if (!added) return added.error();
    return {};
  });
  if (!done) return done.error();
  std::lock_guard lock(mutex_);
  unindex(entry);
  entry->record = std::move(row);
  index(entry);
  return {};
}

Outcome<> Registry::erase(const EntryPtr& entry) {
  std::scoped_lock one_at_a_time(entry->recording, entry->row);
  auto row = row_of_entry(entry);
  auto done = options_.catalog->change(
      [&](Transaction& transaction) { return transaction.erase_lun(row.uuid); });
  if (!done) return done.error();
  forget(entry);
  if (auto cleared = marks_->clear(row.uuid); !cleared)
    log::warning("the failure mark of deleted LUN '{}' stays", row.name);
  return {};
}

Outcome<> Registry::check_free(const LunRecord& row) const {
  if (by_name_.contains(row.name) || coming_names_.contains(row.name))
    return failure(Errc::already_exists, fmt::format("LUN '{}' exists already", row.name),
                   "choose another name");
  if (by_file_.contains({row.store, row.file}))
    return failure(Errc::already_exists,
                   fmt::format("{}/{} is the container of another LUN", row.store, row.file),
                   "choose another name");
  auto [first, last] = by_target_.equal_range(row.target_name);
  for (auto at = first; at != last; ++at)
    if (at->second->record.target_lun == row.target_lun)
      return failure(Errc::already_exists,
                     fmt::format("LUN number {} of target {} is '{}'", row.target_lun,
                                 row.target_name, at->second->record.name),
                     "choose another LUN number or target");
  return {};
}

Outcome<Registry::Locked> Registry::reserve(const LunRecord& row) {
  auto entry = std::make_shared<Entry>();
  entry->record = row;
  std::unique_lock change(entry->change);
  std::lock_guard lock(mutex_);
  if (auto free = check_free(row); !free) return free.error();
  index(entry);
  return Locked{entry, std::move(change)};
}

std::optional<LunView> Registry::find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  auto found = by_name_.find(name);
  if (found == by_name_.end()) return std::nullopt;
  return view(*found->second);
}

std::optional<LunView> Registry::find(const Uuid& uuid) const {
  std::lock_guard lock(mutex_);
  auto found = by_uuid_.find(uuid);
  if (found == by_uuid_.end()) return std::nullopt;
  return view(*found->second);
}

std::optional<LunView> Registry::find_by_file(std::string_view store, std::string_view file) const {
  std::lock_guard lock(mutex_);
  auto found = by_file_.find({std::string(store), std::string(file)});
  if (found == by_file_.end()) return std::nullopt;
  return view(*found->second);
}

std::vector<LunView> Registry::find_by_target(std::string_view target) const {
  std::lock_guard lock(mutex_);
  std::vector<LunView> views;
  auto [first, last] = by_target_.equal_range(target);
  for (auto at = first; at != last; ++at) views.push_back(view(*at->second));
  return views;
}

std::vector<LunView> Registry::list() const {
  std::lock_guard lock(mutex_);
  std::vector<LunView> views;
  views.reserve(by_name_.size());
  for (const auto& [name, entry] : by_name_) views.push_back(view(*entry));
  return views;
}

}  // namespace caisson::object
