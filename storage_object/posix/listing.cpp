// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/listing.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <string_view>

#include "storage_object/posix/unnamed.hpp"

namespace caisson::posix {
namespace {

bool regular(int directory, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_REG;
  struct stat status {};
  return ::fstatat(directory, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(status.st_mode);
}

}  // namespace

Result<std::vector<file_store::DirectoryEntry>> list_entries(UniqueFd directory, Listed which) {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(directory.get()), &::closedir);
  if (stream == nullptr) return last_error();
  auto fd = directory.release();
  std::vector<file_store::DirectoryEntry> entries;
  errno = 0;
  while (const auto* entry = ::readdir(stream.get())) {
    std::string_view name = entry->d_name;
    auto hidden = name.starts_with(kHiddenPrefix);
    if (name != "." && name != ".." && hidden == (which == Listed::hidden))
      entries.push_back({std::string(name), regular(fd, *entry)});
    errno = 0;
  }
  if (errno != 0) return last_error();
  return entries;
}

}  // namespace caisson::posix
