// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/unnamed.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "storage_object/base/uuid.hpp"
#include "storage_object/file_store/file.hpp"
#include "storage_object/posix/beneath.hpp"
#include "storage_object/posix/listing.hpp"

namespace caisson::posix {
namespace {

// Beside the owner lock, so that a published file may take that as well.
constexpr off_t kInUseOffset = static_cast<off_t>(file_store::kOwnerLockOffset) + 1;

bool lock_in_use(int descriptor) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kInUseOffset;
  lock.l_len = 1;
  return ::fcntl(descriptor, F_OFD_SETLK, &lock) == 0;
}

Result<Unnamed> make_hidden(int root, int flags) {
  auto name = fmt::format("{}{}", kHiddenPrefix, Uuid::random().to_string());
  UniqueFd directory(::fcntl(root, F_DUPFD_CLOEXEC, 0));
  if (directory.get() < 0) return last_error();
  UniqueFd file(
      ::openat(root, name.c_str(), flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640));
  if (file.get() < 0) return last_error();
  auto hidden = std::make_unique<HiddenName>(std::move(directory), std::move(name));
  // Taken between the two calls: another start saw the file as abandoned.
  if (!lock_in_use(file.get())) return system_error(EAGAIN);
  return Unnamed{std::move(file), std::move(hidden)};
}

}  // namespace

HiddenName::~HiddenName() {
  if (!name_.empty()) ::unlinkat(root_.get(), name_.c_str(), 0);
}

Error HiddenName::move_to(int directory, const std::string& leaf) {
  if (name_.empty()) return system_error(EINVAL);
  if (::renameat2(root_.get(), name_.c_str(), directory, leaf.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno != EINVAL && errno != ENOSYS) return last_error();
    // No RENAME_NOREPLACE here: two names for a moment, but never one replaced.
    if (::linkat(root_.get(), name_.c_str(), directory, leaf.c_str(), 0) != 0) return last_error();
    if (::unlinkat(root_.get(), name_.c_str(), 0) != 0) return last_error();
  }
  name_.clear();
  return {};
}

Result<Unnamed> make_unnamed(int root, int flags, bool use_tmpfile) {
  if (!use_tmpfile) return make_hidden(root, flags);
  UniqueFd file(::openat(root, ".", flags | O_TMPFILE | O_CLOEXEC, 0640));
  if (file.get() >= 0) return Unnamed{std::move(file), nullptr};
  // Without O_TMPFILE the file system says EOPNOTSUPP, an old kernel EISDIR.
  if (errno != EOPNOTSUPP && errno != EISDIR) return last_error();
  return make_hidden(root, flags);
}

Error link_unnamed(int descriptor, int directory, const std::string& leaf) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return last_error();
  if (status.st_nlink != 0) return system_error(EINVAL);
  if (::linkat(descriptor, "", directory, leaf.c_str(), AT_EMPTY_PATH) == 0) return {};
  if (errno != ENOENT && errno != EPERM) return last_error();
  // AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH; /proc does not.
  auto path = fmt::format("/proc/self/fd/{}", descriptor);
  if (::linkat(AT_FDCWD, path.c_str(), directory, leaf.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
  return last_error();
}

/// A hidden name, to be tried for a lock. One that a crash left while the file was
/// given its public name is one of two: opened all the same, no more than that is
/// done with it.
UniqueFd open_hidden(int root, const std::string& name) {
  UniqueFd file(
      ::openat(root, name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (file.get() >= 0 && ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode)) return file;
  return UniqueFd();
}

void remove_abandoned(int root) {
  auto directory = open_directory(root, "");
  if (!directory) return;
  auto entries = list_entries(std::move(*directory), Listed::hidden);
  if (!entries) return;
  for (const auto& entry : *entries) {
    if (!entry.regular) continue;
    auto file = open_hidden(root, entry.name);
    if (file.get() >= 0 && lock_in_use(file.get())) ::unlinkat(root, entry.name.c_str(), 0);
  }
}

}  // namespace caisson::posix
