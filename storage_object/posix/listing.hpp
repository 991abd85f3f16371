// SPDX-License-Identifier: Apache-2.0
// The names inside a directory.
#pragma once

#include <vector>

#include "storage_object/file_store/store.hpp"
#include "storage_object/posix/system.hpp"

namespace caisson::posix {

enum class Listed { visible, hidden };

/// What is directly inside: all but the hidden names of unnamed files, or only
/// those. In no particular order.
Result<std::vector<file_store::DirectoryEntry>> list_entries(UniqueFd directory, Listed which);

}  // namespace caisson::posix
