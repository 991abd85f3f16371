// SPDX-License-Identifier: Apache-2.0
// What a capture map says of its snapshot from the first byte on.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/format/snapshot_header.pb.h"
#include "storage_object/base/result.hpp"
#include "storage_object/base/uuid.hpp"

namespace caisson::snapshot {

/// How what is about to be overwritten is kept.
enum class Primitive : std::uint8_t {
  reflink = 1,  ///< ranges are cloned into the image
  copy = 2,     ///< 4 KiB pre-images go to segments, later into the image
};
std::string_view to_string(Primitive primitive) noexcept;

/// Unit of a new map, bytes: 4096 with copy, 65536 with reflink.
std::uint64_t unit_for(Primitive primitive) noexcept;

/// Features a writer used. An unknown bit means: compatible, ignore and keep;
/// read_only_compatible, read but never append; incompatible, do not read.
struct Features {
  std::uint64_t compatible = 0;
  std::uint64_t read_only_compatible = 0;
  std::uint64_t incompatible = 0;

  auto operator<=>(const Features&) const = default;
};
inline constexpr Features kKnownFeatures{};  // version 1 defines none

/// Never changes once it is written: the checksums of all records hang from it.
struct MapHeader {
  Uuid snapshot;
  Uuid lun;
  std::string lun_name;        ///< when it was made
  std::string name;            ///< of the snapshot when it was made; `named` changes it
  std::uint64_t sequence = 0;  ///< of the cut within the LUN, ascending, from 1
  std::uint64_t capacity = 0;  ///< bytes at the cut
  std::uint32_t logical_block = 512;
  std::uint32_t physical_block = 4096;
  Primitive primitive = Primitive::reflink;
  /// Bytes: a power of two, 4096 to 2^30, with copy 4096; at most kMaxUnits of them.
  std::uint64_t unit = 0;
  std::int64_t cut_ms = 0;  ///< wall clock, ms since the epoch, as planned; `cut` has the moment
  Uuid group;               ///< of snapshots cut at the same instant; nil: alone
  Features features;
  /// Fields that this version does not know, for a map written anew. The fields
  /// above are taken from the members, not from here.
  pb::SnapshotHeader message;

  /// Units of the disk; the last one may end behind the capacity.
  std::uint64_t units() const noexcept { return unit == 0 ? 0 : (capacity - 1) / unit + 1; }
};

/// Errc::invalid_argument, with what is wrong, unless a map can have this header.
Outcome<> check(const MapHeader& header);

/// The header block of a map. Errc::invalid_argument as check(), or where the fields
/// this version does not know leave no room.
Outcome<std::vector<std::byte>> encode_map_header(const MapHeader& header);

/// A header, and the checksum from which the first record's hangs.
struct MapHeaderReading {
  MapHeader header;
  std::uint32_t chain = 0;
};
/// Believes nothing: the UUID of header and message must be one, every field possible.
/// Errc::corrupt, Errc::unsupported; `label` names the file.
Outcome<MapHeaderReading> parse_map_header(std::span<const std::byte> bytes,
                                           const std::string& label);

}  // namespace caisson::snapshot
