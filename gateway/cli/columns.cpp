// SPDX-License-Identifier: Apache-2.0
#include "gateway/cli/columns.hpp"

#include <algorithm>
#include <iterator>

namespace caisson::cli {
namespace {

// clang-format off
constexpr Column kStore[] = {
    {"name", "Name"},
    {"state", "State"},
    {"reason", "Reason", Format::text, kShow},
    {"location", "Directory"},
    {"capacity", "Capacity", Format::size},
    {"used", "Used", Format::size},
    {"free", "Free", Format::size},
    {"provisioned", "Provisioned", Format::size},
    {"luns", "LUNs", Format::number},
    {"block", "Hole granularity", Format::size, kShow},
    {"import_allowed", "Import allowed", Format::yes_no, kShow},
    {"punch_hole", "Gives space back", Format::yes_no, kShow},
    {"reflink", "Reflinks", Format::yes_no, kShow},
    {"direct_io", "Direct I/O", Format::yes_no, kShow},
};
constexpr Column kLun[] = {
    {"name", "Name"},
    {"uuid", "UUID", Format::text, kShow},
    {"state", "State"},
    {"reason", "Reason", Format::text, kShow | kBrief},
    {"store", "Store"},
    {"path", "Container", Format::text, kShow | kBrief},
    {"capacity", "Capacity", Format::size, kList | kShow | kBrief},
    {"used", "Used", Format::size},
    {"free", "Free in store", Format::size, kShow},
    {"logical_block", "Logical block", Format::number, kShow},
    {"physical_block", "Physical block", Format::number, kShow},
    {"cache", "Cache"},
    {"thick", "Thick", Format::yes_no, kShow},
    {"removable", "Removable", Format::yes_no, kShow},
    {"write_protect", "Write protected for hosts", Format::yes_no, kShow},
    {"descriptor_sense", "Descriptor sense", Format::yes_no, kShow},
    {"saved_modes", "After a restart", Format::text, kShow},
    {"condition", "Condition", Format::text, kShow},
    {"naa", "NAA", Format::text, kShow},
    {"serial", "Serial", Format::text, kShow},
    {"target_name", "Target", Format::text, kList | kShow | kBrief},
    {"target_lun", "Target LUN", Format::number, kShow},
    {"location", "Location", Format::text, kShow},
    {"organization", "Organization", Format::text, kShow},
    {"config_id", "Configuration id", Format::number, kShow},
    {"owner_epoch", "Owner epoch", Format::number, kShow},
    {"created_at", "Created", Format::time, kShow},
    {"snapshots", "Snapshots", Format::text, kShow},
    {"accounting", "I/O since opened", Format::table, kShow},
    {"users", "Users", Format::table, kShow},
    {"sessions", "Sessions", Format::table, kShow},
};
constexpr Column kAccounting[] = {
    {"reads", "Reads", Format::number},
    {"read_bytes", "Read", Format::size},
    {"writes", "Writes", Format::number},
    {"written_bytes", "Written", Format::size},
    {"flushes", "Flushes", Format::number},
    {"unmaps", "Unmaps", Format::number},
    {"errors", "Errors", Format::number},
};
constexpr Column kAccess[] = {
    {"lun", "LUN"},
    {"host", "Host"},
    {"permission", "Permission"},
    {"quota", "Quota", Format::quota},
    {"lun_number", "LUN number", Format::number},
    {"allow", "Allows"},
    {"auth", "Auth"},
    {"proposed", "Proposed", Format::yes_no},
    {"redirect_to", "Redirected to"},
    {"redirect_permanent", "For good", Format::yes_no},
    {"target_name", "Target", Format::text, kBrief},
};
constexpr Column kHost[] = {
    {"name", "Name"},
    {"iqns", "IQNs"},
    {"auth", "Auth"},
    {"chap_user", "CHAP user", Format::text, kShow},
    {"mutual_user", "Mutual user", Format::text, kShow},
    {"quota", "Quota", Format::quota},
    {"sessions", "Sessions", Format::number},
    {"created_at", "Created", Format::time, kShow},
    {"access", "Access", Format::table, kShow},
};
constexpr Column kSecrets[] = {
    {"chap_user", "CHAP user", Format::text, kBrief},
    {"chap_secret", "CHAP secret", Format::text, kBrief},
    {"mutual_user", "Mutual user", Format::text, kBrief},
    {"mutual_secret", "Mutual secret", Format::text, kBrief},
};
constexpr Column kSession[] = {
    {"id", "Id"},
    {"protocol", "Protocol"},
    {"host", "Host"},
    {"initiator", "Initiator"},
    {"luns", "LUNs"},
    {"peers", "From"},
    {"portal", "Portal"},
    {"auth", "Auth"},
    {"since", "Since", Format::time},
    {"commands", "Commands", Format::number},
    {"read_bytes", "Read", Format::size},
    {"written_bytes", "Written", Format::size},
};
constexpr Column kPortal[] = {
    {"protocol", "Protocol"},
    {"address", "Address"},
};
constexpr Column kStatus[] = {
    {"node", "Node", Format::text, kShow},
    {"version", "Version", Format::text, kShow},
    {"state", "State", Format::text, kShow},
    {"started_at", "Started", Format::time, kShow},
    {"pid", "Process", Format::number, kShow},
    {"stores", "Stores", Format::number, kShow},
    {"luns", "LUNs", Format::number, kShow},
    {"luns_online", "  online", Format::number, kShow},
    {"luns_offline", "  offline", Format::number, kShow},
    {"luns_failed", "  failed", Format::number, kShow},
    {"capacity", "  capacity", Format::size, kShow},
    {"used", "  used", Format::size, kShow},
    {"hosts", "Hosts", Format::number, kShow},
    {"grants_proposed", "Proposed grants", Format::number, kShow},
    {"sessions", "Sessions", Format::number, kShow},
    {"io_engine", "File I/O", Format::text, kShow},
    {"io_threads", "I/O threads", Format::number, kShow},
    {"clean_start", "Clean start", Format::yes_no, kShow},
    {"problems", "Problems", Format::text, kShow},
    {"portals", "Portals", Format::table, kShow},
    {"accounting", "I/O", Format::table, kShow},
};
constexpr Column kEvent[] = {
    {"sequence", "Sequence", Format::number},
    {"time_ms", "Time", Format::time_ms},
    {"kind", "Kind"},
    {"object", "Object"},
    {"actor", "By"},
    {"text", "What"},
};
constexpr Column kRebuild[] = {
    {"restored", "LUNs taken up", Format::text, kBrief},
    {"snapshots", "Snapshots taken up", Format::text, kBrief},
    {"proposals", "Grants to confirm", Format::text, kBrief},
    {"lost", "Lost", Format::text, kBrief},
};
constexpr Column kBackup[] = {
    {"file", "File", Format::text, kBrief},
    {"size", "Size", Format::size, kBrief},
};
constexpr Column kRestore[] = {
    {"file", "File", Format::text, kBrief},
    {"restart_required", "Restart caissond", Format::yes_no, kBrief},
};
constexpr Column kSnapshot[] = {
    {"lun", "LUN"},
    {"name", "Snapshot"},
    {"uuid", "UUID", Format::text, kShow},
    {"sequence", "Number", Format::number, kShow},
    {"created_ms", "Cut", Format::time_ms},
    {"state", "State"},
    {"reason", "Reason", Format::text, kShow | kBrief},
    {"capacity", "Capacity", Format::size, kShow},
    {"captured", "Captured", Format::size},
    {"allocated", "Allocated", Format::size},
    {"path", "Image", Format::text, kShow | kBrief},
    {"complete", "Image is whole", Format::yes_no, kShow},
    {"locked_seconds", "Locked for", Format::duration, kList | kShow | kBrief},
    {"made_by", "Made by"},
    {"used_by", "Used by", Format::text, kShow | kBrief},
    {"group", "Group", Format::text, kShow},
    {"grade", "Consistent for", Format::text, kShow},
    {"details", "Details", Format::text, kShow},
};
constexpr Column kSnapshotRestore[] = {
    {"kept", "State before, as snapshot", Format::text, kBrief},
};
constexpr Column kExtent[] = {
    {"offset", "Offset", Format::number},
    {"length", "Length", Format::number},
    {"hole", "Hole", Format::yes_no},
};
constexpr Column kExport[] = {
    {"file", "File", Format::text, kBrief},
    {"size", "Size", Format::size, kBrief},
};
constexpr Column kSchedule[] = {
    {"name", "Name"},
    {"luns", "LUNs"},
    {"spec", "When", Format::text, kList | kShow | kBrief},
    {"retention", "Keeps", Format::text, kList | kShow | kBrief},
    {"enabled", "Enabled", Format::yes_no},
    {"quiesce", "Quiesces host", Format::text, kShow},
    {"allow_unreserved", "Unreserved", Format::yes_no, kShow},
    {"next_at", "Next", Format::time, kList | kShow | kBrief},
    {"last_at", "Last", Format::time},
    {"last_result", "Last result", Format::text, kShow},
};
constexpr Column kPolicy[] = {
    {"full_store", "When a store is full", Format::text, kShow | kBrief},
    {"pace", "Pace", Format::number, kShow | kBrief},
};
// clang-format on

struct View {
  std::string_view message;
  std::span<const Column> columns;
};

constexpr View kViews[] = {
    {"StoreDescription", kStore},
    {"LunDescription", kLun},
    {"Accounting", kAccounting},
    {"AccessDescription", kAccess},
    {"HostDescription", kHost},
    {"GeneratedSecrets", kSecrets},
    {"SessionDescription", kSession},
    {"Portal", kPortal},
    {"StatusReply", kStatus},
    {"EventDescription", kEvent},
    {"CatalogRebuildReply", kRebuild},
    {"CatalogBackupReply", kBackup},
    {"CatalogRestoreReply", kRestore},
    {"SnapshotDescription", kSnapshot},
    {"SnapshotRestoreReply", kSnapshotRestore},
    {"ChangedExtent", kExtent},
    {"SnapshotExportReply", kExport},
    {"ScheduleDescription", kSchedule},
    {"SnapshotPolicyDescription", kPolicy},
};

}  // namespace

std::span<const Column> columns_of(std::string_view message) noexcept {
  const auto* view = std::ranges::find(kViews, message, &View::message);
  return view != std::end(kViews) ? view->columns : std::span<const Column>{};
}

}  // namespace caisson::cli
