// SPDX-License-Identifier: Apache-2.0
// LUNs that are made of a snapshot: clones, which become disks like any other once they
// have everything themselves, and views, which have no container at all.
#include <fmt/format.h>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::LunKind;
using catalog::LunRecord;
using catalog::LunState;

std::string clone_name(const Uuid& clone) { return fmt::format(".{}.clone", clone.to_string()); }

Failure no_disk_of_its_own(const LunRecord& row, std::string_view change) {
  return failure(Errc::unsupported,
                 fmt::format("LUN '{}' shows a snapshot: {} is not possible", row.name, change),
                 "clone the snapshot to have a disk of its own");
}

Outcome<LunView> Registry::create_copy(const CopyOptions& options) {
  auto row = checked_row(options.like);
  if (!row) return row.error();
  row->kind = options.kind;
  row->origin = options.origin;
  row->file = options.kind == LunKind::clone ? clone_name(row->uuid) : std::string();
  if (auto free = check_copy(*row); !free) return free.error();
  if (options.like.dry_run) return LunView{.record = *row, .state = row->state};
  if (options.kind == LunKind::view) return build_view(*row);
  // What is beside the container comes first: one that bears its name has it.
  return build(*row, [&](file_store::File&) {
    return options.prepare ? options.prepare(*row) : Outcome<>();
  });
}

/// Whether the names that it will have are free.
Outcome<> Registry::check_copy(const LunRecord& row) {
  {
    std::lock_guard lock(mutex_);
    if (auto free = check_free(row); !free) return free;
    if (row.kind == LunKind::clone && by_file_.contains({row.store, container_name(row.name)}))
      return failure(
          Errc::already_exists,
          fmt::format("{}/{} is the container of another LUN", row.store, container_name(row.name)),
          "choose another name");
  }
  if (row.kind == LunKind::view) return {};
  auto store = open_store(row.store);
  if (!store) return store.error();
  if (auto free = check_name_free(**store, row.store, container_name(row.name)); !free) return free;
  return check_room(**store, row, format::container_length(row.capacity));
}

Outcome<LunView> Registry::build_view(LunRecord row) {
  row.state = LunState::online;
  auto reserved = reserve(row);
  if (!reserved) return reserved.error();
  const auto& entry = reserved->entry;
  auto noted = save(
      entry, [](LunRecord&) {}, "lun.created", "it shows a snapshot");
  if (!noted) {
    forget(entry);
    return noted.error();
  }
  if (auto done = serve_view(entry); !done) {
    roll_back(entry);
    return done.error();
  }
  return view_of(entry);
}

/// Nothing of it can be kept but its row: no reservation outlives a power loss, no mode
/// is saved.
Outcome<> Registry::serve_view(const EntryPtr& entry) {
  auto row = row_of_entry(entry);
  if (!options_.show)
    return failure(Errc::unsupported,
                   fmt::format("LUN '{}': this gateway shows no snapshots", row.name));
  std::shared_ptr<file_store::File> file = options_.show(row);
  DataOptions options{.geometry = {row.capacity, row.logical_block, row.physical_block},
                      .read_only = true,
                      .give_space_back = false};
  auto data = std::make_unique<ContainerData>(file, file, options);
  LunParts parts{.identity = identity_of(row),
                 .data = data.get(),
                 .config_id = row.config_id,
                 .owner_epoch = row.owner_epoch};
  parts.stack = std::move(data);
  if (options_.decorate) parts.stack = options_.decorate(std::move(parts.stack), row);
  parts.recorder = [](const std::shared_ptr<LunObject>&, const std::function<void()>& recorded) {
    recorded();  // it has nothing to lose
  };
  parts.noter = event_noter(entry);
  auto object = std::make_shared<LunObject>(std::move(parts));
  {
    std::lock_guard lock(mutex_);
    entry->object = object;
    entry->reason.clear();
    entry->made_sure = true;
  }
  observer_->on_served(object);
  return {};
}

Outcome<> Registry::end_clone(const Uuid& lun) {
  auto found = find(lun);
  if (!found) return failure(Errc::not_found, fmt::format("there is no LUN {}", lun.to_string()));
  auto locked = lock(found->record.name);
  if (!locked) return locked.error();
  const auto& entry = locked->entry;
  const auto row = row_of_entry(entry);
  if (row.kind != LunKind::clone) return {};
  if (stopping()) return failure(Errc::offline, "the gateway is stopping");
  auto named = rename_kept(entry, row.name, false);
  if (!named) return named.error();
  note_event("lun.clone_filled", row.name,
             "it has everything itself, and needs its snapshot no more");
  return {};
}

/// What snapshots keep beside a container that is no clone any more, or gone.
void Registry::discard_beside(const LunRecord& row) {
  if (!options_.discard || !row.origin) return;
  auto store = open_store(row.store);
  if (!store) return;
  if (auto gone = options_.discard(row, **store); !gone)
    log::warning("LUN '{}': {}", row.name, gone.error().message);
}

}  // namespace caisson::object
