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

constexpr std::string_view kPendingRename = "pending_rename";

}  // namespace

// What a crash left of a creation: all of it, or none. Nobody was told of the
// object, so a row whose file is not there, or is not ours, is taken back.
Outcome<> Registry::finish_creation(const EntryPtr& entry) {
  auto row = row_of_entry(entry);
  auto store = open_store(row.store);
  if (!store) return store.error();
  auto container = Container::open(**store, row);
  bool nothing = !container && (container.error().code == Errc::not_found ||
                                container.error().code == Errc::corrupt);
  if (nothing && row.reason.starts_with(kImportMark)) {
    auto done = wrap_in_place(entry, row.reason.substr(kImportMark.size()), std::nullopt);
    if (done || done.error().code != Errc::not_found) return done;
  }
  if (nothing) {
    log::warning("LUN '{}': its creation was interrupted and is taken back", row.name);
    return erase(entry);
  }
  if (!container) return container.error();
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

// A file that is not this object's is left alone.
Outcome<> Registry::finish_deletion(const EntryPtr& entry) {
  auto row = row_of_entry(entry);
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
  return erase(entry);
}

// The setting holds "UUID NAME": what a rename under way will be called. If the
// file has its new name already, the row follows; if not, nothing has happened.
void Registry::finish_rename() {
  auto pending = options_.catalog->setting(kPendingRename);
  if (!pending || !*pending || (*pending)->empty()) return;
  const auto& text = **pending;
  auto space = std::min(text.find(' '), text.size() - 1);
  auto uuid = Uuid::parse(std::string_view(text).substr(0, space));
  EntryPtr entry;
  if (uuid) {
    std::lock_guard lock(mutex_);
    if (auto found = by_uuid_.find(*uuid); found != by_uuid_.end()) entry = found->second;
  }
  if (entry && !follow_rename(entry, text.substr(space + 1))) return;  // the next start tries again
  if (auto cleared = note_rename(""); !cleared)
    log::error("a finished rename stays noted: {}", cleared.error().message);
}

bool Registry::follow_rename(const EntryPtr& entry, const std::string& name) {
  auto row = row_of_entry(entry);
  auto* where = store(row.store);
  if (where == nullptr) return false;
  if (where->open(row.file)) return true;
  auto moved = row;
  moved.name = name;
  moved.file = container_name(name);
  auto there = Container::open(*where, moved);
  if (!there && there.error().code != Errc::in_use) return true;  // not this rename's doing
  if (!where->sync_names()) return false;
  return save(entry,
              [&](LunRecord& changed) {
                changed.name = moved.name;
                changed.file = moved.file;
              })
      .has_value();
}

Outcome<> Registry::note_rename(std::string_view text) {
  return options_.catalog->change(
      [&](Transaction& transaction) { return transaction.put_setting(kPendingRename, text); });
}

}  // namespace caisson::object
