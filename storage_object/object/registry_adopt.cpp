// SPDX-License-Identifier: Apache-2.0
// Taking up containers that the catalog does not know, one by one (adopt) or
// all of them (rebuild). Here the trailer is believed.
#include <fmt/format.h>

#include <cstring>
#include <filesystem>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/iscsi_name.hpp"
#include "storage_object/base/names.hpp"
#include "storage_object/object/identities.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::HostRecord;
using catalog::LunRecord;
using catalog::LunState;
using catalog::Transaction;

namespace {

constexpr std::string_view kSuffix = ".img";
constexpr std::string_view kCloneSuffix = ".clone";

/// The LUN name that a container's file name stands for.
Outcome<std::string> lun_of(std::string_view store, std::string_view file) {
  auto wrong = failure(Errc::invalid_argument,
                       fmt::format("{}/{} is not the name of a container", store, file),
                       "rename it to LUN.img at the top of the store");
  if (!file.ends_with(kSuffix)) return wrong;
  auto name = file.substr(0, file.size() - kSuffix.size());
  if (!valid_name(name)) return wrong;
  return std::string(name);
}

/// What of a trailer could not have been made by us; empty: nothing.
std::string_view unsound(const LunRecord& row) {
  auto block = [](std::uint32_t size) { return size == 512 || size == 4096; };
  if (!block(row.logical_block) || !block(row.physical_block) ||
      row.physical_block < row.logical_block)
    return "block size";
  if (row.capacity == 0 || row.capacity % row.logical_block != 0) return "capacity";
  if (!valid_naa(row.naa)) return "NAA";
  if (!valid_serial(row.serial)) return "serial";
  if (auto normal = checked_iscsi_name(row.target_name); !normal || *normal != row.target_name)
    return "target name";
  if (row.target_lun > kMaxTargetLun) return "LUN number";
  return {};
}

/// One that has not everything itself, by what its trailer says of its snapshot.
void take_up_clone(const format::pb::Trailer& message, LunRecord& row) {
  row.kind = catalog::LunKind::clone;
  const auto& uuid = message.lineage().snapshot_uuid();
  if (Uuid origin; uuid.size() == origin.bytes.size()) {
    std::memcpy(origin.bytes.data(), uuid.data(), uuid.size());
    row.origin = origin;
  }
}

Outcome<> check_clone(const LunRecord& row) {
  if (row.origin && valid_name(row.name) && row.file == clone_name(row.uuid)) return {};
  return failure(Errc::corrupt, fmt::format("{}/{}: its trailer does not say which clone it is",
                                            row.store, row.file));
}

/// What two objects must not have in common; empty: nothing. A target may be shared.
std::string_view clash(const LunRecord& a, const LunRecord& b) {
  if (a.uuid == b.uuid) return "UUID";
  if (a.naa == b.naa) return "NAA";
  if (a.serial == b.serial) return "serial";
  if (a.target_name == b.target_name && a.target_lun == b.target_lun)
    return "target name and LUN number";
  return {};
}

/// What was cut from the object that had this name is of no use to another, and
/// would be left behind.
Outcome<> check_no_snapshots(catalog::Catalog& catalog, const LunRecord& old) {
  auto snapshots = catalog.snapshots_of(old.uuid);
  if (!snapshots) return snapshots.error();
  if (snapshots->empty()) return {};
  return failure(Errc::in_use,
                 fmt::format("{}/{} is another object, and LUN '{}' has {} snapshots of the one it "
                             "was",
                             old.store, old.file, old.name, snapshots->size()),
                 "put the old container back, or delete these snapshots first");
}

}  // namespace

/// An identity is served once: a copy of a container must not pass for it.
Outcome<> Registry::check_adoptable(const LunRecord& row, const EntryPtr& known) const {
  if (auto what = unsound(row); !what.empty())
    return failure(
        Errc::corrupt,
        fmt::format("{}/{}: its trailer says no {} that a LUN can have", row.store, row.file, what),
        "import it as a raw image, which gives it an identity of its own");
  std::lock_guard lock(mutex_);
  for (const auto& [name, other] : by_name_) {
    if (other == known) continue;
    if (auto what = clash(row, other->record); !what.empty())
      return failure(Errc::already_exists,
                     fmt::format("{}/{} has the {} of LUN '{}': it is a copy of that container, or "
                                 "pretends to be one",
                                 row.store, row.file, what, name),
                     "import it as a raw image, which gives it an identity of its own");
  }
  return {};
}

Outcome<LunView> Registry::adopt(std::string_view store, std::string_view file,
                                 std::optional<std::uint64_t> capacity, bool dry_run) {
  if (capacity && (*capacity == 0 || *capacity > format::kMaxCapacity))
    return failure(Errc::invalid_argument, fmt::format("{} is not a capacity", *capacity),
                   "give the bytes that the LUN had");
  if (auto known = find_by_file(store, file)) {
    auto locked = lock(known->record.name);
    if (!locked) return locked.error();
    return adopt_known(locked->entry, capacity, dry_run);
  }
  auto name = lun_of(store, file);
  if (!name) return name.error();
  auto where = open_store(store);
  if (!where) return where.error();
  auto container = Container::open_unknown(**where, file, capacity);
  if (!container) return container.error();
  auto row = row_of((*container)->slot());
  row.name = *name;
  row.store = store;
  row.file = file;
  return adopt_row(std::move(row), std::move(*container), dry_run);
}

Outcome<LunView> Registry::adopt_row(LunRecord row, std::unique_ptr<Container> container,
                                     bool dry_run) {
  if (auto fine = check_adoptable(row, nullptr); !fine) return fine.error();
  if (row.state == LunState::creating) row.state = LunState::online;
  if (dry_run) {
    std::lock_guard lock(mutex_);
    if (auto free = check_free(row); !free) return free.error();
    return LunView{.record = row, .state = row.state};
  }
  auto reserved = reserve(row);
  if (!reserved) return reserved.error();
  const auto& entry = reserved->entry;
  if (auto fitted = fit(row.uuid, *container); !fitted) {
    forget(entry);
    return fitted.error();
  }
  auto noted = save(
      entry, [](LunRecord&) {}, "lun.adopted", "taken up from its trailer");
  if (!noted) {
    forget(entry);
    return noted.error();
  }
  container->keep_room();
  if (auto done = serve(entry, std::move(container)); !done) {
    std::lock_guard lock(mutex_);
    entry->reason = done.error().message;
    return done.error();
  }
  return view_of(entry);
}

/// The length that its trailer says. A loss that its sync hears of is remembered: the
/// next adoption finds nothing to sync.
Outcome<> Registry::fit(const Uuid& uuid, Container& container) {
  mark_losses(uuid, container);
  auto done = container.fit();
  if (!done && container.take_sync_failure()) (void)marks_->set(uuid);
  return done;
}

/// Another row under the name of the old one, of another object perhaps: in one
/// transaction, then in the lists.
Outcome<> Registry::replace_row(const EntryPtr& entry, const LunRecord& row) {
  std::lock_guard one_at_a_time(entry->row);
  const auto old = row_of_entry(entry).uuid;
  auto done = options_.catalog->change([&](Transaction& transaction) -> Outcome<> {
    if (old != row.uuid)
      if (auto erased = transaction.erase_lun(old); !erased) return erased.error();
    if (auto put = transaction.put_lun(row); !put) return put.error();
    auto added =
        transaction.add_event("lun.adopted", row.name, "caissond", "taken up from its trailer");
    if (!added) return added.error();
    return {};
  });
  if (!done) return done.error();
  std::lock_guard lock(mutex_);
  unindex(entry);
  entry->record = row;
  index(entry);
  return {};
}

Outcome<LunView> Registry::adopt_known(const EntryPtr& entry, std::optional<std::uint64_t> capacity,
                                       bool dry_run) {
  auto known = view_of(entry);
  if (known.object) return known;
  const auto& old = known.record;
  auto where = open_store(old.store);
  if (!where) return where.error();
  auto container = Container::open_unknown(**where, old.file, capacity);
  if (!container) return container.error();
  auto row = row_of((*container)->slot());
  row.name = old.name;
  row.store = old.store;
  row.file = old.file;
  row.config_id = old.config_id + 1;
  if (row.uuid == old.uuid)
    row.kind = old.kind, row.origin = old.origin, row.restoring = old.restoring;
  if (old.state == LunState::failed || old.reason.starts_with(kFailedMark)) {
    row.state = LunState::failed;
    row.reason = old.reason;
  } else if (row.state == LunState::creating) {
    row.state = LunState::online;
  }
  if (auto fine = check_adoptable(row, entry); !fine) return fine.error();
  if (row.uuid != old.uuid)
    if (auto none = check_no_snapshots(*options_.catalog, old); !none) return none.error();
  if (dry_run) return LunView{.record = row, .state = row.state};
  if (auto fitted = fit(row.uuid, **container); !fitted) return fitted.error();
  if (auto replaced = replace_row(entry, row); !replaced) return replaced.error();
  (*container)->keep_room();
  if (auto done = serve(entry, std::move(*container)); !done) return done.error();
  return view_of(entry);
}

namespace {

/// Proposes what a trailer's copy says of grants; hosts that are not known come
/// into being by name alone.
Outcome<> propose_grants(catalog::Catalog& catalog, const LunRecord& row,
                         const format::pb::Trailer& message, bool dry_run, RebuildReport& report) {
  auto hosts = catalog.hosts();
  if (!hosts) return hosts.error();
  std::map<std::string, std::uint64_t> ids;
  for (const auto& host : *hosts) ids[host.name] = host.id;
  for (const auto& copy : message.grants()) {
    report.proposals.push_back(fmt::format("{} {}", row.name, copy.host()));
    bool known = ids.contains(copy.host());
    if (!known)
      report.lost.push_back(
          fmt::format("host {}: its initiator names, credentials and quota", copy.host()));
    if (dry_run) {
      ids.emplace(copy.host(), 0);
      continue;
    }
    auto done = catalog.change([&](Transaction& transaction) -> Outcome<> {
      if (!known) {
        auto id = transaction.put_host(HostRecord{.name = copy.host()});
        if (!id) return id.error();
        ids[copy.host()] = *id;
      }
      return transaction.put_grant({.lun = row.uuid,
                                    .host = ids[copy.host()],
                                    .read_only = copy.read_only(),
                                    .quota = copy.quota(),
                                    .lun_number = copy.lun_number(),
                                    .allowed_verbs = copy.allowed_verbs(),
                                    .proposed = true});
    });
    if (!done) return done.error();
  }
  return {};
}

}  // namespace

Outcome<RebuildReport> Registry::rebuild(bool dry_run) {
  RebuildReport report;
  for (const auto& record : stores()) {
    auto* where = store(record.name);
    auto names =
        where ? where->list()
              : Result<std::vector<file_store::DirectoryEntry>>(make_error_code(Errc::offline));
    if (!names) {
      report.lost.push_back(fmt::format("store {}: {}", record.name, names.error().message()));
      continue;
    }
    for (const auto& file : *names) {
      auto name = lun_of(record.name, file.name);
      const bool clone = file.name.starts_with('.') && file.name.ends_with(kCloneSuffix);
      if (!file.regular || (!name && !clone) || find_by_file(record.name, file.name)) continue;
      auto container = Container::open_unknown(*where, file.name, std::nullopt);
      if (!container) {
        report.lost.push_back(
            fmt::format("{}/{}: {}", record.name, file.name, container.error().message));
        continue;
      }
      auto slot = (*container)->slot();
      auto row = row_of(slot);
      if (name) row.name = *name;
      row.store = record.name;
      row.file = file.name;
      if (clone) take_up_clone(slot.message, row);
      if (auto fine = clone ? check_clone(row) : Outcome<>(); !fine) {
        report.lost.push_back(fine.error().message);
        continue;
      }
      if (auto fine = check_adoptable(row, nullptr); !fine) {
        report.lost.push_back(fine.error().message);
        continue;
      }
      if (auto taken = adopt_row(row, std::move(*container), dry_run); !taken) {
        report.lost.push_back(taken.error().message);
        if (dry_run || !find(row.name)) continue;
      }
      report.restored.push_back(row);
      auto proposed = propose_grants(*options_.catalog, row, slot.message, dry_run, report);
      if (!proposed) return proposed.error();
    }
  }
  report.lost.push_back("schedules, relations, events and the audit trail before this rebuild");
  return report;
}

}  // namespace caisson::object
