// SPDX-License-Identifier: Apache-2.0
// What is done with snapshots that are there.
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "snapshot/manager/manager.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::snapshot {

using catalog::SnapshotRecord;
using catalog::SnapshotState;

namespace {

constexpr std::chrono::seconds kReclaimLimit{60};
constexpr std::chrono::milliseconds kLookAgain{5};

}  // namespace

SnapshotView Manager::view_of(const LunFacts& lun, const SnapshotRecord& record) const {
  SnapshotView view{.record = record, .lun = lun.name};
  view.locked_for = locked_for(record);
  auto chain = chain_of(lun.uuid);
  auto member = chain ? chain->find(record.uuid) : nullptr;
  view.condition = record.state == SnapshotState::invalid      ? "invalid"
                   : record.complete                           ? "whole"
                   : member == nullptr                         ? "offline"
                   : member->whole()                           ? "whole"
                   : chain->members()->back() == member        ? "capturing"
                   : member->primitive() == Primitive::reflink ? "filling"
                                                               : "partial";
  view.captured = record.complete ? record.capacity : 0;
  if (member && !member->whole())
    view.captured = std::min(record.capacity, member->captured_units() * member->unit());
  auto* store = options_.luns->store(lun.store);
  if (store == nullptr) return view;
  auto folder = folder_of(lun.name);
  auto image =
      folder + "/" + (record.complete ? image_name(record.name) : hidden_image_name(record.uuid));
  if (auto found = store->look_up(image)) view.allocated = found->allocated;
  if (record.complete) view.path = store->location() + "/" + image;
  return view;
}

/// Somebody may have removed or changed the file of a whole one; then its row says so.
void Manager::look_after(const SnapshotRecord& record) const {
  if (!record.complete || record.state != SnapshotState::present) return;
  if (auto chain = chain_of(record.lun)) chain->check_public(record.uuid);
}

Outcome<std::vector<SnapshotView>> Manager::list(std::string_view name) {
  auto lun = lun_named(name);
  if (!lun) return lun.error();
  for (const auto& record : records_of(lun->uuid)) look_after(record);
  std::vector<SnapshotView> views;
  for (const auto& record : records_of(lun->uuid))
    if (record.state == SnapshotState::present || record.state == SnapshotState::invalid)
      views.push_back(view_of(*lun, record));
  return views;
}

Outcome<SnapshotView> Manager::show(std::string_view name, std::string_view snapshot) {
  auto lun = lun_named(name);
  if (!lun) return lun.error();
  auto record = record_of(*lun, snapshot);
  if (!record) return record.error();
  look_after(*record);
  record = record_of(*lun, snapshot);
  if (!record) return record.error();
  return view_of(*lun, *record);
}

Outcome<SnapshotView> Manager::rename(std::string_view name, std::string_view snapshot,
                                      std::string_view to, bool dry_run) {
  auto lun = lun_named(name);
  if (!lun) return lun.error();
  auto record = record_of(*lun, snapshot);
  if (!record) return record.error();
  auto checked = checked_name("snapshot", to);
  if (!checked) return checked.error();
  if (snapshot == to) return view_of(*lun, *record);
  if (record_of(*lun, to))
    return failure(Errc::already_exists,
                   fmt::format("LUN '{}' has a snapshot '{}' already", name, to),
                   "choose another name");
  record->name = *checked;
  if (dry_run) return view_of(*lun, *record);
  // The file first: a start that finds the old name in the row gives it back.
  if (auto chain = chain_of(lun->uuid))
    if (auto renamed = chain->rename(record->uuid, *checked); !renamed) return renamed.error();
  if (!change_record(record->uuid, [&](SnapshotRecord& row) { row.name = *checked; }))
    return failure(Errc::io_error,
                   fmt::format("the catalog did not take the name '{}' of a snapshot", to),
                   "look after the state directory, then rename it again");
  return show(name, to);
}

Outcome<> Manager::remove(std::string_view name, std::string_view snapshot, bool dry_run) {
  auto lun = lun_named(name);
  if (!lun) return lun.error();
  auto record = record_of(*lun, snapshot);
  if (!record) return record.error();
  auto chain = chain_of(lun->uuid);
  if (!chain)
    return failure(Errc::offline, fmt::format("LUN '{}' is not online", name),
                   fmt::format("bring it back with `caisson lun online {}`", name));
  {
    std::lock_guard one_at_a_time(rows_mutex_);
    record = record_of(*lun, snapshot);
    if (!record) return record.error();
    if (auto unused = check_unused(*lun, *record); !unused) return unused;
    if (auto unlocked = check_unlocked(*lun, *record); !unlocked) return unlocked;
    if (dry_run) return {};
    record->state = SnapshotState::ghost;
    if (auto saved = save(*record); !saved) return saved;
  }
  return chain->remove(record->uuid);
}

Outcome<> Manager::read(const Uuid& snapshot, std::uint64_t offset, std::span<std::byte> into) {
  auto chain = chain_with(snapshot);
  if (!chain) return failure(Errc::offline, "the LUN of this snapshot is not online");
  return chain->read(snapshot, offset, into);
}

Outcome<> Manager::prepare_deletion(std::string_view name, bool dry_run) {
  auto lun = lun_named(name);
  if (!lun) return lun.error();
  auto seen = [](const SnapshotRecord& record) {
    return record.state == SnapshotState::present || record.state == SnapshotState::invalid;
  };
  auto records = records_of(lun->uuid);
  if (auto count = std::ranges::count_if(records, seen); count != 0)
    return failure(Errc::in_use, fmt::format("LUN '{}' has {} snapshots", name, count),
                   fmt::format("delete them first; caisson snapshot list {} shows them", name));
  if (dry_run || records.empty()) return {};
  auto chain = chain_of(lun->uuid);
  if (!chain)
    return failure(Errc::offline,
                   fmt::format("LUN '{}' is not online, and has what is left of "
                               "deleted snapshots",
                               name),
                   fmt::format("bring it back with `caisson lun online {}`", name));
  const auto until = std::chrono::steady_clock::now() + kReclaimLimit;
  while (!records_of(lun->uuid).empty()) {
    if (chain->step()) continue;
    if (std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(kLookAgain);  // somebody may read one of them still
      continue;
    }
    return failure(Errc::timed_out,
                   fmt::format("the space of deleted snapshots of LUN '{}' is not back yet", name),
                   "try again");
  }
  return {};
}

}  // namespace caisson::snapshot
