// SPDX-License-Identifier: Apache-2.0
// Hosts and what they were granted: in memory for every login, in the catalog
// for good. Nothing is seen until granted (decision 10).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage_object/base/result.hpp"
#include "storage_object/catalog/catalog.hpp"

namespace caisson::service {

/// An immutable copy of all hosts and grants.
struct AccessState {
  std::vector<catalog::HostRecord> hosts;    // by name
  std::vector<catalog::GrantRecord> grants;  // by LUN, then host

  const catalog::HostRecord* host(std::string_view name) const noexcept;
  const catalog::HostRecord* host(std::uint64_t id) const noexcept;
  /// The host that lists this initiator name, else "*", else nullptr.
  const catalog::HostRecord* host_of_initiator(std::string_view iqn) const noexcept;
  const catalog::GrantRecord* grant(const Uuid& lun, std::uint64_t host) const noexcept;
  /// The grant in force: the host's own, else that of "*"; never a proposal.
  const catalog::GrantRecord* effective(const Uuid& lun, std::uint64_t host) const noexcept;
};

/// The host that stands for any initiator.
inline constexpr std::string_view kAnyHost = "*";

/// A host after an edit, and whether the edit made it different.
struct HostChange {
  catalog::HostRecord host;
  bool changed = false;
};

/// Thread-safe. Mutations block on the catalog (control threads) and are
/// durable when they return success; state() never blocks on it.
class AccessBook {
 public:
  explicit AccessBook(catalog::Catalog& catalog) : catalog_(catalog) {}

  Outcome<> load();
  std::shared_ptr<const AccessState> state() const;

  /// Inserts (id 0) or replaces a host after checking it: initiator names well
  /// formed and nobody else's, secrets 12 to 16 characters and different per
  /// direction, or no_auth. Returns it with its id.
  Outcome<catalog::HostRecord> put_host(catalog::HostRecord record, bool dry_run);
  /// Edits the host under the lock that every change takes, so that none is lost.
  /// What `edit` fails with is returned and nothing changes. not_found.
  Outcome<HostChange> change_host(std::string_view name,
                                  const std::function<Outcome<>(catalog::HostRecord&)>& edit,
                                  bool dry_run);
  /// in_use while it holds grants.
  Outcome<> erase_host(std::string_view name, bool dry_run);
  Outcome<> put_grant(const catalog::GrantRecord& record, bool dry_run);
  /// Whether there was one.
  Outcome<bool> erase_grant(const Uuid& lun, std::uint64_t host, bool dry_run);

 private:
  Outcome<> check(const AccessState& state, const catalog::HostRecord& record) const;
  Outcome<catalog::HostRecord> store(catalog::HostRecord record, bool dry_run);
  void publish(AccessState state);

  catalog::Catalog& catalog_;
  std::mutex changes_;        // one mutation at a time
  mutable std::mutex mutex_;  // guards state_
  std::shared_ptr<const AccessState> state_ = std::make_shared<AccessState>();
};

/// Brings all of them into normal form, sorts them, and leaves each once;
/// Errc::invalid_argument as checked_iscsi_name().
Outcome<> normalize_initiator_names(std::vector<std::string>& names);

}  // namespace caisson::service
