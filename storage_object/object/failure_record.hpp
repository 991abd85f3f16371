// SPDX-License-Identifier: Apache-2.0
// A file of fixed size that names failed objects. All of it is written when it is
// made, so that a name can still be put there when the disk is full.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "storage_object/base/uuid.hpp"
#include "storage_object/file_store/store.hpp"

namespace caisson::object {

/// Thread-safe; blocking. The file is "failed-luns": slots of 64 bytes, each all
/// zeros or: 8 bytes "CAISFAIL", 16 the object's UUID, be32 CRC32C of those 24, zeros.
/// A slot lies within one sector, so it is written or not; one that is neither is free.
class FailureRecord {
 public:
  /// Without a directory, or where the file cannot be made or read, nothing is kept.
  explicit FailureRecord(std::unique_ptr<file_store::Store> directory);

  bool has(const Uuid& uuid) const;
  /// Durable when it returns success. Errc::no_space when every slot is taken.
  Result<> set(const Uuid& uuid);
  /// What is not there is no error.
  Result<> clear(const Uuid& uuid);

 private:
  Result<> open();
  Result<> make();
  Result<> read();
  Result<> put(std::size_t slot, const Uuid& uuid);

  std::unique_ptr<file_store::Store> directory_;
  mutable std::mutex mutex_;  // guards what follows
  std::unique_ptr<file_store::File> file_;
  std::vector<Uuid> slots_;  // Uuid{}: free
};

}  // namespace caisson::object
