// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/posix_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <limits>

#include "storage_object/base/pool.hpp"
#include "storage_object/posix/beneath.hpp"
#include "storage_object/posix/blocks.hpp"
#include "storage_object/posix/file_engine.hpp"
#include "storage_object/posix/syscalls.hpp"
#include "storage_object/posix/system.hpp"

namespace caisson::posix {

PosixFile::PosixFile(UniqueFd descriptor, const file_store::FileTraits& traits,
                     std::unique_ptr<HiddenName> hidden)
    : traits_(traits), owned_(std::move(descriptor)), hidden_(std::move(hidden)) {
  descriptor_.number = owned_.get();
  descriptor_.alignment = traits.direct ? traits.direct_alignment : 0;
  // RWF_NOWAIT past the cache waits for the disk all the same.
  descriptor_.try_cached = !traits.direct;
  // Not for root-squashed and foreign files (EPERM): then split_folios() leaves them.
  if (auto flags = ::fcntl(descriptor_.number, F_GETFL); flags >= 0)
    ::fcntl(descriptor_.number, F_SETFL, flags | O_NOATIME);
  // Readahead makes large folios, in which small buffered writes cost ten times
  // as much on ext4. Sequential readers above read ahead themselves.
  if (!traits.direct) ::posix_fadvise(descriptor_.number, 0, 0, POSIX_FADV_RANDOM);
}

void PosixFile::submit(FileRequest& request) {
  auto* engine = FileEngine::current();
  auto* operation = PerThreadPool<Operation>::acquire();
  if (operation->begin(request, descriptor_)) {
    if (engine != nullptr) return engine->enqueue(*operation);
    perform(*operation);
  }
  auto error = operation->error();
  PerThreadPool<Operation>::release(operation);
  request.finish(error);
}

Result<file_store::FileAttributes> PosixFile::attributes() {
  return attributes_of(descriptor_.number);
}

Result<> PosixFile::resize(std::uint64_t size) {
  if (size > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()))
    return system_error(EFBIG);
  auto result = retried([&] { return ::ftruncate(descriptor_.number, static_cast<off_t>(size)); });
  if (result != 0) return last_error();
  return {};
}

Result<> PosixFile::sync_all() {
  if (retried([&] { return ::fsync(descriptor_.number); }) != 0) return last_error();
  return {};
}

Result<> PosixFile::drop_cache() {
  auto code = ::posix_fadvise(descriptor(), 0, 0, POSIX_FADV_DONTNEED);
  if (code != 0) return Error(code, boost::system::system_category());
  return {};
}

Result<> PosixFile::lock_owner() { return lock(F_WRLCK); }
Result<> PosixFile::hold_off_owner() { return lock(F_RDLCK); }
Result<> PosixFile::release_owner() { return lock(F_UNLCK); }

Result<> PosixFile::clone_range(file_store::File& source, std::uint64_t from, std::uint64_t length,
                                std::uint64_t to) {
  auto* own = dynamic_cast<PosixFile*>(&source.innermost());
  if (own == nullptr) return system_error(EXDEV);
  // Probed, not only offered: what was found to share wrongly is not used.
  if (!traits_.clone) return system_error(EOPNOTSUPP);
  // For the kernel that means up to the end.
  if (length == 0) return {};
  if (auto error = clone_blocks(own->descriptor(), from, length, descriptor(), to)) return error;
  return {};
}

Result<file_store::MapPage> PosixFile::extent_map(std::uint64_t offset, std::uint64_t length,
                                                  std::span<file_store::MapExtent> room) {
  return map_blocks(descriptor(), offset, length, room);
}

Result<std::uint64_t> PosixFile::seek_data(std::uint64_t offset, std::uint64_t length) {
  return seek(descriptor(), offset, offset + length, SEEK_DATA);
}

Result<std::size_t> PosixFile::count_extents(std::uint64_t offset, std::uint64_t length,
                                             std::size_t most) {
  return count_blocks(descriptor(), offset, length, most);
}

void PosixFile::write_back(std::span<const file_store::ByteRange> ranges) {
  // Each open file hears of a failed write once: ours must hear of it in a sync.
  auto path = fmt::format("/proc/self/fd/{}", descriptor());
  UniqueFd other(retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (other.get() < 0) return;
  for (auto flags : {SYNC_FILE_RANGE_WRITE, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_BEFORE |
                                                SYNC_FILE_RANGE_WAIT_AFTER})
    for (const auto& range : ranges)
      (void)::sync_file_range(other.get(), static_cast<off_t>(range.offset),
                              static_cast<off_t>(range.length), static_cast<unsigned>(flags));
}

Result<> PosixFile::set_read_only() { return set_mode(0440); }
Result<> PosixFile::set_writable() { return set_mode(0640); }

Result<> PosixFile::set_mode(unsigned mode) {
  if (::fchmod(descriptor(), mode) != 0) return last_error();
  return {};
}

Result<> PosixFile::lock(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(file_store::kOwnerLockOffset);
  lock.l_len = 1;
  if (::fcntl(descriptor_.number, F_OFD_SETLK, &lock) == 0) return {};
  return system_error(errno == EACCES ? EAGAIN : errno);
}

}  // namespace caisson::posix
