// SPDX-License-Identifier: Apache-2.0
// Lists of changes: how they are asked for, and what they say
// (docs/design/capture.md, "Lists of changes").
#pragma once

#include <cstddef>
#include <cstdint>

namespace caisson::snapshot {

/// Lists name whole blocks of this many bytes; the last one is cut to the capacity.
inline constexpr std::uint64_t kChangeBlock = 4096;

/// One run of blocks that may have changed.
struct Changed {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  ///< bytes

  std::uint64_t end() const noexcept { return offset + length; }
  bool operator==(const Changed&) const = default;
};

/// How changes are found. None can miss one; they differ in what they name besides.
enum class Method : std::uint8_t {
  automatic,    ///< extent maps where there are images, captures elsewhere, contents in doubt
  extent_maps,  ///< the same, but what no map tells counts as changed
  captures,     ///< what was captured in between; all of a whole image, which keeps no record
  contents,     ///< reads both entirely, and believes neither maps nor captures: exact
};

struct ChangesOptions {
  Method method = Method::automatic;
  bool refined = false;  ///< compares what was found, and leaves out what is equal: exact
};

/// A part of a list. It may be short, or empty, long before the end: a call does only
/// so much work, so that its caller can report, pace or stop.
struct ChangesPage {
  std::size_t count = 0;   ///< of the room, filled: ascending, disjoint, none touches the next
  std::uint64_t next = 0;  ///< the disk is told up to here: go on from it
  bool done = false;       ///< nothing follows
};

}  // namespace caisson::snapshot
