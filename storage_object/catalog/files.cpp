// SPDX-License-Identifier: Apache-2.0
#include "storage_object/catalog/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "storage_object/base/errc.hpp"

namespace caisson::catalog {
namespace {

constexpr mode_t kPrivate = S_IRUSR | S_IWUSR;

Outcome<> sync_path(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) return system_failure("open", path);
  const bool synced = ::fsync(descriptor) == 0;
  const int saved = errno;
  ::close(descriptor);
  errno = saved;
  if (!synced) return system_failure("sync", path);
  return {};
}

}  // namespace

Failure system_failure(const char* verb, const std::string& path) {
  const Error code(errno, boost::system::system_category());
  return failure(to_errc(code), fmt::format("cannot {} {}: {}", verb, path, code.message()));
}

Outcome<> make_private(const std::string& path) {
  const int descriptor =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kPrivate);
  if (descriptor < 0) {
    if (errno == EEXIST) return tighten(path);
    return system_failure("create", path);
  }
  const bool set = ::fchmod(descriptor, kPrivate) == 0;
  ::close(descriptor);
  if (!set) return system_failure("change the mode of", path);
  return sync_directory_of(path);
}

Outcome<> tighten(const std::string& path) {
  struct stat now {};
  if (::stat(path.c_str(), &now) != 0) {
    if (errno == ENOENT) return {};
    return system_failure("examine", path);
  }
  if ((now.st_mode & (S_IRWXG | S_IRWXO)) == 0) return {};
  if (::chmod(path.c_str(), kPrivate) != 0) return system_failure("change the mode of", path);
  return {};
}

Outcome<> sync_file(const std::string& path) { return sync_path(path, O_RDONLY); }

Outcome<> sync_directory_of(const std::string& path) {
  auto parent = std::filesystem::path(path).parent_path();
  return sync_path(parent.empty() ? "." : parent.string(), O_RDONLY | O_DIRECTORY);
}

Outcome<> rename_file(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) return system_failure("rename to", to);
  return {};
}

Outcome<> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_failure("remove", path);
  return {};
}

std::uint64_t file_size(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? static_cast<std::uint64_t>(found.st_size) : 0;
}

bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace caisson::catalog
