// SPDX-License-Identifier: Apache-2.0
// Reads a capture map.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "snapshot/format/map_header.hpp"
#include "snapshot/format/map_record.hpp"
#include "storage_object/file_store/file.hpp"

namespace caisson::snapshot {

/// Told of every record with runs, in the order of the file.
class MapVisitor {
 public:
  virtual ~MapVisitor() = default;
  /// `kind` is captured, hole or moved. The runs fit the disk, are neither sorted nor
  /// disjoint, and are gone after the call. A failure ends the reading with it.
  virtual Outcome<> on_runs(RecordKind kind, std::span<const Run> runs) = 0;
  /// Segment `segment` is in the image wholly; called after on_runs() of its record.
  virtual Outcome<> on_moved(std::uint32_t segment) = 0;
};

/// What a map says, but for its runs.
struct MapContents {
  MapHeader header;
  std::string name;                     ///< the newest
  std::optional<std::int64_t> cut_ms;   ///< absent: a snapshot that never was
  std::optional<Uuid> sealed_by;        ///< the last one named
  std::optional<std::string> given_up;  ///< the reason
  bool complete = false;
  bool ghost = false;
  std::vector<std::uint32_t> segments;  ///< ascending; begun and not moved: they must be there
  std::uint32_t next_segment = 0;       ///< above all that were begun
  std::uint64_t records = 0;
  std::uint64_t end = 0;    ///< where the last valid record ends
  std::uint32_t chain = 0;  ///< its checksum, from which the next one's hangs
  std::uint64_t size = 0;   ///< of the file; what lies behind `end` is no record
};

/// Reads the map up to the first record that does not check. Memory is the same
/// for every length. `label` names the file in failures ("main/.snapshots/db/….map").
/// Errc::corrupt where the header is not one, or a record that checks says what
/// cannot be; Errc::unsupported where a later version wrote it; otherwise what the
/// file system said. Blocking; nobody writes to the file meanwhile.
///
/// Of a file that a process may have written which did not end cleanly, settle() first.
Outcome<MapContents> read_map(file_store::File& file, const std::string& label,
                              MapVisitor& visitor);
/// Without the runs.
Outcome<MapContents> read_map(file_store::File& file, const std::string& label);

}  // namespace caisson::snapshot
