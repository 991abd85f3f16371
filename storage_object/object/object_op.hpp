// SPDX-License-Identifier: Apache-2.0
// One request on its way through a LunObject; for the object's own files.
#pragma once

#include "storage_object/base/pool.hpp"
#include "storage_object/object/lun_object.hpp"

namespace caisson::object {

/// One request between submit and completion.
struct ObjectOp {
  InFlightEntry range;
  SyncGate::Ticket ticket;
  block::IoRequest child;
  block::IoRequest* parent = nullptr;
  LunObject* object = nullptr;
  Executor* executor = nullptr;
  Error result;
  bool durable = false;
  bool recalled = false;  // goes no further than it is
  Buffer combined;        // of a write that depends on what is there
  IoVec combined_vector{};
  // Of one with more than one range.
  enum class Progress : std::uint8_t { submitting, pending, completed };
  std::atomic<Progress> progress{Progress::pending};
  std::size_t ranges_done = 0;
  ObjectOp* next = nullptr;

  /// Goes on on the thread that submitted; at once where it was none of ours.
  void resume(void (*step)(ObjectOp&)) {
    if (executor == nullptr || executor == Executor::current()) return step(*this);
    executor->post([this, step] { step(*this); });
  }
};

using ObjectOpPool = PerThreadPool<ObjectOp>;

inline bool combines(const block::IoRequest& request) {
  return request.op == block::IoOp::write && request.combine != block::Combine::replace;
}

}  // namespace caisson::object
