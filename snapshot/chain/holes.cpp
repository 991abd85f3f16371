// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "snapshot/chain/capture.hpp"

namespace caisson::snapshot {

std::uint64_t hole_units(const Member& member, file_store::File& source, const Run& run,
                         std::uint64_t worth) {
  if (run.count * member.unit() < worth) return 0;
  std::array<file_store::FileExtent, 1> extent;
  auto offset = run.first * member.unit();
  auto found = file_store::extents(source, offset, run.count * member.unit(), extent);
  if (!found || *found == 0 || extent[0].data) return 0;
  // Behind the capacity there is nothing of interest: the last unit may be a part of one.
  if (extent[0].length >= member.capacity() - offset) return run.count;
  return std::min(extent[0].length / member.unit(), run.count);
}

}  // namespace caisson::snapshot
