// SPDX-License-Identifier: Apache-2.0
// What every use case works with, put together once by the daemon.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "gateway/scsi/nexus.hpp"
#include "gateway/service/access_book.hpp"
#include "gateway/service/snapshot_policy.hpp"
#include "nbs/control/control_service.hpp"
#include "storage_object/catalog/catalog.hpp"
#include "storage_object/object/registry.hpp"

namespace caisson::service {

/// Facts of this process that `status` shows. Set before serving, then constant.
struct GatewayFacts {
  std::string node;
  std::string version;
  std::string io_engine;
  unsigned io_threads = 0;
  bool clean_start = true;
  std::int64_t started_at = 0;                               ///< seconds since the epoch
  std::vector<std::pair<std::string, std::string>> portals;  ///< protocol, address
};

class Snapshots;

/// All outlive the service.
struct Parts {
  catalog::Catalog& catalog;
  object::ObjectRegistry& registry;
  AccessBook& access;
  scsi::SessionRegistry& sessions;
  const GatewayFacts& facts;
  /// Where a restored catalog waits for the next start.
  std::string staged_catalog;
  Snapshots* snapshots = nullptr;  ///< nullptr: its verbs are refused
  SnapshotPolicy configured_policy = {};
};

/// One request under way.
struct Call {
  const nbs::control::Caller& caller;
  const nbs::control::Progress& progress;
  std::stop_token stop;  ///< the gateway is stopping: long work gives up
};

}  // namespace caisson::service
