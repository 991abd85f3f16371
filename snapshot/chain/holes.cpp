// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "snapshot/chain/capture.hpp"

namespace caisson::snapshot {

std::uint64_t hole_units(const Member& member, file_store::File& source, const Run& run,
                         std::uint64_t worth) {
  if (run.count * member.unit() < worth) return 0;
  auto offset = run.first * member.unit();
  auto data = source.seek_data(offset, run.count * member.unit());
  if (!data) return 0;
  // Behind the capacity there is nothing of interest: the last unit may be a part of one.
  if (*data >= member.capacity()) return run.count;
  return std::min((*data - offset) / member.unit(), run.count);
}

}  // namespace caisson::snapshot
