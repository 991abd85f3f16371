// SPDX-License-Identifier: Apache-2.0
// What a file system can do, found by trying.
#pragma once

#include "storage_object/file_store/file.hpp"

namespace caisson::posix {

/// Tries punch, zero and allocate on an empty scratch file, which it leaves
/// dirty; `block` from statvfs. Knows nothing of direct I/O.
file_store::FileTraits probe_traits(int scratch);

/// Whether ranges of one empty scratch file can be cloned into another, one block
/// and a megabyte: compared at once and again after the source was overwritten.
bool clone_works(int source, int target, std::uint32_t block);

/// The alignment that a scratch file opened with O_DIRECT asks for: as statx
/// says, else the smallest of 512 and 4096 that works; 0 if neither does.
std::uint32_t probe_direct_alignment(int scratch);

}  // namespace caisson::posix
