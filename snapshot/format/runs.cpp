// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/runs.hpp"

#include <algorithm>

namespace caisson::snapshot {

void append_units(std::vector<Run>& runs, std::uint64_t first, std::uint64_t count) {
  if (!runs.empty() && runs.back().end() == first) {
    auto more = std::min(count, kMaxRunUnits - runs.back().count);
    runs.back().count += more;
    first += more;
    count -= more;
  }
  while (count != 0) {
    auto length = std::min(count, kMaxRunUnits);
    runs.push_back({first, length});
    first += length;
    count -= length;
  }
}

std::vector<Run> coalesce(std::span<const std::uint64_t> units) {
  std::vector<Run> runs;
  for (auto unit : units)
    if (runs.empty() || unit >= runs.back().end()) append_units(runs, unit, 1);
  return runs;
}

}  // namespace caisson::snapshot
