// SPDX-License-Identifier: Apache-2.0
// A snapshot becomes a whole file in the export, on stores where it would not by itself.
#include <fmt/format.h>

#include <algorithm>

#include "snapshot/manager/manager.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {

Outcome<SnapshotView> Manager::export_to(std::string_view name, std::string_view snapshot,
                                         const ExportOptions& options) {
  auto lun = lun_named(name);
  if (!lun) return lun.error();
  auto record = record_of(*lun, snapshot);
  if (!record) return record.error();
  if (record->state != catalog::SnapshotState::present)
    return failure(Errc::corrupt, fmt::format("snapshot '{}' of LUN '{}' is no image any more: {}",
                                              record->name, lun->name, record->reason));
  auto chain = chain_of(lun->uuid);
  if (!chain)
    return failure(Errc::offline, fmt::format("LUN '{}' is not online", name),
                   fmt::format("bring it back with `caisson lun online {}`", name));
  if (options.dry_run) return view_of(*lun, *record);
  for (;;) {
    if (options.stop.stop_requested())
      return failure(
          Errc::cancelled,
          fmt::format("the export of snapshot '{}' of LUN '{}' is interrupted", snapshot, name),
          "ask again: it goes on where it was");
    auto left = chain->complete_some(record->uuid);
    if (!left) return left.error();
    if (options.progress)
      options.progress(record->capacity - std::min(*left, record->capacity), record->capacity);
    if (*left == 0) return show(name, snapshot);
  }
}

}  // namespace caisson::snapshot
