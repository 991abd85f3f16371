// SPDX-License-Identifier: Apache-2.0
// What a crash interrupted, finished or taken back when the object is next brought up.
#include <fmt/format.h>

#include <algorithm>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::LunRecord;
using catalog::LunState;
using catalog::Transaction;

namespace {

/// Whether a container that could not be opened is not there, or is not this object's.
bool absent(const Failure& why) { return why.code == Errc::not_found || why.code == Errc::corrupt; }

}  // namespace

Outcome<> Registry::take_back_creation(const EntryPtr& entry, std::string_view why) {
  auto row = row_of_entry(entry);
  log::warning("LUN '{}': its creation was interrupted and is taken back: {}", row.name, why);
  auto noted = options_.catalog->change([&](Transaction& transaction) -> Outcome<> {
    auto added = transaction.add_event("lun.taken_back", row.name, "caissond", why);
    if (!added) return added.error();
    return {};
  });
  if (!noted) return noted.error();
  discard_beside(row);
  return erase(entry);
}

/// Of a creation or an import. That its syncs hear of a loss is not forgotten.
Outcome<> Registry::anchor_new(const EntryPtr& entry, Container& container) {
  mark_losses(row_of_entry(entry).uuid, container);
  auto done = container.anchor();
  if (!done && container.take_sync_failure()) record_failure(entry, [] {});
  return done;
}

// What a crash left of a creation: all of it, or none. Nobody was told of the
// object, so a row whose file is not there, or is not ours, is taken back.
Outcome<> Registry::finish_creation(const EntryPtr& entry) {
  auto row = row_of_entry(entry);
  auto store = open_store(row.store);
  if (!store) return store.error();
  auto container = Container::open(**store, row);
  if (container) {
    if (auto durable = anchor_new(entry, **container); !durable) return durable.error();
    if (row.import) return end_import(entry, std::move(*container));
    if (auto done = (*store)->sync_names(); !done)
      return failure(to_errc(done.error()),
                     fmt::format("store '{}': {}", row.store, done.error().message()));
    auto done = save(entry, [](LunRecord& changed) {
      changed.state = LunState::online;
      changed.reason.clear();
    });
    if (!done) return done.error();
    return serve(entry, std::move(*container));
  }
  if (!absent(container.error())) return container.error();
  if (row.import) return finish_import(entry, **store);
  return take_back_creation(entry, container.error().message);
}

/// An import in place whose image does not bear the LUN's name yet: it goes on if
/// that is still the file it began with. Any other is somebody's, and left alone.
Outcome<> Registry::finish_import(const EntryPtr& entry, file_store::Store& store) {
  auto wrapped = row_of_entry(entry);
  const auto image = *wrapped.import;
  wrapped.file = image.file;
  auto container = Container::open(store, wrapped);
  if (container) {
    if (auto durable = anchor_new(entry, **container); !durable) return durable.error();
    return end_import(entry, std::move(*container));
  }
  if (!absent(container.error())) return container.error();
  auto done = wrap_in_place(entry);
  if (done || !absent(done.error())) return done;
  return take_back_creation(entry, fmt::format("{}; nothing was changed", done.error().message));
}

// A file that is not this object's is left alone.
Outcome<> Registry::finish_deletion(const EntryPtr& entry) {
  if (auto done = finish_rename(entry); !done) return done.error();
  auto row = row_of_entry(entry);
  if (row.kind == catalog::LunKind::view) return erase(entry);
  auto store = open_store(row.store);
  if (!store) return store.error();
  {
    auto container = Container::open(**store, row);
    if (!container && container.error().code != Errc::not_found &&
        container.error().code != Errc::corrupt && container.error().code != Errc::unsupported)
      return container.error();
    if (container) {
      if (auto done = (*store)->remove(row.file); !done)
        return failure(
            to_errc(done.error()),
            fmt::format("{}/{}: cannot remove: {}", row.store, row.file, done.error().message()),
            "check the store's permissions, then delete the LUN again");
    } else if (container.error().code != Errc::not_found) {
      log::warning("LUN '{}': {}; the file is left where it is", row.name,
                   container.error().message);
    }
  }
  if (auto done = (*store)->sync_names(); !done)
    return failure(to_errc(done.error()),
                   fmt::format("store '{}': {}", row.store, done.error().message()));
  discard_beside(row);
  return erase(entry);
}

// The row holds what a rename under way will be called. Where the file is, under
// which of the two names, says whether that has happened; one of another object
// under either name says nothing. Found under neither, the name stays noted: a
// later look may find it.
Outcome<> Registry::finish_rename(const EntryPtr& entry) {
  auto row = row_of_entry(entry);
  // A clone's row may be of a backup, and its file be under its public name since.
  if (row.kind == catalog::LunKind::clone && row.rename_to.empty()) row.rename_to = row.name;
  if (row.rename_to.empty()) {
    // One that was a clone: what ended that may have been cut short just before this.
    if (row.kind == catalog::LunKind::disk) discard_beside(row);
    return {};
  }
  auto store = open_store(row.store);
  if (!store) return store.error();
  auto moved = row;
  moved.file = container_name(row.rename_to);
  for (const auto& [name, place] : {std::pair(row.name, row), std::pair(row.rename_to, moved)}) {
    auto there = Container::open(**store, place);
    if (!there && absent(there.error())) continue;
    if (!there) return there.error();
    if (auto done = (*store)->sync_names(); !done)
      return failure(to_errc(done.error()),
                     fmt::format("store '{}': {}", row.store, done.error().message()));
    return end_rename(entry, name, place.file);
  }
  return {};
}

}  // namespace caisson::object
