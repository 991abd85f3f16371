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
  /// Without a directory nothing is kept. A file that cannot be made or read now is
  /// tried again when it is used.
  explicit FailureRecord(std::unique_ptr<file_store::Store> directory);

  /// Whether it may be there, durable or not.
  bool has(const Uuid& uuid);
  /// Durable when it returns success. Errc::no_space when every slot is taken.
  Result<> set(const Uuid& uuid);
  /// What is not there is no error; that it cannot be told is one.
  Result<> clear(const Uuid& uuid);

 private:
  struct Kept {
    Uuid uuid;             ///< Uuid{}: free
    bool durable = false;  ///< known to be; else it may be there or not
  };
  Result<> ready();
  std::vector<Kept>::iterator place_of(const Uuid& uuid);
  Result<> open();
  Result<> make();
  Result<> read();
  Result<> put(std::size_t slot, const Uuid& uuid);

  std::unique_ptr<file_store::Store> directory_;
  std::mutex mutex_;  // guards what follows
  std::unique_ptr<file_store::File> file_;
  std::vector<Kept> slots_;
};

}  // namespace caisson::object
