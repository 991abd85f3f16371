// SPDX-License-Identifier: Apache-2.0
// A request for several ranges: one after the other, while all of what lies between the
// first and the last is in flight.
#include "storage_object/object/object_op.hpp"

namespace caisson::object {

/// Those that complete at once follow each other here instead of within each other.
void LunObject::run_ranges(ObjectOp& op) {
  using Progress = ObjectOp::Progress;
  do {
    const auto& range = op.parent->ranges[op.ranges_done];
    op.child = *op.parent;
    op.child.ranges = {};
    op.child.offset = range.offset;
    op.child.length = range.length;
    op.progress.store(Progress::submitting);
    submit_child(op);
    if (op.progress.exchange(Progress::pending) == Progress::submitting) return;
  } while (goes_on(op));
}

/// After one range: whether another is to follow. False: the request has ended.
bool LunObject::goes_on(ObjectOp& op) {
  if (!op.child.error && ++op.ranges_done < op.parent->ranges.size()) {
    if (!op.recalled) return true;
    op.child.error = block::BlockErrc::aborted;
  }
  op.object->conclude(op);
  return false;
}

}  // namespace caisson::object
