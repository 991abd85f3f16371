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

std::vector<Run> merged(std::vector<Run> runs) {
  std::ranges::sort(runs);
  std::vector<Run> out;
  for (const auto& run : runs) {
    auto first = out.empty() ? run.first : std::max(run.first, out.back().end());
    if (first < run.end()) append_units(out, first, run.end() - first);
  }
  return out;
}

std::vector<Run> without(std::span<const Run> runs, std::span<const Run> others) {
  std::vector<Run> out;
  auto other = others.begin();
  for (const auto& run : runs)
    for (auto unit = run.first; unit < run.end();) {
      while (other != others.end() && other->end() <= unit) ++other;
      auto until = other == others.end() ? run.end() : std::min(run.end(), other->first);
      if (until > unit) append_units(out, unit, until - unit);
      unit = std::max(unit, other == others.end() ? run.end() : std::min(run.end(), other->end()));
    }
  return out;
}

std::vector<Run> coalesce(std::span<const std::uint64_t> units) {
  std::vector<Run> runs;
  for (auto unit : units)
    if (runs.empty() || unit >= runs.back().end()) append_units(runs, unit, 1);
  return runs;
}

}  // namespace caisson::snapshot
