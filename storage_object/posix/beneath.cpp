// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/beneath.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <climits>
#include <cstdint>

namespace caisson::posix {
namespace {

// The kernel gives EAGAIN when a rename elsewhere keeps it from proving that
// the path stayed beneath; a planter may cause that, but not for ever.
constexpr int kAttempts = 32;

Result<UniqueFd> open_beneath(int root, const std::string& name, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto fd = ::syscall(SYS_openat2, root, name.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return last_error();
}

Error kind_of(const struct stat& status) {
  if (S_ISLNK(status.st_mode)) return system_error(ELOOP);
  if (!S_ISREG(status.st_mode)) return system_error(EINVAL);
  return {};
}

Error check_kind(int fd, bool linked) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return last_error();
  if (auto bad = kind_of(status)) return bad;
  if (status.st_nlink > 1 && !linked) return system_error(EMLINK);
  return {};
}

/// Nanoseconds since the epoch; 0 where the file system does not keep it.
std::int64_t birth_of(int descriptor) {
  struct statx status {};
  if (::statx(descriptor, "", AT_EMPTY_PATH, STATX_BTIME, &status) != 0) return 0;
  if ((status.stx_mask & STATX_BTIME) == 0) return 0;
  return status.stx_btime.tv_sec * 1'000'000'000 + status.stx_btime.tv_nsec;
}

file_store::FileAttributes attributes_from(int descriptor, const struct stat& status) {
  return {.size = static_cast<std::uint64_t>(status.st_size),
          .allocated = static_cast<std::uint64_t>(status.st_blocks) * 512,
          .links = status.st_nlink,
          .id = {.device = status.st_dev, .inode = status.st_ino},
          .born = birth_of(descriptor),
          .read_only = (status.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) == 0};
}

}  // namespace

Error check_name(std::string_view name) noexcept {
  if (name.size() >= PATH_MAX) return system_error(ENAMETOOLONG);
  if (name.find('\0') != std::string_view::npos) return system_error(EINVAL);
  while (true) {
    auto part = name.substr(0, name.find('/'));
    if (part.empty() || part == "." || part == "..") return system_error(EINVAL);
    if (part.size() == name.size()) return {};
    name.remove_prefix(part.size() + 1);
  }
}

SplitName split_name(std::string_view name) {
  auto slash = name.rfind('/');
  if (slash == std::string_view::npos) return {"", std::string(name)};
  return {std::string(name.substr(0, slash)), std::string(name.substr(slash + 1))};
}

Result<UniqueFd> open_directory(int root, std::string_view directory) {
  if (directory.empty()) return open_beneath(root, ".", O_RDONLY | O_DIRECTORY);
  if (auto bad = check_name(directory); bad) return bad;
  return open_beneath(root, std::string(directory), O_RDONLY | O_DIRECTORY);
}

Result<UniqueFd> open_regular(int root, std::string_view name, int flags, bool linked) {
  if (auto bad = check_name(name); bad) return bad;
  std::string path(name);
  auto looked = open_beneath(root, path, O_PATH | O_NOFOLLOW);
  if (!looked) return looked.error();
  if (auto bad = check_kind(looked->get(), linked); bad) return bad;
  // O_NONBLOCK: should the name have been exchanged for a fifo meanwhile.
  auto file = open_beneath(root, path, flags | O_NOFOLLOW | O_NONBLOCK);
  if (!file) return file.error();
  if (auto bad = check_kind(file->get(), linked); bad) return bad;
  auto status = ::fcntl(file->get(), F_GETFL);
  if (status < 0 || ::fcntl(file->get(), F_SETFL, status & ~O_NONBLOCK) != 0) return last_error();
  return file;
}

Result<file_store::FileAttributes> attributes_of(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return last_error();
  return attributes_from(descriptor, status);
}

Result<file_store::FileAttributes> look_up(int root, std::string_view name) {
  if (auto bad = check_name(name); bad) return bad;
  auto looked = open_beneath(root, std::string(name), O_PATH | O_NOFOLLOW);
  if (!looked) return looked.error();
  struct stat status {};
  if (::fstat(looked->get(), &status) != 0) return last_error();
  if (auto bad = kind_of(status)) return bad;
  return attributes_from(looked->get(), status);
}

}  // namespace caisson::posix
