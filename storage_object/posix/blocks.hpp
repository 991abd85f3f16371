// SPDX-License-Identifier: Apache-2.0
// The blocks beneath a file: sharing them, and where they lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "storage_object/base/result.hpp"
#include "storage_object/file_store/extent_map.hpp"

namespace caisson::posix {

/// FICLONERANGE; `length` is above 0. EOPNOTSUPP whatever way the file system says so.
Error clone_blocks(int source, std::uint64_t from, std::uint64_t length, int target,
                   std::uint64_t to);

/// FIEMAP of a range, with FIEMAP_FLAG_SYNC, as File::extent_map() promises.
Result<file_store::MapPage> map_blocks(int file, std::uint64_t offset, std::uint64_t length,
                                       std::span<file_store::MapExtent> room);

/// The same question without writing anything back, as File::count_extents().
Result<std::size_t> count_blocks(int file, std::uint64_t offset, std::uint64_t length,
                                 std::size_t most);

/// Up to where the range is known to be data, if it begins with data: at least `offset`, at
/// most `end`. May stop short of it, after a number of extents, or where it cannot tell.
std::uint64_t data_until(int file, std::uint64_t offset, std::uint64_t end);

}  // namespace caisson::posix
