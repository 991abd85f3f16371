// SPDX-License-Identifier: Apache-2.0
// What a capture map says after its header, record by record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "snapshot/format/runs.hpp"
#include "storage_object/base/uuid.hpp"

namespace caisson::snapshot {

/// A kind with this bit may be skipped by who does not know it; a map with any
/// other unknown kind cannot be understood (Errc::unsupported).
inline constexpr std::uint16_t kIgnorable = 0x8000;

enum class RecordKind : std::uint16_t {
  cut = 1,
  captured = 2,
  hole = 3,
  moved = 4,
  named = 5,
  sealed = 6,
  complete = 7,
  given_up = 8,
  ghost = 9,
  begun = kIgnorable | 10,
};
std::string_view to_string(RecordKind kind) noexcept;

inline constexpr std::size_t kMaxReason = 512;  ///< bytes of GivenUp::reason that are kept

/// The reason as it is kept: at most kMaxReason bytes, '?' for all that is not
/// printable ASCII.
std::string printable(std::string_view text);

/// From here on it captures. A map without it is of a snapshot that never was.
struct Cut {
  std::int64_t wall_ms = 0;  ///< ms since the epoch
};
/// The image holds these units.
struct Captured {
  std::span<const Run> runs;
};
/// These were holes, or zeros: the image holds nothing there.
struct Hole {
  std::span<const Run> runs;
};
/// The image holds these units, and with them all that segment `segment` has; it may
/// be removed.
struct Moved {
  std::uint32_t segment = 0;
  std::span<const Run> runs;
};
/// The snapshot has this (valid) name from now on.
struct Named {
  std::string name;
};
/// A newer snapshot, this one, captures from now on. The last one counts.
struct Sealed {
  Uuid by;
};
/// Every unit is in the image, or a hole.
struct Complete {};
/// Hosts came first on a full store: it is no image of anything any more.
struct GivenUp {
  std::string reason;
};
/// Deleted for users; still captures, or is needed for older ones.
struct Ghost {};

/// That segment exists, until it is moved.
struct Begun {
  std::uint32_t segment = 0;
};

using Record =
    std::variant<Cut, Captured, Hole, Moved, Named, Sealed, Complete, GivenUp, Ghost, Begun>;

}  // namespace caisson::snapshot
