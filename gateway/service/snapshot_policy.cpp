// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/snapshot_policy.hpp"

#include <fmt/format.h>

#include <charconv>
#include <string>

#include "gateway/service/snapshots.hpp"
#include "gateway/service/verbs.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::service {
namespace {

constexpr std::string_view kHostsFirst = "hosts-first";
constexpr std::string_view kSnapshotsFirst = "snapshots-first";

// Settings of the catalog; empty: as the configuration says.
constexpr std::string_view kFullStoreSetting = "snapshot_full_store";
constexpr std::string_view kPaceSetting = "snapshot_pace";

struct Kept {
  std::string full_store;
  std::string pace;

  bool operator==(const Kept&) const = default;
};

Outcome<Kept> read_kept(catalog::Catalog& catalog) {
  auto full_store = catalog.setting(kFullStoreSetting);
  if (!full_store) return full_store.error();
  auto pace = catalog.setting(kPaceSetting);
  if (!pace) return pace.error();
  return Kept{full_store->value_or(""), pace->value_or("")};
}

Outcome<> write_kept(catalog::Catalog& catalog, const Kept& kept) {
  return catalog.change([&](catalog::Transaction& transaction) -> Outcome<> {
    if (auto put = transaction.put_setting(kFullStoreSetting, kept.full_store); !put) return put;
    return transaction.put_setting(kPaceSetting, kept.pace);
  });
}

Outcome<SnapshotPolicy> over(SnapshotPolicy policy, const Kept& kept) {
  if (!kept.full_store.empty())
    if (auto set = set_full_store(policy, kept.full_store); !set) return set.error();
  if (kept.pace.empty()) return policy;
  std::uint64_t pace = SnapshotPolicy::kSlowest + 1;
  std::from_chars(kept.pace.data(), kept.pace.data() + kept.pace.size(), pace);
  if (auto set = set_pace(policy, pace); !set) return set.error();
  return policy;
}

wire::SnapshotPolicyReply policy_reply(const SnapshotPolicy& policy) {
  wire::SnapshotPolicyReply reply;
  reply.mutable_policy()->set_full_store(std::string(full_store_name(policy)));
  reply.mutable_policy()->set_pace(policy.pace);
  return reply;
}

}  // namespace

std::string_view full_store_name(const SnapshotPolicy& policy) noexcept {
  return policy.hosts_first ? kHostsFirst : kSnapshotsFirst;
}

Outcome<> set_full_store(SnapshotPolicy& policy, std::string_view word) {
  if (word != kHostsFirst && word != kSnapshotsFirst)
    return failure(Errc::invalid_argument,
                   fmt::format("'{}' is no policy for a store that is full", word),
                   fmt::format("choose {} or {}", kHostsFirst, kSnapshotsFirst));
  policy.hosts_first = word == kHostsFirst;
  return {};
}

Outcome<> set_pace(SnapshotPolicy& policy, std::uint64_t pace) {
  if (pace > SnapshotPolicy::kSlowest)
    return failure(
        Errc::invalid_argument, fmt::format("{} is no pace of background work", pace),
        fmt::format("choose from 0, as fast as it goes, to {}", SnapshotPolicy::kSlowest));
  policy.pace = static_cast<unsigned>(pace);
  return {};
}

Outcome<SnapshotPolicy> policy_in_force(catalog::Catalog& catalog, SnapshotPolicy configured) {
  auto kept = read_kept(catalog);
  if (!kept) return kept.error();
  return over(configured, *kept);
}

Outcome<wire::SnapshotPolicyReply> snapshot_policy_show(Parts& parts, const Call&,
                                                        const wire::SnapshotPolicyShowRequest&) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  return policy_reply((*engine)->policy());
}

Outcome<wire::SnapshotPolicyReply> snapshot_policy_set(
    Parts& parts, const Call&, const wire::SnapshotPolicySetRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto kept = read_kept(parts.catalog);
  if (!kept) return kept.error();
  auto wanted = request.reset() ? Kept{} : *kept;
  auto policy = over(parts.configured_policy, wanted);
  if (!policy) return policy.error();
  if (request.has_full_store()) {
    wanted.full_store = request.full_store();
    if (auto set = set_full_store(*policy, wanted.full_store); !set) return set.error();
  }
  if (request.has_pace()) {
    wanted.pace = std::to_string(request.pace());
    if (auto set = set_pace(*policy, request.pace()); !set) return set.error();
  }
  bool changed = wanted != *kept || *policy != (*engine)->policy();
  auto reply = policy_reply(*policy);
  *reply.mutable_change() = change(request.dry_run(), changed);
  if (request.dry_run() || !changed) return reply;
  if (auto written = write_kept(parts.catalog, wanted); !written) return written.error();
  (*engine)->set_policy(*policy);
  return reply;
}

}  // namespace caisson::service
