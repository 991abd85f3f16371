// SPDX-License-Identifier: Apache-2.0
// What snapshots need of the LUNs they are of: implemented over the object registry.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage_object/base/result.hpp"
#include "storage_object/base/uuid.hpp"
#include "storage_object/block/block_device.hpp"
#include "storage_object/file_store/store.hpp"

namespace caisson::snapshot {

/// A LUN as it is now.
struct LunFacts {
  Uuid uuid;
  std::string name;
  std::string store;
  std::uint64_t capacity = 0;  ///< bytes
  std::uint32_t logical_block = 512;
  std::uint32_t physical_block = 4096;
  bool thick = false;
  bool served = false;
  std::optional<Uuid> restoring{};  ///< of which snapshot; hosts are kept out
  bool filling = false;             ///< a clone that does not have everything yet
  bool view = false;                ///< it shows a snapshot, and has no data of its own
};

/// Thread-safe; blocks.
class LunHost {
 public:
  virtual ~LunHost() = default;
  virtual std::optional<LunFacts> find(std::string_view name) = 0;
  virtual std::optional<LunFacts> find(const Uuid& uuid) = 0;
  virtual std::vector<LunFacts> list() = 0;
  /// nullptr: unknown or not open.
  virtual file_store::Store* store(std::string_view name) = 0;

  /// Holds back what changes data of all these LUNs, and once nothing of the kind is in
  /// flight anywhere among them runs `body`, which neither blocks nor fails. Reads and
  /// flushes go on. Errc::timed_out, offline: it did not run; names the LUN.
  virtual Outcome<> hold(std::span<const Uuid> luns, std::chrono::milliseconds limit,
                         const std::function<void()>& body) = 0;
  /// A flush of the disk as hosts make it: its failure fails the LUN.
  virtual Outcome<> flush(const Uuid& lun) = 0;

  /// Whether a restore would take something from hosts that use the LUN. Errc::in_use:
  /// one with write access that is logged in did I/O in the last `quiet`, or it is reserved.
  virtual Outcome<> check_quiet(const Uuid& lun, std::chrono::seconds quiet) = 0;
  /// Keeps every host out until end_restore(). Errc::in_use: something else does.
  virtual Outcome<> keep_out(const Uuid& lun) = 0;
  /// The same over restarts, which go on with the restore. Once more for the same snapshot:
  /// success. Errc::in_use: another one is under way.
  virtual Outcome<> begin_restore(const Uuid& lun, const Uuid& snapshot) = 0;
  virtual Outcome<> end_restore(const Uuid& lun, bool changed) = 0;
  virtual void note_restore(const Uuid& lun, std::uint64_t done, std::uint64_t of) = 0;
  /// The disk with all that lies over its data, for the gateway itself; nullptr: offline.
  virtual std::shared_ptr<block::BlockDevice> disk(const Uuid& lun) = 0;
  /// Names of the LUNs that read from that snapshot: views of it, clones that are not
  /// filled yet, and one that is being restored from it.
  virtual std::vector<std::string> made_of(const Uuid& snapshot) = 0;
  /// A clone has everything itself: it becomes a disk like any other, under its public
  /// name. Errc::already_exists: something else has that. Again: success.
  virtual Outcome<> end_clone(const Uuid& lun) = 0;
};

}  // namespace caisson::snapshot
