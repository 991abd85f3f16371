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
///
/// Each page has an address, which means the same bytes wherever it is met: a page
/// that was cloned moves to a new one when it changes, any other stays where it is.
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

  /// The pages that the range touches, for copy(): from now on they count as cloned,
  /// here and in `disk`, whose pages of the same address those are. One that is not
  /// there as it is here moves first, since `disk` may be what survives.
  SimBytes share(std::uint64_t offset, std::uint64_t length, SimBytes& disk);
  /// The bytes of another, holes too; whole pages with their addresses.
  void copy(const SimBytes& from, std::uint64_t from_at, std::uint64_t length, std::uint64_t to);
  /// Whole pages of another, known to hold the same bytes, instead of those here.
  void adopt(const SimBytes& other, std::uint64_t offset, std::uint64_t length);
  /// Fills `room` as File::extent_map() does.
  file_store::MapPage map(std::uint64_t offset, std::uint64_t length,
                          std::span<file_store::MapExtent> room) const;

  std::uint64_t pages() const noexcept { return pages_.size(); }
  /// Pages that a write of the range would add.
  std::uint64_t missing(std::uint64_t offset, std::uint64_t length) const;
  /// Fills `out` as FileOp::extents does; `size` is the file's.
  std::size_t extents(std::uint64_t offset, std::uint64_t length, std::uint64_t size,
                      std::span<file_store::FileExtent> out) const;

 private:
  using Page = std::array<std::byte, kPage>;
  struct Slot {
    std::shared_ptr<Page> page;
    std::uint64_t address = 0;
    bool cloned = false;
    bool unwritten = false;  ///< allocated, nothing written to it yet
  };
  std::byte* writable(std::uint64_t index);
  file_store::MapExtent run_at(std::uint64_t at, std::uint64_t end) const;

  std::map<std::uint64_t, Slot> pages_;
};

}  // namespace caisson::tests
