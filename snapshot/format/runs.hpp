// SPDX-License-Identifier: Apache-2.0
// Runs of units: how a map names parts of a disk. A unit is the map's granule, a
// power of two of bytes; unit 0 begins at byte 0 of the disk.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

namespace caisson::snapshot {

/// Units of one disk at most, 2^40: a run has 40 bits for the first one.
inline constexpr std::uint64_t kMaxUnits = std::uint64_t{1} << 40;
/// Units of one run at most: it has 24 bits for their number.
inline constexpr std::uint64_t kMaxRunUnits = (std::uint64_t{1} << 24) - 1;

struct Run {
  std::uint64_t first = 0;  ///< unit, below kMaxUnits
  std::uint64_t count = 0;  ///< 1 to kMaxRunUnits

  std::uint64_t end() const noexcept { return first + count; }
  auto operator<=>(const Run&) const = default;
};

/// True if the run is not empty, fits its encoding and ends within `units`.
constexpr bool fits(const Run& run, std::uint64_t units) noexcept {
  return run.count != 0 && run.count <= kMaxRunUnits && run.first < units &&
         run.count <= units - run.first;
}

/// A run in 8 bytes (stored little-endian): bits 0-39 the first unit, 40-63 the
/// number of units. Of a run that fits().
constexpr std::uint64_t pack(const Run& run) noexcept { return run.first | run.count << 40; }
constexpr Run unpack(std::uint64_t packed) noexcept {
  return {packed & (kMaxUnits - 1), packed >> 40};
}

/// Adds `count` units from `first` on behind `runs`; what touches the last run
/// extends it, what is too long for a run becomes several.
void append_units(std::vector<Run>& runs, std::uint64_t first, std::uint64_t count);

/// Sorted, disjoint and as few as can be: the units of `runs`, each once.
std::vector<Run> merged(std::vector<Run> runs);
/// The units of `runs` that are not in `others`; both are merged().
std::vector<Run> without(std::span<const Run> runs, std::span<const Run> others);

/// The fewest runs that name exactly these units; `units` ascends, with or without
/// repetitions.
std::vector<Run> coalesce(std::span<const std::uint64_t> units);

}  // namespace caisson::snapshot
