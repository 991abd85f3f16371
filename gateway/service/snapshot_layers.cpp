// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/snapshot_layers.hpp"

namespace caisson::service {

using catalog::LunKind;
using catalog::LunRecord;

void put_snapshots_into(object::RegistryOptions& options, snapshot::Manager& manager) {
  options.layer = [&manager](std::unique_ptr<block::BlockDevice> below,
                             const object::LayerPlace& place) {
    const auto& lun = place.record;
    bool clone = lun.kind == LunKind::clone;
    return manager.attach(std::move(below), {.lun = lun.uuid,
                                             .name = lun.name,
                                             .store = &place.store,
                                             .store_name = lun.store,
                                             .container = place.container,
                                             .restoring = lun.restoring,
                                             .clone_of = clone ? lun.origin : std::nullopt,
                                             .container_name = lun.file});
  };
  options.show = [&manager](const LunRecord& view) {
    return manager.open_view(*view.origin, view.capacity);
  };
  options.discard = [&manager](const LunRecord& lun, file_store::Store& store) {
    return manager.end_clone(lun.uuid, *lun.origin, store, lun.store);
  };
}

}  // namespace caisson::service
