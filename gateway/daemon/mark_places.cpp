// SPDX-License-Identifier: Apache-2.0
#include "gateway/daemon/mark_places.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <span>

#include "storage_object/base/crc32c.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/posix/posix_store.hpp"

namespace caisson::daemon {
namespace {

using Opened = Outcome<std::unique_ptr<file_store::Store>>;

Opened open_directory(const std::string& path) {
  auto store = posix::PosixStore::at(path);
  if (!store) return store.error();
  return std::unique_ptr<file_store::Store>(std::move(*store));
}

/// One gateway a state directory; several may share /dev/shm.
std::string memory_directory(const std::string& state_directory) {
  std::error_code error;
  auto state = std::filesystem::weakly_canonical(state_directory, error).string();
  if (error) state = state_directory;
  return fmt::format("/dev/shm/caisson-{}-{:08x}", ::geteuid(),
                     crc32c(std::as_bytes(std::span(state))));
}

Opened open_in_memory(const std::string& path, bool make) {
  if (make && ::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    const Error code(errno, boost::system::system_category());
    return failure(to_errc(code), fmt::format("cannot make {}: {}", path, code.message()));
  }
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0)
    return failure(Errc::not_found, fmt::format("there is no {}", path));
  const bool ours = S_ISDIR(found.st_mode) && found.st_uid == ::geteuid() &&
                    (found.st_mode & (S_IRWXG | S_IRWXO)) == 0;
  if (!ours)  // anybody can make names there
    return failure(Errc::permission_denied, fmt::format("{} is somebody else's", path),
                   "remove it");
  return open_directory(path);
}

}  // namespace

std::vector<object::MarkPlace> failure_mark_places(const std::string& run_directory,
                                                   const std::string& state_directory) {
  auto memory = memory_directory(state_directory);
  return {{.name = run_directory,
           .open = [run_directory](bool) { return open_directory(run_directory); }},
          {.name = memory,
           .open = [memory](bool make) { return open_in_memory(memory, make); },
           .quick = true}};
}

object::MarkPlace failure_record_place(const std::string& state_directory) {
  return {.name = state_directory,
          .open = [state_directory](bool) { return open_directory(state_directory); }};
}

}  // namespace caisson::daemon
