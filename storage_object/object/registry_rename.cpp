// SPDX-License-Identifier: Apache-2.0
// A new name: of the row, of the file, and of what the trailer says.
#include <fmt/format.h>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/base/names.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::LunKind;
using catalog::LunRecord;

namespace {

Outcome<LunView> preview_rename(LunView lun, file_store::Store& store, std::string_view to) {
  lun.record.name = to;
  lun.record.file = container_name(to);
  if (auto free = check_name_free(store, lun.record.store, lun.record.file); !free)
    return free.error();
  return lun;
}

}  // namespace

/// The file has that name, durably, and the LUN with it; a clone whose file has its public
/// name is a disk like any other.
Outcome<> Registry::end_rename(const EntryPtr& entry, std::string_view name,
                               std::string_view file) {
  const auto row = row_of_entry(entry);
  auto ended = save(entry, [&](LunRecord& changed) {
    changed.name = name;
    changed.file = file;
    changed.rename_to.clear();
    if (changed.kind == LunKind::clone && file == container_name(name))
      changed.kind = LunKind::disk;
  });
  if (ended && row.kind != row_of_entry(entry).kind) discard_beside(row);
  return ended;
}

/// Whoever works with it learns the name that its row has now.
void Registry::tell_name(const EntryPtr& entry) {
  std::shared_ptr<Container> container;
  std::shared_ptr<LunObject> object;
  {
    std::lock_guard lock(mutex_);
    container = entry->container;
    object = entry->object;
  }
  const auto row = row_of_entry(entry);
  if (container) {
    container->renamed(row.file);
    auto copied = container->update([&](format::pb::Trailer& m) { m.set_name(row.name); });
    if (!copied) log::warning("LUN '{}': {}", row.name, copied.error().message);
  }
  if (object) {
    auto identity = *object->identity();
    identity.name = row.name;
    object->set_identity(std::move(identity));
    if (auto* layer = object->layer()) layer->renamed(row.name);
    object->announce(ObjectEvent::identity_changed);
  }
}

Outcome<LunView> Registry::rename(std::string_view name, std::string_view to, bool dry_run) {
  if (auto valid = checked_name("LUN", to); !valid) return valid.error();
  auto locked = lock(name);
  if (!locked) return locked.error();
  const auto& entry = locked->entry;
  auto row = row_of_entry(entry);
  if (!row.rename_to.empty())
    return failure(Errc::in_use,
                   fmt::format("LUN '{}': a rename to '{}' is not finished", name, row.rename_to),
                   "take the LUN offline and online to finish it");
  if (row.name == to) return view_of(entry);
  if (auto kept = keep_name(row.store, to); !kept) return kept.error();
  auto renamed =
      row.kind == LunKind::disk ? rename_kept(entry, to, dry_run) : rename_row(entry, to, dry_run);
  std::lock_guard lock(mutex_);
  coming_names_.erase(coming_names_.find(to));
  return renamed;
}

/// Nobody else gets the name from now on. Nothing that may hang is waited for.
Outcome<> Registry::keep_name(const std::string& store, std::string_view name) {
  std::lock_guard lock(mutex_);
  if (!by_name_.contains(name) && !by_file_.contains({store, container_name(name)}) &&
      coming_names_.emplace(name).second)
    return {};
  return failure(Errc::already_exists, fmt::format("LUN '{}' exists already", name),
                 "choose another name");
}

/// Of one whose file does not bear its name.
Outcome<LunView> Registry::rename_row(const EntryPtr& entry, std::string_view to, bool dry_run) {
  auto lun = view_of(entry);
  lun.record.name = to;
  if (dry_run) return lun;
  if (auto saved = save(entry, [&](LunRecord& changed) { changed.name = to; }); !saved)
    return saved.error();
  tell_name(entry);
  return view_of(entry);
}

Outcome<LunView> Registry::rename_kept(const EntryPtr& entry, std::string_view to, bool dry_run) {
  const auto row = row_of_entry(entry);
  auto file = container_name(to);
  auto store = open_store(row.store);
  if (!store) return store.error();
  if (auto fine = check_bearing(entry); !fine) return fine.error();
  if (dry_run) return preview_rename(view_of(entry), **store, to);
  if (auto noted = save(entry, [&](LunRecord& changed) { changed.rename_to = to; }); !noted)
    return noted.error();
  auto moved = (*store)->rename(row.file, file);
  if (!moved) {
    if (auto cleared = end_rename(entry, row.name, row.file); !cleared)
      log::error("{}", cleared.error().message);
    return failure(to_errc(moved.error()),
                   fmt::format("cannot rename {}/{} to {}: {}", row.store, row.file, file,
                               moved.error().message()),
                   "choose another name, or look after the file of that name");
  }
  auto back = [&](const Failure& why) -> Outcome<LunView> {
    if ((*store)->rename(file, row.file) && (*store)->sync_names())
      (void)end_rename(entry, row.name, row.file);  // else the next start finds out
    return why;
  };
  if (auto ours = check_moved(entry, **store, file); !ours) return back(ours.error());
  if (auto synced = (*store)->sync_names(); !synced)
    return back(failure(to_errc(synced.error()),
                        fmt::format("store '{}': {}", row.store, synced.error().message()),
                        "check the store's file system"));
  if (auto saved = end_rename(entry, to, file); !saved) {
    if (!options_.catalog->in_doubt()) return back(saved.error());
    withdraw_in_doubt(entry, "renaming it");  // a start looks for one name or the other
    return saved.error();
  }
  tell_name(entry);
  return view_of(entry);
}

}  // namespace caisson::object
