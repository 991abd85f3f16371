// SPDX-License-Identifier: Apache-2.0
// What a clone has of its snapshot itself: a capture map (docs/format/snapshot.md) beside
// its container.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "snapshot/chain/unit_set.hpp"
#include "snapshot/format/map_header.hpp"
#include "snapshot/format/map_writer.hpp"
#include "storage_object/file_store/store.hpp"

namespace caisson::snapshot {

/// Bytes that a clone takes over at once.
inline constexpr std::uint64_t kFillUnit = std::uint64_t{64} << 10;

/// Whose map it is.
struct FillPlace {
  file_store::Store* store = nullptr;  ///< of the clone
  std::string store_name;              ///< for messages
  Uuid clone;
  Uuid snapshot;
};

/// Blocking; one caller at a time, but for units().
class FillMap {
 public:
  /// The map of a clone that has nothing yet, durable with its name. `header` as the
  /// snapshot's own; what a clone has in its place is put in.
  static Outcome<> create(const FillPlace& place, std::string_view clone_name, MapHeader header);
  /// Errc::not_found, corrupt: it is gone, damaged, or another's.
  static Outcome<std::unique_ptr<FillMap>> open(const FillPlace& place);
  /// Not there any more: success.
  static Outcome<> remove(const FillPlace& place);

  const UnitSet& units() const noexcept { return *units_; }
  std::uint64_t capacity() const noexcept { return capacity_; }  ///< bytes, of the snapshot
  bool complete() const noexcept { return complete_; }

  /// The container has these units durably, or nothing but zeros in them. In the set then.
  Outcome<> record(std::span<const Run> filled, std::span<const Run> holes);
  /// It needs the snapshot no more.
  Outcome<> end();

 private:
  FillMap() = default;
  class Loader;

  std::unique_ptr<file_store::File> file_;
  std::unique_ptr<MapWriter> writer_;
  std::unique_ptr<UnitSet> units_;
  std::uint64_t capacity_ = 0;
  bool complete_ = false;
};

}  // namespace caisson::snapshot
