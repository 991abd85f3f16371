// SPDX-License-Identifier: Apache-2.0
// The trailer of an open container: which slot rules, and how it is replaced.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include "storage_object/file_store/file.hpp"
#include "storage_object/format/trailer.hpp"

namespace caisson::object {

/// Where a trailer may stand and what may be believed there.
struct TrailerPlace {
  std::uint64_t position = 0;
  std::array<bool, format::kSlots> slots{true, true};  ///< which of them count
  /// Capacities it may bind; empty: any whose trailer stands there.
  std::array<std::uint64_t, 2> capacities{};
  std::optional<Uuid> uuid;  ///< of the object; absent: any
};

/// One container's trailer, through an open file that outlives it. Blocking;
/// one caller at a time.
class TrailerFile {
 public:
  /// `label` names the container in failures: "main/db.img".
  TrailerFile(file_store::File& file, std::string label) : file_(file), label_(std::move(label)) {}

  /// Takes the newest valid slot of `place`. Errc::corrupt when there is none or
  /// it is of another object, Errc::unsupported when later software wrote it.
  Outcome<> load(const TrailerPlace& place);

  /// What rules now. Valid after load() or begin().
  const format::Slot& slot() const noexcept { return slot_; }
  std::uint64_t position() const noexcept { return position_; }

  /// Writes the first slot of a new trailer (slot 0, generation 1) into a file
  /// of the right length whose trailer area is zeros. Not durable yet.
  Outcome<> begin(format::Slot slot);
  /// Replaces the older slot, syncs, and only then changes slot(). After a failed
  /// sync once more, slot by slot. A failure leaves the ruling slot as it was.
  Outcome<> update(const std::function<void(format::Slot&)>& change);
  /// Makes sure that the ruling slot is durable: what was read at open may be in
  /// the page cache only, clean after a failed writeback.
  Outcome<> anchor();
  /// Brings what rules into slot `index`, durably.
  Outcome<> settle_in(unsigned index);
  /// Writes the ruling slot with another capacity to slot `index` of that
  /// capacity's trailer and syncs everything; from then on it rules.
  Outcome<> move_to(std::uint64_t capacity, unsigned index);

  /// Whether a sync failed since this was last asked: the container's durability is
  /// unknown.
  bool take_sync_failure() noexcept { return std::exchange(sync_failed_, false); }

 private:
  format::SlotReading read(std::uint64_t position);
  Outcome<> write(const format::Slot& slot, unsigned index);
  Outcome<> sync();
  Outcome<> replace_older(const std::function<void(format::Slot&)>& change);
  Failure failed(const char* doing, const Error& error) const;

  file_store::File& file_;
  std::string label_;
  std::uint64_t position_ = 0;
  unsigned ruling_ = 0;
  format::Slot slot_;
  bool anchored_ = false;  // the ruling slot is known to be durable
  bool sync_failed_ = false;
};

}  // namespace caisson::object
