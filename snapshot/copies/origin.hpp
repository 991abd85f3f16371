// SPDX-License-Identifier: Apache-2.0
// The snapshot that something is made of, wherever its LUN stands now.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "storage_object/base/result.hpp"
#include "storage_object/file_store/store.hpp"

namespace caisson::snapshot {

/// Thread-safe; blocks: control threads. Errc::offline while the snapshot's LUN is not
/// served, corrupt once it is no image any more.
class Origin {
 public:
  virtual ~Origin() = default;
  /// Bytes; nothing is behind it.
  virtual std::uint64_t capacity() const noexcept = 0;
  /// Aligned to its logical block.
  virtual Outcome<> read(std::uint64_t offset, std::span<std::byte> into) = 0;
  /// Whether there is data at `offset`, and how far that holds, `length` bytes at most.
  /// A hole reads as zeros; what cannot be told is data.
  virtual Outcome<file_store::FileExtent> extent(std::uint64_t offset, std::uint64_t length) = 0;
  /// Its image, once that is whole, to share blocks with; before that nullptr.
  virtual std::shared_ptr<file_store::File> image() = 0;
  /// Whether that comes by itself, in that store. True while it cannot be told.
  virtual bool will_share_in(const file_store::Store& store) = 0;
};

}  // namespace caisson::snapshot
