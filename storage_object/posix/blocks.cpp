// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/blocks.hpp"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>

#include "storage_object/posix/system.hpp"

namespace caisson::posix {

using file_store::MapExtent;
using file_store::MapPage;
using file_store::MapState;

namespace {

constexpr auto kEnd = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
constexpr std::uint32_t kBatch = 128;

/// Flags under which an address can be believed. Whatever else a file system says
/// now or in future makes it untrusted.
constexpr std::uint32_t kBelieved =
    FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_MERGED | FIEMAP_EXTENT_SHARED;

/// An ioctl that a file system does not know.
Error unless_unknown(int number) {
  auto unknown = number == ENOTTY || number == ENOSYS || number == EBADR;
  return system_error(unknown ? EOPNOTSUPP : number);
}

/// An extent as found, with integers of the usual type.
struct Found {
  std::uint64_t offset, end, address;
  std::uint32_t flags;
};

/// What the kernel fills: a head, and room for extents behind it.
class Batch {
 public:
  /// The extents that meet [at, end), at most `most` of them and at most a batch.
  Error ask(int file, std::uint64_t at, std::uint64_t end, std::uint32_t flags, std::size_t most) {
    fiemap head{};
    head.fm_start = at;
    head.fm_length = end - at;
    head.fm_flags = flags;
    head.fm_extent_count = asked_ = static_cast<std::uint32_t>(std::min<std::size_t>(most, kBatch));
    std::memcpy(memory_.data(), &head, sizeof head);
    if (retried([&] { return ::ioctl(file, FS_IOC_FIEMAP, memory_.data()); }) != 0)
      return unless_unknown(errno);
    std::memcpy(&head, memory_.data(), sizeof head);
    size_ = std::min(head.fm_mapped_extents, asked_);
    return {};
  }
  std::size_t size() const { return size_; }
  Found operator[](std::size_t index) const {
    fiemap_extent extent;
    std::memcpy(&extent, &memory_[sizeof(fiemap) + index * sizeof extent], sizeof extent);
    return {extent.fe_logical, extent.fe_logical + extent.fe_length, extent.fe_physical,
            extent.fe_flags};
  }
  /// Nothing of the range follows: a batch that is not full says so, and the flag of
  /// the file's last extent.
  bool last() const {
    return size_ < asked_ || ((*this)[size_ - 1].flags & FIEMAP_EXTENT_LAST) != 0;
  }

 private:
  alignas(fiemap) std::array<std::byte, sizeof(fiemap) + kBatch * sizeof(fiemap_extent)> memory_;
  std::uint32_t asked_ = 0, size_ = 0;
};

MapState state_of(std::uint32_t flags) {
  if ((flags & ~kBelieved) != 0) return MapState::untrusted;
  return (flags & FIEMAP_EXTENT_UNWRITTEN) != 0 ? MapState::unwritten : MapState::placed;
}

/// The part of a found extent that lies in [from, end).
MapExtent part_of(const Found& found, std::uint64_t from, std::uint64_t end) {
  MapExtent extent{.offset = std::max(from, found.offset), .state = state_of(found.flags)};
  extent.length = std::min(end, found.end) - extent.offset;
  if (extent.state == MapState::placed)
    extent.address = found.address + (extent.offset - found.offset);
  extent.shared = (found.flags & FIEMAP_EXTENT_SHARED) != 0;
  return extent;
}

/// Lays extents and the holes between them into the room, up to `end`.
class Filler {
 public:
  Filler(std::span<MapExtent> room, std::uint64_t from, std::uint64_t end)
      : room_(room), at_(from), end_(end) {}

  bool full() const { return count_ == room_.size() || at_ == end_; }
  std::uint64_t at() const { return at_; }
  MapPage page() const { return {count_, at_}; }

  void add(const Found& found) {
    if (full() || found.end <= at_) return;
    hole_up_to(std::min(found.offset, end_));
    if (!full()) put(part_of(found, at_, end_));
  }
  void hole_up_to(std::uint64_t end) {
    if (end > at_ && !full()) put({.offset = at_, .length = end - at_});
  }

 private:
  void put(const MapExtent& extent) {
    room_[count_++] = extent;
    at_ = extent.end();
  }

  std::span<MapExtent> room_;
  std::size_t count_ = 0;
  std::uint64_t at_, end_;
};

}  // namespace

Error clone_blocks(int source, std::uint64_t from, std::uint64_t length, int target,
                   std::uint64_t to) {
  file_clone_range range{
      .src_fd = source, .src_offset = from, .src_length = length, .dest_offset = to};
  if (retried([&] { return ::ioctl(target, FICLONERANGE, &range); }) == 0) return {};
  return unless_unknown(errno);
}

Result<MapPage> map_blocks(int file, std::uint64_t offset, std::uint64_t length,
                           std::span<MapExtent> room) {
  if (offset > kEnd || length > kEnd - offset) return system_error(EFBIG);
  if (room.empty()) return system_error(EINVAL);
  const auto end = offset + length;
  Filler filler(room, offset, end);
  while (!filler.full()) {
    Batch batch;
    auto before = filler.at();
    if (auto error = batch.ask(file, before, end, FIEMAP_FLAG_SYNC, room.size())) return error;
    for (std::size_t i = 0; i < batch.size(); ++i) filler.add(batch[i]);
    if (batch.last())
      filler.hole_up_to(end);
    else if (filler.at() == before)
      return system_error(EIO);  // extents in no order: none of it is to be believed
  }
  return filler.page();
}

Result<std::size_t> count_blocks(int file, std::uint64_t offset, std::uint64_t length,
                                 std::size_t most) {
  if (offset > kEnd || length > kEnd - offset) return system_error(EFBIG);
  const auto end = offset + length;
  std::size_t count = 0;
  for (auto at = offset; at < end && count < most;) {
    Batch batch;
    if (auto error = batch.ask(file, at, end, 0, most - count)) return error;
    count += batch.size();
    if (batch.last()) break;
    auto next = batch[batch.size() - 1].end;
    if (next <= at) return system_error(EIO);
    at = next;
  }
  return count;
}

std::uint64_t data_until(int file, std::uint64_t offset, std::uint64_t end) {
  Batch batch;
  if (end > kEnd || offset >= end || batch.ask(file, offset, end, 0, kBatch)) return offset;
  auto at = offset;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto extent = batch[i];
    // What is unwritten may have data in the cache.
    if (extent.offset > at || (extent.flags & FIEMAP_EXTENT_UNWRITTEN) != 0) break;
    at = std::max(at, extent.end);
  }
  return std::min(at, end);
}

}  // namespace caisson::posix
