// SPDX-License-Identifier: Apache-2.0
// What we need of a file, whatever file system holds it.
#pragma once

#include <cstdint>
#include <span>

#include "storage_object/base/buffer.hpp"
#include "storage_object/base/result.hpp"
#include "storage_object/file_store/extent_map.hpp"

namespace caisson::file_store {

enum class FileOp : std::uint8_t {
  read,      ///< short at the end of the file is an error (EIO)
  write,     ///< all of it or an error; `durable`: as by RWF_DSYNC
  sync,      ///< fdatasync: all writes completed before are durable
  punch,     ///< the range becomes a hole and reads as zeros
  zero,      ///< the range reads as zeros, stays or becomes allocated
  allocate,  ///< the range is backed by space, content kept, size not changed
  extents,   ///< data and holes of the range, ascending and gapless
};

struct FileExtent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool data = true;
};

/// Owned by the submitter, alive and unmoved until `complete` was called.
struct FileRequest {
  using Completion = void (*)(FileRequest&) noexcept;

  FileOp op = FileOp::read;
  bool durable = false;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;        ///< bytes; equals the buffers' sum for read and write
  std::span<const IoVec> buffers;  ///< alive until completion
  std::span<FileExtent> extents;   ///< room for FileOp::extents
  std::size_t extent_count = 0;    ///< out
  Error error;                     ///< out: a system error
  Completion complete = nullptr;
  void* owner = nullptr;        ///< the submitter's own
  FileRequest* next = nullptr;  ///< the backend's, until completion
  std::uint64_t progress = 0;   ///< the backend's

  void finish(Error result) noexcept {
    error = result;
    complete(*this);
  }
};

/// Which file it is, whatever its name: two open files are the same one if and
/// only if these are equal while both are open.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  bool operator==(const FileId&) const = default;
};

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

struct FileAttributes {
  std::uint64_t size = 0;       ///< bytes
  std::uint64_t allocated = 0;  ///< bytes of space it occupies
  std::uint64_t links = 1;      ///< names it has; 0: gone with its last handle
  FileId id;
  std::int64_t born = 0;   ///< when it came into being, ns since the epoch; 0: not told
  bool read_only = false;  ///< its mode lets nobody write; see File::set_read_only()
};

/// What this open file was found able to do. Found by trying, never by the file
/// system's name.
struct FileTraits {
  bool punch = false;
  bool zero = false;
  bool allocate = false;
  bool clone = false;                    ///< clone_range() between files of the store
  bool direct = false;                   ///< opened past the page cache
  std::uint32_t direct_alignment = 512;  ///< of offset, length and memory, when direct
  std::uint32_t block = 4096;            ///< the file system's allocation unit, bytes
};

/// An open file. `submit` may be called from any thread and calls overlap. On
/// a thread that has an IoEngine the request completes on that thread, during a
/// submit_and_reap() or before submit returns; on any other thread it is
/// performed before submit returns. Overlapping writes are unordered. Requests
/// of length 0 succeed; EFBIG beyond 2^63-1, EINVAL where length and buffers
/// disagree or direct I/O is not aligned, EOPNOTSUPP for what traits() denies.
///
/// The other members block and are for control threads.
class File {
 public:
  virtual ~File() = default;
  virtual void submit(FileRequest& request) = 0;
  virtual const FileTraits& traits() const noexcept = 0;

  virtual Result<FileAttributes> attributes() = 0;
  /// Sets the size; what is added reads as zeros. Durable after sync_all().
  virtual Result<> resize(std::uint64_t size) = 0;
  /// fsync: data and every attribute.
  virtual Result<> sync_all() = 0;
  /// Forgets cached data that counts as written back, so that reads show what the
  /// disk holds. After a failed sync the cache may hold what never reached it.
  virtual Result<> drop_cache() = 0;
  /// The owner lock: exclusive on one byte at offset 2^62, held until the file
  /// is closed, it is released or the process ends. EAGAIN when another holds it, EBADF when
  /// opened read-only.
  virtual Result<> lock_owner() = 0;
  /// Lets go of either form before the file is closed, whoever still holds it open.
  /// EOPNOTSUPP where only closing does.
  virtual Result<> release_owner();
  /// The shared form of it, for who only reads: while it is held nobody becomes the
  /// owner. EAGAIN when there is one.
  virtual Result<> hold_off_owner() = 0;

  /// Makes [to, to + length) of this file what [from, from + length) of `source` is
  /// now, unsynced writes included, by sharing its blocks; a later write to either
  /// moves what it changes. Holes become holes, over older data too; what comes to
  /// lie behind the end extends the file. Costs grow with the extents of the range,
  /// and other I/O of both files waits meanwhile.
  ///
  /// Durable once a sync or sync_all() of *this file* that begins afterwards has
  /// succeeded. Until then a power cut may leave any of its blocks as they were
  /// before, whatever else was synced: even where the source was overwritten and
  /// synced since.
  ///
  /// Offsets are multiples of traits().block, and so is the length unless the range
  /// ends where the source does and this file does not go on behind it: else EINVAL,
  /// as for a range that goes beyond the source's end or overlaps itself. EOPNOTSUPP
  /// without traits().clone, EXDEV from another file system, EBADF when opened read-only.
  /// Nothing to do, success, for length 0. A failure may leave a part done.
  virtual Result<> clone_range(File& source, std::uint64_t from, std::uint64_t length,
                               std::uint64_t to);
  /// Fills `room` (not empty) with the map of the range: ascending, gapless, cut at
  /// the range's edges; neighbours may be in the same state. Every write that was
  /// completed before the call is in it; who needs the same map twice keeps others
  /// from writing. What is behind the file's end is a hole, or what is allocated there.
  ///
  /// Placed extents of two files, or of one at two offsets, that have the same
  /// address hold the same bytes as long as neither file is written or removed. A map
  /// that was stored proves nothing: blocks are used again, and written where they are.
  /// EOPNOTSUPP where the file system tells no maps.
  virtual Result<MapPage> extent_map(std::uint64_t offset, std::uint64_t length,
                                     std::span<MapExtent> room);
  /// Where the first data of the range begins, its end if there is none: as FileOp::extents
  /// says, without looking for the end of what it finds, which may be many extents away.
  virtual Result<std::uint64_t> seek_data(std::uint64_t offset, std::uint64_t length);
  /// How many extents the range has, or `most` if there are more. Cheap: writes
  /// nothing back, so that what is only cached may not count. EOPNOTSUPP as above.
  virtual Result<std::size_t> count_extents(std::uint64_t offset, std::uint64_t length,
                                            std::size_t most);
  /// Has what is only cached of the ranges written, all of them at once, and waits for that
  /// while other I/O of the file goes on: what comes next and stops the file, such as a
  /// clone, then has less to do. Promises nothing: it is not durable after it, and a
  /// failure is left for the next sync to tell.
  virtual void write_back(std::span<const ByteRange> ranges);
  /// Mode 0440: nobody opens it for writing any more (EACCES; but root may), while
  /// handles that can write go on. Works on any handle. Durable after sync_all().
  virtual Result<> set_read_only();
  virtual Result<> set_writable();  ///< mode 0640 again

  /// The store's own file, where this one stands over it: what clone_range() takes
  /// a source for.
  virtual File& innermost() noexcept { return *this; }
};

/// Offset of the owner lock's byte, far beyond any data.
inline constexpr std::uint64_t kOwnerLockOffset = std::uint64_t{1} << 62;

/// The largest FileTraits::direct_alignment that a container can be served with:
/// its length is a multiple of no more.
inline constexpr std::uint32_t kMaxDirectAlignment = 4096;

/// Blocking forms for control threads.
Result<> read_at(File& file, std::uint64_t offset, std::span<std::byte> into);
Result<> write_at(File& file, std::uint64_t offset, std::span<const std::byte> from,
                  bool durable = false);
Result<> sync(File& file);
/// Data and holes of the range, ascending and gapless from `offset`; how many there are.
/// They may end early when the room does.
Result<std::size_t> extents(File& file, std::uint64_t offset, std::uint64_t length,
                            std::span<FileExtent> room);
/// One of punch, zero, allocate.
Result<> apply(File& file, FileOp op, std::uint64_t offset, std::uint64_t length);

}  // namespace caisson::file_store
