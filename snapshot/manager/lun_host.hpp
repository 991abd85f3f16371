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

  /// Whether images share blocks with its container.
  virtual void set_shares_blocks(const Uuid& lun, bool shares) = 0;
};

}  // namespace caisson::snapshot
