// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/failure_marks.hpp"

#include <algorithm>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::object {
namespace {

Outcome<std::unique_ptr<file_store::Store>> opened(const MarkPlace& place, bool make) {
  auto store = place.open(make);
  auto prepared = store ? (*store)->prepare() : Outcome<>(store.error());
  if (prepared) return std::move(*store);
  bool absent = !make && prepared.error().code == Errc::not_found;
  if (!absent) log::error("no failure marks in {}: {}", place.name, prepared.error().message);
  return prepared.error();
}

std::unique_ptr<file_store::Store> directory_of_record(const MarkPlace& place) {
  if (!place.open) return nullptr;
  auto store = opened(place, true);
  return store ? std::move(*store) : nullptr;
}

}  // namespace

FailureMarks::FailureMarks(std::vector<MarkPlace> places, const MarkPlace& record)
    : record_(directory_of_record(record)) {
  for (auto& place : places) {
    places_.emplace_back(std::move(place));
    (void)open(places_.back(), false);
  }
}

Outcome<> FailureMarks::open(Place& place, bool make) {
  if (!place.store) {
    auto store = opened(place.how, make);
    if (!store) return store.error();
    place.store = std::move(*store);
  }
  if (place.listed) return {};
  auto names = place.store->list();
  place.listed = names.has_value();
  if (!names)  // marks can be set and cleared all the same
    log::error("the failure marks in {} cannot be listed: {}", place.how.name,
               names.error().message());
  else
    for (const auto& entry : *names)
      if (auto uuid = Uuid::parse(entry.name)) place.marked.try_emplace(*uuid, false);
  return {};
}

bool FailureMarks::has(const Uuid& uuid) {
  if (record_.has(uuid)) return true;
  return std::ranges::any_of(places_, [&](Place& at) {
    std::lock_guard lock(at.mutex);
    (void)open(at, false);
    return at.marked.contains(uuid);
  });
}

Result<> FailureMarks::set(const Uuid& uuid) {
  auto recorded = record_.set(uuid);
  for (auto& place : places_)
    if (auto done = set_in(place, uuid); done || !recorded) recorded = done;
  return recorded;
}

Result<> FailureMarks::clear(const Uuid& uuid) {
  auto cleared = record_.clear(uuid);
  for (auto& place : places_)
    if (auto done = clear_in(place, uuid); !done) cleared = done;
  return cleared;
}

void FailureMarks::set_quickly(const Uuid& uuid) {
  for (auto& place : places_)
    if (place.how.quick) (void)set_in(place, uuid);
}

Result<> FailureMarks::set_in(Place& place, const Uuid& uuid) {
  std::lock_guard lock(place.mutex);
  if (auto usable = open(place, true); !usable) return usable.error().code;
  if (auto known = place.marked.find(uuid); known != place.marked.end() && known->second) return {};
  auto file = place.store->create_unnamed();
  if (!file) return file.error();
  if (auto done = (*file)->sync_all(); !done) return done.error();
  place.marked[uuid] = false;  // from here on it may be there, whatever fails
  auto published = place.store->publish(**file, uuid.to_string());
  if (!published && to_errc(published.error()) != Errc::already_exists) return published.error();
  if (auto done = place.store->sync_names(); !done) return done.error();
  place.marked[uuid] = true;
  return {};
}

Result<> FailureMarks::clear_in(Place& place, const Uuid& uuid) {
  std::lock_guard lock(place.mutex);
  if (auto usable = open(place, false); !usable) {
    if (usable.error().code == Errc::not_found) return {};
    return usable.error().code;
  }
  auto done = place.store->remove(uuid.to_string());
  bool absent = !done && to_errc(done.error()) == Errc::not_found;
  if (!done && !absent) return done.error();
  if (absent && !place.marked.contains(uuid)) return {};
  place.marked[uuid] = false;
  if (auto synced = place.store->sync_names(); !synced) return synced.error();
  place.marked.erase(uuid);
  return {};
}

}  // namespace caisson::object
