// SPDX-License-Identifier: Apache-2.0
// The bytes of a simulated file: sparse, and cheap to copy.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

#include "storage_object/file_store/file.hpp"

namespace caisson::tests {

/// Bytes by offset, zeros where nothing is. Pages are shared between copies
/// until written. Knows no size: the caller does.
class SimBytes {
 public:
  static constexpr std::uint64_t kPage = 4096;

  void read(std::uint64_t offset, std::span<std::byte> into) const;
  void write(std::uint64_t offset, std::span<const std::byte> from);
  /// Zeros; whole pages of it become holes.
  void punch(std::uint64_t offset, std::uint64_t length);
  /// Zeros, allocated.
  void zero(std::uint64_t offset, std::uint64_t length);
  /// Holes become allocated zeros, the rest stays.
  void allocate(std::uint64_t offset, std::uint64_t length);
  /// Forgets everything from `size` on.
  void truncate(std::uint64_t size);

  std::uint64_t pages() const noexcept { return pages_.size(); }
  /// Pages that a write of the range would add.
  std::uint64_t missing(std::uint64_t offset, std::uint64_t length) const;
  /// Fills `out` as FileOp::extents does; `size` is the file's.
  std::size_t extents(std::uint64_t offset, std::uint64_t length, std::uint64_t size,
                      std::span<file_store::FileExtent> out) const;

 private:
  using Page = std::array<std::byte, kPage>;
  std::byte* writable(std::uint64_t index);

  std::map<std::uint64_t, std::shared_ptr<Page>> pages_;
};

}  // namespace caisson::tests
