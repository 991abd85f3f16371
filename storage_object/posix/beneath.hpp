// SPDX-License-Identifier: Apache-2.0
// Opening names beneath a directory in which others may plant links, mount
// points and devices.
#pragma once

#include <string>
#include <string_view>

#include "storage_object/base/result.hpp"
#include "storage_object/file_store/file.hpp"
#include "storage_object/posix/system.hpp"

namespace caisson::posix {

/// A name as the store port allows it: relative, no empty, "." or ".." part,
/// no NUL. EINVAL otherwise, ENAMETOOLONG above PATH_MAX.
Error check_name(std::string_view name) noexcept;

/// The directory part of a checked name ("" at the root) and the last part.
struct SplitName {
  std::string directory;
  std::string leaf;
};
SplitName split_name(std::string_view name);

/// openat2(2) below `root`: neither symbolic links nor other mounts are
/// crossed. `directory` "" is the root itself.
Result<UniqueFd> open_directory(int root, std::string_view directory);

/// Opens a regular file with one link, or `linked` with any number of them; EINVAL,
/// EMLINK for anything else. A device or a fifo is refused before it could notice.
Result<UniqueFd> open_regular(int root, std::string_view name, int flags, bool linked = false);

/// What an open file is; fstat(2).
Result<file_store::FileAttributes> attributes_of(int descriptor);

/// The same of a name, which is not opened. EINVAL, ELOOP for what is no regular
/// file; other links of it are told, not refused.
Result<file_store::FileAttributes> look_up(int root, std::string_view name);

}  // namespace caisson::posix
