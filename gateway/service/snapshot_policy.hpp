// SPDX-License-Identifier: Apache-2.0
// How far snapshots may come in hosts' way: what the configuration says, and what an
// administrator said since, which the catalog keeps and which goes before it.
#pragma once

#include <cstdint>
#include <string_view>

#include "storage_object/base/result.hpp"
#include "storage_object/catalog/catalog.hpp"

namespace caisson::service {

struct SnapshotPolicy {
  static constexpr unsigned kSlowest = 100;

  bool hosts_first = true;  ///< a full store takes snapshots, not writes
  unsigned pace = 3;        ///< 0 to kSlowest: see snapshot::HostPace

  bool operator==(const SnapshotPolicy&) const = default;
};

/// "hosts-first" or "snapshots-first".
std::string_view full_store_name(const SnapshotPolicy& policy) noexcept;
/// Sets it from such a word.
Outcome<> set_full_store(SnapshotPolicy& policy, std::string_view word);
Outcome<> set_pace(SnapshotPolicy& policy, std::uint64_t pace);

/// The one in force: `configured`, and over it what the catalog keeps.
Outcome<SnapshotPolicy> policy_in_force(catalog::Catalog& catalog, SnapshotPolicy configured);

}  // namespace caisson::service
