// SPDX-License-Identifier: Apache-2.0
// Where the bytes of a file lie on the disk: what files that share blocks are
// compared by.
#pragma once

#include <cstddef>
#include <cstdint>

namespace caisson::file_store {

enum class MapState : std::uint8_t {
  hole,       ///< nothing there: reads as zeros
  unwritten,  ///< allocated, reads as zeros: for a comparison the same as a hole
  placed,     ///< `address` tells where the bytes are, and nothing is between it and them
  untrusted,  ///< anything may be there: encoded, inline, delayed, not told. Counts as changed
};

/// One run of a file in one state; a placed one lies in one piece.
struct MapExtent {
  std::uint64_t offset = 0;  ///< in the file
  std::uint64_t length = 0;
  std::uint64_t address = 0;  ///< on the file system's disk, bytes; of `placed` only
  MapState state = MapState::hole;
  bool shared = false;  ///< other files (or other ranges) may lie there too

  std::uint64_t end() const noexcept { return offset + length; }
  bool zeros() const noexcept { return state <= MapState::unwritten; }
  bool operator==(const MapExtent&) const = default;
};

struct MapPage {
  std::size_t count = 0;  ///< of the room, filled
  std::uint64_t end = 0;  ///< the file is told up to here; less than asked for: ask on from here
};

}  // namespace caisson::file_store
