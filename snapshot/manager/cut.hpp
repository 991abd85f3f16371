// SPDX-License-Identifier: Apache-2.0
// One LUN's part in a cut: inside this folder only.
#pragma once

#include "snapshot/manager/manager.hpp"

namespace caisson::snapshot {

struct Manager::Cut {
  LunFacts lun;
  std::shared_ptr<Chain> chain;
  file_store::Store* store = nullptr;
  catalog::SnapshotRecord record;
  std::unique_lock<std::mutex> alone;  ///< with the LUN: no other cut, and no shrink
  std::shared_ptr<Member> member;      ///< once it is prepared
  bool switched = false;
};

}  // namespace caisson::snapshot
