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
                            .served = lun->object != nullptr};
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

void SnapshotLuns::set_shares_blocks(const Uuid& lun, bool shares) {
  if (registry_ != nullptr) registry_->set_shares_blocks(lun, shares);
}

}  // namespace caisson::service
