// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "gateway/service/describe.hpp"
#include "gateway/service/snapshots.hpp"

namespace caisson::service {

SnapshotDescriber::SnapshotDescriber(Parts& parts) : run_seconds_(parts.snapshots->run_seconds()) {
  for (const auto& lun : parts.registry.list())
    if (lun.record.origin && lun.record.kind != catalog::LunKind::disk)
      users_.emplace(*lun.record.origin, lun.record.name);
}

wire::SnapshotDescription SnapshotDescriber::operator()(const SnapshotView& view) const {
  const auto& record = view.record;
  wire::SnapshotDescription out;
  out.set_lun(view.lun);
  out.set_name(record.name);
  out.set_uuid(record.uuid.to_string());
  out.set_sequence(record.sequence);
  out.set_created_ms(record.created_ms);
  out.set_capacity(record.capacity);
  out.set_state(view.condition);
  out.set_reason(record.reason);
  out.set_complete(record.complete);
  out.set_path(view.path);
  out.set_captured(view.captured);
  out.set_allocated(view.allocated);
  if (record.group) out.set_group(record.group->to_string());
  out.set_made_by(record.made_by);
  out.set_grade(record.grade);
  out.set_details(record.details);
  out.set_locked_seconds(record.locked_until - std::min(record.locked_until, run_seconds_));
  for (auto [at, end] = users_.equal_range(record.uuid); at != end; ++at)
    out.add_used_by(at->second);
  return out;
}

}  // namespace caisson::service
