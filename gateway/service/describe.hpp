// SPDX-License-Identifier: Apache-2.0
// From what the gateway holds to what an administrator is shown. Secrets are
// never among it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/service/parts.hpp"
#include "nbs/wire/control.pb.h"

namespace caisson::snapshot {
struct SnapshotView;
}

namespace caisson::service {

namespace wire = nbs::wire;

enum class Detail { summary, full };

wire::StoreDescription describe_store(Parts& parts, const catalog::StoreRecord& record);
wire::LunDescription describe_lun(Parts& parts, const object::LunView& lun, Detail detail);
wire::HostDescription describe_host(Parts& parts, const catalog::HostRecord& host);
wire::AccessDescription describe_access(const catalog::GrantRecord& grant,
                                        const catalog::HostRecord& host,
                                        const object::LunView& lun);
wire::SessionDescription describe_session(Parts& parts, const scsi::SessionView& session);
wire::EventDescription describe_event(const catalog::EventRecord& event);

/// Snapshots of one request, which sees what reads through them as it is when it begins.
class SnapshotDescriber {
 public:
  /// Has an engine.
  explicit SnapshotDescriber(Parts& parts);
  wire::SnapshotDescription operator()(const snapshot::SnapshotView& view) const;

 private:
  std::uint64_t run_seconds_;
  std::multimap<Uuid, std::string> users_;  ///< by snapshot
};

void add_accounting(wire::Accounting& sum, const object::Accounting& more);

/// "none", "chap" or "mutual-chap".
std::string_view auth_name(const catalog::HostRecord& host) noexcept;

/// Names of the LUNs a session reaches.
std::vector<std::string> luns_of(Parts& parts, const scsi::SessionView& session);

std::string_view to_string(catalog::CacheMode mode) noexcept;
std::string_view to_string(catalog::LunState state) noexcept;
Outcome<catalog::CacheMode> parse_cache_mode(std::string_view text);

struct BlockSizes {
  std::uint32_t logical = 512;
  std::uint32_t physical = 4096;
};
/// "512e", "512n" or "4096"; empty: 512e.
Outcome<BlockSizes> parse_block_size(std::string_view text);

/// The LUN or host of that name, or not_found with the way out.
Outcome<object::LunView> find_lun(Parts& parts, std::string_view name);
Outcome<catalog::HostRecord> find_host(Parts& parts, std::string_view name);

}  // namespace caisson::service
