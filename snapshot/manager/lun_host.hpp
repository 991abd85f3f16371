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
};

/// A LUN that is being restored: every host is kept out while it lives.
class RestoreAccess {
 public:
  virtual ~RestoreAccess() = default;
  /// The disk, through the capture, for the gateway itself.
  virtual block::BlockDevice& disk() noexcept = 0;
  /// It holds what it shall: hosts are let in again and told that the medium may have
  /// changed (28/00). Without it hosts stay out: a start goes on.
  virtual Outcome<> done() = 0;
  virtual void progress(std::uint64_t done, std::uint64_t total) noexcept = 0;
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

  /// Keeps hosts out for a restore. Errc::in_use: hosts with write access that are logged
  /// in did I/O in the last `quiet`, or it is reserved; not asked with `force`.
  virtual Outcome<std::unique_ptr<RestoreAccess>> begin_restore(const Uuid& lun, bool force,
                                                                std::chrono::seconds quiet) = 0;
  /// Whether images share blocks with its container.
  virtual void set_shares_blocks(const Uuid& lun, bool shares) = 0;
};

}  // namespace caisson::snapshot
