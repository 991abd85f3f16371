// SPDX-License-Identifier: Apache-2.0
// Operations performed by blocking system calls, on whatever thread may block.
#pragma once

#include <cstdint>

#include "storage_object/base/result.hpp"
#include "storage_object/posix/operation.hpp"

namespace caisson::posix {

/// Performs the operation to its end.
void perform(Operation& operation);

/// Tries a planned read from the page cache without waiting for the disk.
/// True when that settled the request; what it got is kept otherwise.
bool try_cached(Operation& operation);

/// Where, from `at` on, the next data (SEEK_DATA) or hole (SEEK_HOLE) begins; `end` at most.
Result<std::uint64_t> seek(int file, std::uint64_t at, std::uint64_t end, int whence);

}  // namespace caisson::posix
