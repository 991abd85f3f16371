// SPDX-License-Identifier: Apache-2.0
// Marks of failed objects that the catalog could not take: one empty file each,
// named by the object's UUID, in a directory on another file system.
#pragma once

#include <memory>
#include <mutex>
#include <set>

#include "storage_object/base/uuid.hpp"
#include "storage_object/file_store/store.hpp"

namespace caisson::object {

/// Thread-safe; blocking.
class FailureMarks {
 public:
  /// Without a store no mark can be set.
  explicit FailureMarks(std::unique_ptr<file_store::Store> directory);

  bool has(const Uuid& uuid) const;
  Result<> set(const Uuid& uuid);
  Result<> clear(const Uuid& uuid);

 private:
  std::unique_ptr<file_store::Store> directory_;
  mutable std::mutex mutex_;  // guards marked_
  std::set<Uuid> marked_;
};

}  // namespace caisson::object
