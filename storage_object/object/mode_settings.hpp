// SPDX-License-Identifier: Apache-2.0
// Settings of a disk that hosts may change (SPC-4 5.11): those in force, and
// those that come back with a reset and a restart.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "storage_object/catalog/records.hpp"

namespace caisson::format::pb {
class Trailer;
}

namespace caisson::object {

struct ModeValues {
  /// WCE is this and nothing else: with writethrough there is no cache to speak
  /// of (decision 3).
  catalog::CacheMode cache = catalog::CacheMode::writeback;
  bool write_protect = false;     ///< SWP: no host may write
  bool descriptor_sense = false;  ///< D_SENSE
  bool task_aborted = false;      ///< TAS: commands that another host ends are answered

  bool operator==(const ModeValues&) const = default;
};

/// What a host asks for; the rest stays. `write_cache` leaves the cache mode alone
/// where it says what is so already.
struct ModeChange {
  std::optional<bool> write_cache{};
  std::optional<bool> write_protect{};
  std::optional<bool> descriptor_sense{};
  std::optional<bool> task_aborted{};
  bool save = false;  ///< as saved values too, durable when that is answered
};

/// Thread-safe. Reading the current values costs one relaxed load.
class ModeSettings {
 public:
  explicit ModeSettings(ModeValues saved) noexcept : current_(pack(saved)), saved_(pack(saved)) {}

  ModeValues current() const noexcept { return unpack(current_.load(std::memory_order_relaxed)); }
  ModeValues saved() const noexcept { return unpack(saved_.load(std::memory_order_relaxed)); }

  bool write_protect() const noexcept { return (flags() & kWriteProtect) != 0; }
  bool descriptor_sense() const noexcept { return (flags() & kDescriptorSense) != 0; }
  bool task_aborted() const noexcept { return (flags() & kTaskAborted) != 0; }

  // For the object.

  /// Sets the current values to change(current); `change` may be asked more than once.
  /// What they were, and are.
  template <class Change>
  std::pair<ModeValues, ModeValues> update(Change change) noexcept {
    auto before = current_.load();
    ModeValues after;
    do after = change(unpack(before));
    while (!current_.compare_exchange_weak(before, pack(after)));
    return {unpack(before), after};
  }
  void set_saved(ModeValues values) noexcept { saved_.store(pack(values)); }

 private:
  static constexpr std::uint8_t kCache = 3, kWriteProtect = 4, kDescriptorSense = 8,
                                kTaskAborted = 16;

  std::uint8_t flags() const noexcept { return current_.load(std::memory_order_relaxed); }
  static std::uint8_t pack(ModeValues values) noexcept {
    return static_cast<std::uint8_t>(static_cast<std::uint8_t>(values.cache) |
                                     (values.write_protect ? kWriteProtect : 0) |
                                     (values.descriptor_sense ? kDescriptorSense : 0) |
                                     (values.task_aborted ? kTaskAborted : 0));
  }
  static ModeValues unpack(std::uint8_t flags) noexcept {
    return {static_cast<catalog::CacheMode>(flags & kCache), (flags & kWriteProtect) != 0,
            (flags & kDescriptorSense) != 0, (flags & kTaskAborted) != 0};
  }

  std::atomic<std::uint8_t> current_, saved_;
};

/// What `change` makes of `current`. A host that asks for a cache gets the one
/// `saved` names, if that is one, else the page cache.
ModeValues changed(ModeValues current, ModeValues saved, const ModeChange& change) noexcept;

/// The record of a trailer; its cache mode is the trailer's own.
void write_modes(format::pb::Trailer& message, const ModeValues& saved);
ModeValues read_modes(const format::pb::Trailer& message, catalog::CacheMode cache);

}  // namespace caisson::object
