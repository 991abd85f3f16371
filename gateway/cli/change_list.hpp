// SPDX-License-Identifier: Apache-2.0
// Lists of changed extents in the forms that people and programs take.
#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>

#include "nbs/wire/control.pb.h"
#include "storage_object/base/result.hpp"

namespace caisson::cli {

/// Writes while the list is still coming: begin(), add() ascending, end().
class ChangeList {
 public:
  virtual ~ChangeList() = default;
  virtual void begin(const nbs::wire::SnapshotDiffRequest& request) = 0;
  virtual void add(const nbs::wire::ChangedExtent& extent) = 0;
  virtual void end(std::uint64_t capacity) = 0;
};

/// A line each, and a sum.
std::unique_ptr<ChangeList> change_table(std::ostream& out);

/// One document: lun, from, to, extents, capacity, changed.
std::unique_ptr<ChangeList> change_json(std::ostream& out);

/// A bit for each `granularity` bytes, 1 where something in them changed. The first block
/// is the lowest bit of the first byte.
std::unique_ptr<ChangeList> change_bitmap(std::ostream& out, std::uint64_t granularity);

/// Puts extents together that two pages divided, and refuses what is not ascending.
class ChangeJoiner {
 public:
  explicit ChangeJoiner(ChangeList& list) : list_(list) {}
  /// Errc::protocol.
  Outcome<> add(const nbs::wire::ChangedExtent& extent);
  void end(std::uint64_t capacity);

 private:
  void flush();

  ChangeList& list_;
  nbs::wire::ChangedExtent pending_;  // length 0: none
};

}  // namespace caisson::cli
