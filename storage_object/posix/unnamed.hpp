// SPDX-License-Identifier: Apache-2.0
// Files that have no name yet: O_TMPFILE, or a hidden name where the file
// system lacks that.
#pragma once

#include <memory>
#include <string>

#include "storage_object/base/result.hpp"
#include "storage_object/posix/system.hpp"

namespace caisson::posix {

/// Hidden names start so. Lists leave them out.
inline constexpr std::string_view kHiddenPrefix = ".caisson-unnamed-";

/// The hidden name of an unpublished file; removed with this object.
class HiddenName {
 public:
  HiddenName(UniqueFd root, std::string name) : root_(std::move(root)), name_(std::move(name)) {}
  ~HiddenName();
  HiddenName(const HiddenName&) = delete;
  HiddenName& operator=(const HiddenName&) = delete;

  /// Renames it to its public name, never over another (EEXIST). Once: EINVAL
  /// afterwards.
  Error move_to(int directory, const std::string& leaf);

 private:
  UniqueFd root_;
  std::string name_;  ///< empty once moved
};

struct Unnamed {
  UniqueFd descriptor;
  std::unique_ptr<HiddenName> hidden;  ///< null for O_TMPFILE
};

/// A new empty file, mode 0640, below `root`. A file with a hidden name holds a
/// lock for as long as it is open, by which others know that it is in use.
Result<Unnamed> make_unnamed(int root, int flags, bool use_tmpfile);

/// Names a file made by O_TMPFILE. EEXIST if taken, EINVAL if it has a name.
Error link_unnamed(int descriptor, int directory, const std::string& leaf);

/// Removes hidden files directly below `root` that no process holds any more.
void remove_abandoned(int root);

}  // namespace caisson::posix
