// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/failure_marks.hpp"

#include <algorithm>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::object {
namespace {

std::unique_ptr<file_store::Store> opened(const MarkPlace& place, bool make) {
  if (!place.open) return nullptr;
  auto store = place.open(make);
  auto prepared = store ? (*store)->prepare() : Outcome<>(store.error());
  if (prepared) return std::move(*store);
  bool absent = !make && prepared.error().code == Errc::not_found;
  if (!absent) log::warning("no failure marks in {}: {}", place.name, prepared.error().message);
  return nullptr;
}

}  // namespace

FailureMarks::FailureMarks(std::vector<MarkPlace> places, const MarkPlace& record)
    : record_(opened(record, true)) {
  for (auto& place : places) {
    places_.emplace_back(std::move(place));
    open(places_.back(), false);
  }
}

bool FailureMarks::open(Place& place, bool make) {
  if (place.store) return true;
  place.store = opened(place.how, make);
  if (!place.store) return false;
  auto names = place.store->list();
  if (!names) return true;
  for (const auto& entry : *names)
    if (auto uuid = Uuid::parse(entry.name)) place.marked.insert(*uuid);
  return true;
}

bool FailureMarks::has(const Uuid& uuid) const {
  if (record_.has(uuid)) return true;
  return std::ranges::any_of(places_, [&](const Place& at) {
    std::lock_guard lock(at.mutex);
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
  if (!open(place, true)) return make_error_code(Errc::unsupported);
  if (place.marked.contains(uuid)) return {};
  auto file = place.store->create_unnamed();
  if (!file) return file.error();
  if (auto done = (*file)->sync_all(); !done) return done.error();
  auto published = place.store->publish(**file, uuid.to_string());
  if (!published && to_errc(published.error()) != Errc::already_exists) return published.error();
  if (auto done = place.store->sync_names(); !done) return done.error();
  place.marked.insert(uuid);
  return {};
}

Result<> FailureMarks::clear_in(Place& place, const Uuid& uuid) {
  std::lock_guard lock(place.mutex);
  if (!place.store) return {};
  // One whose setting failed half-way may be there all the same.
  auto done = place.store->remove(uuid.to_string());
  bool absent = !done && to_errc(done.error()) == Errc::not_found;
  if (!done && !absent) return done.error();
  if (absent && !place.marked.contains(uuid)) return {};
  if (auto synced = place.store->sync_names(); !synced) return synced.error();
  place.marked.erase(uuid);
  return {};
}

}  // namespace caisson::object
