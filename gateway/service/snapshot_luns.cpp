// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/snapshot_luns.hpp"

#include <fmt/format.h>

#include "storage_object/base/errc.hpp"

namespace caisson::service {
namespace {

std::optional<snapshot::LunFacts> facts_of(const std::optional<object::LunView>& lun) {
  if (!lun) return std::nullopt;
  const auto& row = lun->record;
  return snapshot::LunFacts{.uuid = row.uuid,
                            .name = row.name,
                            .store = row.store,
                            .capacity = row.capacity,
                            .logical_block = row.logical_block,
                            .physical_block = row.physical_block,
                            .thick = row.thick,
                            .served = lun->object != nullptr,
                            .restoring = row.restoring,
                            .filling = row.kind == catalog::LunKind::clone,
                            .view = row.kind == catalog::LunKind::view};
}

}  // namespace

std::optional<snapshot::LunFacts> SnapshotLuns::find(std::string_view name) {
  return facts_of(registry_->find(name));
}

std::optional<snapshot::LunFacts> SnapshotLuns::find(const Uuid& uuid) {
  if (registry_ == nullptr) return std::nullopt;  // what layers find at a start
  return facts_of(registry_->find(uuid));
}

std::vector<snapshot::LunFacts> SnapshotLuns::list() {
  std::vector<snapshot::LunFacts> all;
  for (const auto& lun : registry_->list()) all.push_back(*facts_of(lun));
  return all;
}

file_store::Store* SnapshotLuns::store(std::string_view name) { return registry_->store(name); }

Outcome<> SnapshotLuns::hold(std::span<const Uuid> luns, std::chrono::milliseconds limit,
                             const std::function<void()>& body) {
  return registry_->hold_changes(luns, limit, body);
}

Outcome<> SnapshotLuns::flush(const Uuid& lun) {
  auto found = registry_->find(lun);
  if (!found || !found->object) return failure(Errc::offline, "the LUN is not online any more");
  block::IoRequest request;
  request.op = block::IoOp::flush;
  auto error = block::perform(*found->object, request);
  if (!error) return {};
  return failure(Errc::io_error,
                 fmt::format("LUN '{}' cannot be flushed: {}", found->record.name, error.message()),
                 "look after the file system of its store");
}

Outcome<> SnapshotLuns::check_quiet(const Uuid& lun, std::chrono::seconds quiet) {
  auto found = registry_->find(lun);
  if (!found || !found->object) return failure(Errc::offline, "the LUN is not online any more");
  const auto& row = found->record;
  if (found->object->reservations().reserved())
    return failure(Errc::in_use, fmt::format("LUN '{}' is reserved by a host", row.name),
                   "have it released, or say --force");
  if (access_ == nullptr || sessions_ == nullptr) return {};
  const auto since = std::chrono::steady_clock::now() - quiet;
  const auto rights = access_->state();
  auto active = [&](const scsi::SessionView& session) {
    return session.last_io != std::chrono::steady_clock::time_point() && session.last_io >= since;
  };
  for (const auto& session : sessions_->list()) {
    if (session.identity.target_name != row.target_name || !active(session)) continue;
    const auto* grant = rights->effective(lun, session.identity.host);
    if (grant == nullptr || grant->read_only) continue;
    return failure(
        Errc::in_use,
        fmt::format("LUN '{}' is in use: host {} ({}) did I/O in the last {} s", row.name,
                    session.identity.host_name, session.identity.initiator_port, quiet.count()),
        "unmount it there and log out, or say --force");
  }
  return {};
}

Outcome<> SnapshotLuns::keep_out(const Uuid& lun) { return registry_->keep_out(lun); }

Outcome<> SnapshotLuns::begin_restore(const Uuid& lun, const Uuid& snapshot) {
  return registry_->begin_restore(lun, snapshot);
}

Outcome<> SnapshotLuns::end_restore(const Uuid& lun, bool changed) {
  return registry_->end_restore(lun, changed);
}

void SnapshotLuns::note_restore(const Uuid& lun, std::uint64_t done, std::uint64_t of) {
  registry_->note_restore(lun, done, of);
}

std::shared_ptr<block::BlockDevice> SnapshotLuns::disk(const Uuid& lun) {
  auto found = registry_->find(lun);
  return found ? found->object : nullptr;
}

std::vector<std::string> SnapshotLuns::made_of(const Uuid& snapshot) {
  std::vector<std::string> names;
  for (const auto& lun : registry_->list()) {
    const auto& row = lun.record;
    bool reads = row.origin == snapshot && row.kind != catalog::LunKind::disk;
    if (reads || row.restoring == snapshot) names.push_back(row.name);
  }
  return names;
}

Outcome<> SnapshotLuns::end_clone(const Uuid& lun) { return registry_->end_clone(lun); }

}  // namespace caisson::service
