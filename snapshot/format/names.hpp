// SPDX-License-Identifier: Apache-2.0
// Names of a snapshot's files, all but a clone's in `.snapshots/<lun>/` of the LUN's store
// (docs/format/snapshot.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage_object/base/uuid.hpp"

namespace caisson::snapshot {

inline constexpr std::string_view kSnapshotsFolder = ".snapshots";

/// ".snapshots/<lun>", of a valid LUN name.
std::string folder_of(std::string_view lun);
/// ".<uuid>.map"
std::string map_name(const Uuid& snapshot);
/// ".<uuid>.<number>.pre"
std::string segment_name(const Uuid& snapshot, std::uint32_t number);
/// ".<uuid>.img": the image while it is not complete.
std::string hidden_image_name(const Uuid& snapshot);
/// ".<uuid>.gone": what is left of one that is being removed. While it is there, nothing
/// else that is found of that snapshot counts.
std::string removed_name(const Uuid& snapshot);
/// "<snapshot>.img": the complete image, by the snapshot's (valid) name.
std::string image_name(std::string_view snapshot);

/// ".<uuid>.fill": beside a clone's container, what it has of its snapshot.
std::string fill_map_name(const Uuid& clone);

enum class EntryKind : std::uint8_t { map, segment, hidden_image, removed, image };

/// What a directory entry is by its name alone; its content may say otherwise.
struct EntryName {
  EntryKind kind = EntryKind::map;
  Uuid snapshot;             ///< of all but EntryKind::image
  std::uint32_t number = 0;  ///< of EntryKind::segment
  std::string name;          ///< of EntryKind::image: the snapshot's name

  bool operator==(const EntryName&) const = default;
};

/// nullopt for every name that the functions above do not make, other spellings of
/// a UUID or a number included: what is not ours is left alone.
std::optional<EntryName> parse_entry_name(std::string_view entry);

}  // namespace caisson::snapshot
