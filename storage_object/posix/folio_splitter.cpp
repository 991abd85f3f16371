// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/folio_splitter.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>

// Since Linux 5.4 and 5.14; older headers lack them, older kernels say EINVAL.
#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

// Not in every linux/magic.h.
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

namespace caisson::posix {
namespace {

/// File systems whose mmap does nothing but note the access. Others (NFS, CIFS,
/// FUSE) ask somebody.
constexpr std::uint32_t kMapAtOnce[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                        TMPFS_MAGIC};

/// Mapping is done with the lock of the address space held for writing. Noting the
/// access waits for the journal, which O_NOATIME spares.
bool maps_at_once(int file) noexcept {
  auto flags = ::fcntl(file, F_GETFL);
  if (flags < 0 || (flags & O_NOATIME) == 0) return false;
  struct statfs status {};
  return ::fstatfs(file, &status) == 0 &&
         std::ranges::count(kMapAtOnce, static_cast<std::uint32_t>(status.f_type)) != 0;
}

constexpr std::size_t kPage = 4096;
/// One page in so many is looked at: smaller folios cost a write little.
constexpr std::size_t kStride = std::size_t{128} << 10;

/// The pages are mapped, never touched: a file that gets shorter does no harm.
/// Only what is cached is populated, so that nothing is read from the disk with
/// the lock of the address space held.
void split_mapped(std::byte* begin) noexcept {
  std::array<unsigned char, kFolioSegment / kPage> cached;
  if (::mincore(begin, kFolioSegment, cached.data()) != 0) return;
  for (std::size_t at = 0; at < kFolioSegment; at += kStride) {
    if ((cached[at / kPage] & 1) == 0) continue;
    // A folio of which less than the whole is aged is split first.
    if (::madvise(begin + at, kPage, MADV_POPULATE_READ) != 0) return;
    ::madvise(begin + at, kPage, MADV_COLD);
  }
}

}  // namespace

void split_folios(int file, std::uint64_t offset) noexcept {
  if (!maps_at_once(file)) return;
  auto start = static_cast<off_t>(offset / kFolioSegment * kFolioSegment);
  auto* mapped = ::mmap(nullptr, kFolioSegment, PROT_READ, MAP_SHARED, file, start);
  if (mapped == MAP_FAILED) return;
  ::madvise(mapped, kFolioSegment, MADV_RANDOM);
  split_mapped(static_cast<std::byte*>(mapped));
  ::munmap(mapped, kFolioSegment);
}

FolioSplitter::File& FolioSplitter::state_of(const void* file) {
  if (files_.empty()) files_.resize(kFiles);
  auto& state = files_[std::hash<const void*>{}(file) / alignof(std::max_align_t) % kFiles];
  if (state.key != file) state = {file, 0, 0, 0, {}};
  return state;
}

bool FolioSplitter::due(const void* file, std::uint64_t offset, std::uint64_t length) {
  if (length > kSmall || segments_.empty()) return false;
  const auto& state = state_of(file);
  if (state.round == 0) return false;
  auto number = offset / kFolioSegment;
  auto key = std::hash<const void*>{}(file)*0x9e3779b97f4a7c15U + number;
  auto& segment = segments_[key % kSegments];
  // One of another file or far away that has just been split keeps its place:
  // splitting has a bound, whatever is written where.
  if (segment >= state.round) return false;
  segment = state.round;
  return true;
}

void FolioSplitter::wrote(const void* file, std::uint64_t length, Clock::duration took,
                          Clock::time_point at) {
  if (length > kSmall) return;
  auto& state = state_of(file);
  state.slow += took >= kSlow ? 1 : 0;
  if (++state.writes < kWindow) return;
  bool suspicious = state.slow >= kSlowWrites;
  state.writes = state.slow = 0;
  if (!suspicious || (state.round != 0 && at - state.since < kPause)) return;
  state.round = ++rounds_;
  state.since = at;
  if (segments_.empty()) segments_.resize(kSegments);
}

}  // namespace caisson::posix
