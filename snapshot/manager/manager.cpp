// SPDX-License-Identifier: Apache-2.0
#include "snapshot/manager/manager.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::snapshot {

using catalog::SnapshotRecord;
using catalog::SnapshotState;
using catalog::Transaction;

Manager::Manager(ManagerOptions options)
    : options_(options),
      own_pacer_(options.pacer == nullptr ? std::make_unique<TimedPacer>() : nullptr),
      pacer_(options.pacer == nullptr ? own_pacer_.get() : options.pacer),
      run_time_(*options.catalog, *options.clock) {}

Manager::~Manager() { stop(); }

Outcome<> Manager::start() {
  auto records = options_.catalog->snapshots();
  if (!records) return records.error();
  if (auto loaded = run_time_.load(); !loaded) return loaded;
  {
    std::lock_guard lock(mutex_);
    for (auto& record : *records) records_.emplace(record.uuid, std::move(record));
  }
  keep_run_time();
  return {};
}

void Manager::stop() {
  if (auto ticker = std::exchange(run_time_ticker_, nullptr)) {
    ticker->stop();
    if (auto saved = run_time_.save(); !saved)
      log::warning("how long caissond ran is not saved: {}", saved.error().message);
  }
  own_pacer_.reset();
  threads_.stop();
}

std::unique_ptr<block::DataLayer> Manager::attach(std::unique_ptr<block::BlockDevice> below,
                                                  const Attachment& attachment) {
  ChainParts parts{.lun = attachment.lun,
                   .place = {attachment.store, attachment.store_name, folder_of(attachment.name)},
                   .live = below.get(),
                   .source = attachment.container,
                   .threads = &threads_,
                   .pacer = pacer_,
                   .policy = &policy_,
                   .observer = this,
                   .clock = options_.clock};
  if (!options_.index_directory.empty())
    parts.index = fmt::format("{}/{}.db", options_.index_directory, attachment.lun.to_string());
  auto known = known_of(attachment.lun);
  find_folder(known, parts.place);
  const bool found = take_up_unknown(attachment, parts.place);
  if (found) known = known_of(attachment.lun);
  // One of a chain without these; or of one that is lost, whose numbers are used again.
  if ((found || known.empty()) && !parts.index.empty()) CaptureIndex::discard(parts.index);
  auto chain = Chain::open(std::move(parts), known);
  {
    std::lock_guard lock(mutex_);
    chains_[attachment.lun] = chain;
  }
  if (attachment.restoring) finish_restore_later(attachment.lun, *attachment.restoring);
  auto layer = std::make_unique<CaptureDevice>(std::move(below), std::move(chain));
  if (!attachment.clone_of) return layer;
  return over_clone(std::move(layer), attachment);
}

/// What the catalog says of a LUN's snapshots, for its chain.
std::vector<Member::Known> Manager::known_of(const Uuid& lun) const {
  std::vector<Member::Known> known;
  for (const auto& record : records_of(lun)) {
    Member::Known one{.uuid = record.uuid,
                      .name = record.name,
                      .sequence = record.sequence,
                      .capacity = record.capacity,
                      .whole = record.complete};
    one.creating = record.state == SnapshotState::creating;
    one.ghost = one.creating || record.state == SnapshotState::ghost;
    if (record.state == SnapshotState::invalid) one.invalid = record.reason;
    known.push_back(std::move(one));
  }
  return known;
}

/// The folder may still bear the name that the LUN had before a rename that was cut short.
void Manager::find_folder(std::span<const Member::Known> known, Place& place) {
  auto holds = [&](const std::string& folder) {
    return std::ranges::any_of(known, [&](const auto& one) {
      return place.store->look_up(folder + "/" + map_name(one.uuid)).has_value();
    });
  };
  const auto wanted = place.folder.name();
  if (known.empty() || holds(wanted)) return;
  auto entries = place.store->list(kSnapshotsFolder);
  if (!entries) return;
  for (const auto& entry : *entries) {
    auto folder = folder_of(entry.name);
    if (entry.regular || !valid_name(entry.name) || !holds(folder)) continue;
    place.folder = folder;
    if (auto moved = place.move_to(wanted); !moved) log::warning("{}", moved.error().message);
    return;
  }
}

std::vector<SnapshotRecord> Manager::records_of(const Uuid& lun) const {
  std::vector<SnapshotRecord> found;
  std::lock_guard lock(mutex_);
  for (const auto& [uuid, record] : records_)
    if (record.lun == lun) found.push_back(record);
  std::ranges::sort(found, {}, &SnapshotRecord::sequence);
  return found;
}

Outcome<LunFacts> Manager::lun_named(std::string_view name) {
  if (auto lun = options_.luns->find(name)) return *lun;
  return failure(Errc::not_found, fmt::format("there is no LUN '{}'", name),
                 "caisson lun list shows them");
}

Outcome<SnapshotRecord> Manager::record_of(const LunFacts& lun, std::string_view snapshot) const {
  std::lock_guard lock(mutex_);
  for (const auto& [uuid, record] : records_)
    if (record.lun == lun.uuid && record.name == snapshot && record.state != SnapshotState::ghost &&
        record.state != SnapshotState::creating)
      return record;
  return failure(Errc::not_found, fmt::format("LUN '{}' has no snapshot '{}'", lun.name, snapshot),
                 fmt::format("caisson snapshot list {} shows them", lun.name));
}

std::shared_ptr<Chain> Manager::chain_of(const Uuid& lun) const {
  std::lock_guard lock(mutex_);
  auto found = chains_.find(lun);
  return found == chains_.end() ? nullptr : found->second.lock();
}

/// Durable first, then what is in memory.
Outcome<> Manager::save(const SnapshotRecord& record) {
  auto saved = options_.catalog->change(
      [&](Transaction& transaction) { return transaction.put_snapshot(record); });
  if (!saved) return saved;
  std::lock_guard lock(mutex_);
  records_[record.uuid] = record;
  return {};
}

bool Manager::forget(const Uuid& snapshot) {
  auto removed = options_.catalog->change(
      [&](Transaction& transaction) { return transaction.remove_snapshot(snapshot); });
  if (!removed) {
    log::warning("the row of a removed snapshot stays for now: {}", removed.error().message);
    return false;
  }
  std::lock_guard lock(mutex_);
  records_.erase(snapshot);
  return true;
}

void Manager::note(std::string_view kind, const Uuid& lun, std::string_view actor,
                   const std::string& text) {
  auto facts = options_.luns->find(lun);
  auto name = facts ? facts->name : lun.to_string();
  auto noted = options_.catalog->change([&](Transaction& transaction) -> Outcome<> {
    auto added = transaction.add_event(kind, name, actor, text);
    if (!added) return added.error();
    return {};
  });
  if (!noted) log::warning("the event '{}' of LUN '{}' is lost: {}", kind, name, text);
}

/// Changes a row that may have changed since its caller looked.
bool Manager::change_record(const Uuid& snapshot,
                            const std::function<void(SnapshotRecord&)>& change) {
  std::lock_guard one_at_a_time(rows_mutex_);
  SnapshotRecord record;
  {
    std::lock_guard lock(mutex_);
    auto found = records_.find(snapshot);
    if (found == records_.end()) return false;
    change(found->second);
    record = found->second;
  }
  return save(record).has_value();
}

void Manager::on_whole(const Uuid& lun, const Member& member) {
  change_record(member.uuid(), [](SnapshotRecord& record) { record.complete = true; });
  if (!member.ghost())
    note("snapshot.whole", lun, "caissond",
         fmt::format("the image of snapshot '{}' is complete", member.name()));
}

bool Manager::on_invalid(const Uuid& lun, std::span<const std::shared_ptr<Member>> members,
                         const std::string& why) {
  bool durable = true;
  for (const auto& member : members) {
    if (member->ghost()) continue;
    bool known = false;
    bool said = change_record(member->uuid(), [&](SnapshotRecord& record) {
      known = record.state == SnapshotState::invalid;
      record.state = SnapshotState::invalid;
      record.reason = why;
    });
    durable = durable && said;
    if (known) continue;
    log::error("snapshot '{}' of LUN {} is lost: {}", member->name(), lun.to_string(), why);
    note("snapshot.invalid", lun, "caissond",
         fmt::format("snapshot '{}' is no image of anything any more: {}", member->name(), why));
  }
  return durable;
}

bool Manager::on_gone(const Uuid& lun, const Member& member) {
  (void)lun;
  return forget(member.uuid());
}

}  // namespace caisson::snapshot
