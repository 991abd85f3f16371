// SPDX-License-Identifier: Apache-2.0
// Stores and LUNs, written.
#include <fmt/format.h>

#include "storage_object/catalog/catalog.hpp"
#include "storage_object/catalog/enum_names.hpp"
#include "storage_object/catalog/sqlite.hpp"

namespace caisson::catalog {
namespace {

// Upserts, never REPLACE: that deletes the old row first, and its grants with it.
constexpr const char* kPutStore =
    "INSERT INTO stores (name, location, import_allowed, mark) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET location = excluded.location, "
    "import_allowed = excluded.import_allowed, mark = excluded.mark";

constexpr const char* kPutLun =
    "INSERT INTO luns (uuid, name, store, file, capacity, logical_block, physical_block, cache, "
    "thick, removable, naa, serial, target_name, target_lun, vendor_location, state, reason, "
    "resize_from, resize_to, import_file, import_length, import_inode, import_born, rename_to, "
    "config_id, owner_epoch, created_at, kind, origin, restoring) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
    "?, "
    "?) "
    "ON CONFLICT (uuid) DO UPDATE SET name = excluded.name, store = excluded.store, "
    "file = excluded.file, capacity = excluded.capacity, logical_block = excluded.logical_block, "
    "physical_block = excluded.physical_block, cache = excluded.cache, thick = excluded.thick, "
    "removable = excluded.removable, naa = excluded.naa, serial = excluded.serial, "
    "target_name = excluded.target_name, target_lun = excluded.target_lun, "
    "vendor_location = excluded.vendor_location, state = excluded.state, "
    "reason = excluded.reason, resize_from = excluded.resize_from, "
    "resize_to = excluded.resize_to, import_file = excluded.import_file, "
    "import_length = excluded.import_length, import_inode = excluded.import_inode, "
    "import_born = excluded.import_born, rename_to = excluded.rename_to, "
    "config_id = excluded.config_id, "
    "owner_epoch = excluded.owner_epoch, created_at = excluded.created_at, "
    "kind = excluded.kind, origin = excluded.origin, restoring = excluded.restoring";

Failure explain_lun(Failure cause, const LunRecord& record) {
  if (cause.code == Errc::in_use)  // within a transaction only a foreign key says so
    return failure(Errc::not_found,
                   fmt::format("LUN {}: there is no store named {}", record.name, record.store),
                   "`caisson store list` shows the stores.");
  if (cause.code == Errc::already_exists)
    return failure(Errc::already_exists,
                   fmt::format("LUN {}: its name or its file {} in store {} belongs to another LUN",
                               record.name, record.file, record.store),
                   "`caisson lun list` shows the names in use.");
  return cause;
}

Failure has_snapshots(std::string_view lun) {
  return failure(Errc::in_use, fmt::format("LUN {} still has snapshots", lun),
                 "Delete them first; `caisson snapshot list` shows them.");
}

Outcome<> check_no_snapshots(Statements& statements, const LunRecord& record) {
  bool found = false;
  auto looked = statements.each(
      "SELECT 1 FROM snapshots WHERE lun = ? LIMIT 1",
      [&](Columns) -> Outcome<> {
        found = true;
        return {};
      },
      record.uuid);
  if (looked && found) return has_snapshots(record.name);
  return looked;
}

}  // namespace

Outcome<> Transaction::put_store(const StoreRecord& record) {
  return statements_.run(kPutStore, record.name, record.location, record.import_allowed,
                         record.mark ? record.mark->to_string() : std::string());
}

Outcome<> Transaction::erase_store(std::string_view name) {
  auto erased = statements_.run("DELETE FROM stores WHERE name = ?", name);
  if (!erased && erased.error().code == Errc::in_use)
    return failure(Errc::in_use, fmt::format("store {} still holds LUNs", name),
                   "Delete them first; `caisson lun list` shows them.");
  return erased;
}

Outcome<> Transaction::put_lun(const LunRecord& record) {
  std::optional<std::uint64_t> from, to, import_length, import_inode;
  std::string import_file;
  std::int64_t import_born = 0;
  if (record.resize) from = record.resize->from, to = record.resize->to;
  if (const auto& image = record.import)
    import_file = image->file, import_length = image->length, import_inode = image->inode,
    import_born = image->born;
  auto put =
      statements_.run(kPutLun, record.uuid, record.name, record.store, record.file, record.capacity,
                      record.logical_block, record.physical_block, enum_name(record.cache),
                      record.thick, record.removable, record.naa, record.serial, record.target_name,
                      record.target_lun, record.vendor_location, enum_name(record.state),
                      record.reason, from, to, import_file, import_length, import_inode,
                      import_born, record.rename_to, record.config_id, record.owner_epoch,
                      record.created_at, enum_name(record.kind), record.origin, record.restoring);
  if (!put) return explain_lun(put.error(), record);
  if (record.state == LunState::deleting) return check_no_snapshots(statements_, record);
  return {};
}

Outcome<> Transaction::erase_lun(const Uuid& uuid) {
  auto erased = statements_.run("DELETE FROM luns WHERE uuid = ?", uuid);
  if (!erased && erased.error().code == Errc::in_use) return has_snapshots(uuid.to_string());
  return erased;
}

}  // namespace caisson::catalog
