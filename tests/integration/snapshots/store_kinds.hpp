// SPDX-License-Identifier: Apache-2.0
// A store of either kind: one on which snapshots share blocks with the LUN, one on
// which they keep copies.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "storage_object/posix/posix_store.hpp"
#include "tests/support/loop_mount.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::tests {

enum class StoreKind { copies, shares };

inline std::string name_of(const testing::TestParamInfo<StoreKind>& info) {
  return info.param == StoreKind::copies ? "copies" : "shares";
}

/// Its kind is found out by probing, as the gateway does: look at unfit(), and skip.
class StoreOfKind {
 public:
  explicit StoreOfKind(StoreKind kind) : kind_(kind) {
    if (kind == StoreKind::shares) mount_ = std::make_unique<LoopMount>("xfs");
  }
  /// Why it is none of this kind; empty: it is.
  std::string unfit() const {
    if (mount_ && !mount_->mounted()) return std::string(LoopMount::kWhySkipped) + "xfs";
    auto store = posix::PosixStore::at(where());
    if (!store) return store.error().message;
    if ((*store)->traits().clone == (kind_ == StoreKind::shares)) return "";
    return where() +
           (mount_ ? " shares no blocks" : " shares blocks: set TMPDIR to one that does not");
  }
  std::string where() const { return mount_ ? mount_->where() : directory_.path().string(); }

 private:
  const StoreKind kind_;
  TempDir directory_;
  std::unique_ptr<LoopMount> mount_;
};

}  // namespace caisson::tests
