// SPDX-License-Identifier: Apache-2.0
#include "nbs/wire/opcode.hpp"

#include <algorithm>
#include <array>

namespace caisson::nbs::wire {
namespace {

constexpr Roles kAll{Role::admin, Role::operator_, Role::host, Role::agent};
constexpr Roles kLook{Role::admin, Role::operator_};
constexpr Roles kAdmin{Role::admin};
constexpr Roles kOwner{Role::admin, Role::host};
constexpr Roles kWatch{Role::admin, Role::operator_, Role::host};

constexpr std::uint16_t number(Op op) { return static_cast<std::uint16_t>(op); }

// clang-format off
constexpr Opcode kOpcodes[] = {
//  operation                          name                    roles   right            mutating request                      reply
    {number(Op::hello),                "hello",                kAll,   Right::none,     false,   "HelloRequest",              "HelloReply"},
    {number(Op::keepalive),            "keepalive",            kAll,   Right::none,     false,   "Empty",                     "Empty"},
    {number(Op::store_add),            "store.add",            kAdmin, Right::none,     true,    "StoreAddRequest",           "StoreReply"},
    {number(Op::store_list),           "store.list",           kLook,  Right::none,     false,   "StoreListRequest",          "StoreListReply"},
    {number(Op::store_show),           "store.show",           kLook,  Right::none,     false,   "StoreShowRequest",          "StoreReply"},
    {number(Op::store_remove),         "store.remove",         kAdmin, Right::none,     true,    "StoreRemoveRequest",        "RemoveReply"},
    {number(Op::lun_create),           "lun.create",           kAdmin, Right::none,     true,    "LunCreateRequest",          "LunReply"},
    {number(Op::lun_list),             "lun.list",             kLook,  Right::none,     false,   "LunListRequest",            "LunListReply"},
    {number(Op::lun_show),             "lun.show",             kLook,  Right::none,     false,   "LunShowRequest",            "LunReply"},
    {number(Op::lun_set),              "lun.set",              kAdmin, Right::none,     true,    "LunSetRequest",             "LunReply"},
    {number(Op::lun_resize),           "lun.resize",           kOwner, Right::resize,   true,    "LunResizeRequest",          "LunReply"},
    {number(Op::lun_rename),           "lun.rename",           kAdmin, Right::none,     true,    "LunRenameRequest",          "LunReply"},
    {number(Op::lun_import),           "lun.import",           kAdmin, Right::none,     true,    "LunImportRequest",          "LunReply"},
    {number(Op::lun_adopt),            "lun.adopt",            kAdmin, Right::none,     true,    "LunAdoptRequest",           "LunReply"},
    {number(Op::lun_online),           "lun.online",           kAdmin, Right::none,     true,    "LunOnlineRequest",          "LunReply"},
    {number(Op::lun_offline),          "lun.offline",          kAdmin, Right::none,     true,    "LunOfflineRequest",         "LunReply"},
    {number(Op::lun_delete),           "lun.delete",           kAdmin, Right::none,     true,    "LunDeleteRequest",          "RemoveReply"},
    {number(Op::host_create),          "host.create",          kAdmin, Right::none,     true,    "HostCreateRequest",         "HostReply"},
    {number(Op::host_list),            "host.list",            kLook,  Right::none,     false,   "HostListRequest",           "HostListReply"},
    {number(Op::host_show),            "host.show",            kLook,  Right::none,     false,   "HostShowRequest",           "HostReply"},
    {number(Op::host_set),             "host.set",             kAdmin, Right::none,     true,    "HostSetRequest",            "HostReply"},
    {number(Op::host_delete),          "host.delete",          kAdmin, Right::none,     true,    "HostDeleteRequest",         "RemoveReply"},
    {number(Op::access_grant),         "access.grant",         kAdmin, Right::none,     true,    "AccessGrantRequest",        "AccessReply"},
    {number(Op::access_list),          "access.list",          kLook,  Right::none,     false,   "AccessListRequest",         "AccessListReply"},
    {number(Op::access_revoke),        "access.revoke",        kAdmin, Right::none,     true,    "AccessRevokeRequest",       "RemoveReply"},
    {number(Op::access_redirect),      "access.redirect",      kAdmin, Right::none,     true,    "AccessRedirectRequest",     "AccessReply"},
    {number(Op::session_list),         "session.list",         kLook,  Right::none,     false,   "SessionListRequest",        "SessionListReply"},
    {number(Op::session_drop),         "session.drop",         kAdmin, Right::none,     true,    "SessionDropRequest",        "RemoveReply"},
    {number(Op::snapshot_create),      "snapshot.create",      kWatch, Right::snapshot, true,    "SnapshotCreateRequest",     "SnapshotCreateReply"},
    {number(Op::snapshot_list),        "snapshot.list",        kWatch, Right::snapshot, false,   "SnapshotListRequest",       "SnapshotListReply"},
    {number(Op::snapshot_show),        "snapshot.show",        kWatch, Right::snapshot, false,   "SnapshotShowRequest",       "SnapshotReply"},
    {number(Op::snapshot_rename),      "snapshot.rename",      kAdmin, Right::none,     true,    "SnapshotRenameRequest",     "SnapshotReply"},
    {number(Op::snapshot_lock),        "snapshot.lock",        kAdmin, Right::none,     true,    "SnapshotLockRequest",       "SnapshotReply"},
    {number(Op::snapshot_unlock),      "snapshot.unlock",      kAdmin, Right::none,     true,    "SnapshotUnlockRequest",     "SnapshotReply"},
    {number(Op::snapshot_delete),      "snapshot.delete",      kAdmin, Right::none,     true,    "SnapshotDeleteRequest",     "RemoveReply"},
    {number(Op::snapshot_restore),     "snapshot.restore",     kOwner, Right::restore,  true,    "SnapshotRestoreRequest",    "SnapshotRestoreReply"},
    {number(Op::snapshot_clone),       "snapshot.clone",       kAdmin, Right::none,     true,    "SnapshotCloneRequest",      "LunReply"},
    {number(Op::snapshot_diff),        "snapshot.diff",        kWatch, Right::snapshot, false,   "SnapshotDiffRequest",       "SnapshotDiffReply"},
    {number(Op::snapshot_export),      "snapshot.export",      kAdmin, Right::none,     true,    "SnapshotExportRequest",     "SnapshotExportReply"},
    {number(Op::snapshot_expose),      "snapshot.expose",      kAdmin, Right::none,     true,    "SnapshotExposeRequest",     "LunReply"},
    {number(Op::snapshot_unexpose),    "snapshot.unexpose",    kAdmin, Right::none,     true,    "SnapshotUnexposeRequest",   "RemoveReply"},
    {number(Op::schedule_create),      "schedule.create",      kAdmin, Right::none,     true,    "ScheduleCreateRequest",     "ScheduleReply"},
    {number(Op::schedule_list),        "schedule.list",        kLook,  Right::none,     false,   "ScheduleListRequest",       "ScheduleListReply"},
    {number(Op::schedule_show),        "schedule.show",        kLook,  Right::none,     false,   "ScheduleShowRequest",       "ScheduleReply"},
    {number(Op::schedule_set),         "schedule.set",         kAdmin, Right::none,     true,    "ScheduleSetRequest",        "ScheduleReply"},
    {number(Op::schedule_delete),      "schedule.delete",      kAdmin, Right::none,     true,    "ScheduleDeleteRequest",     "RemoveReply"},
    {number(Op::snapshot_policy_show), "snapshot.policy.show", kLook,  Right::none,     false,   "SnapshotPolicyShowRequest", "SnapshotPolicyReply"},
    {number(Op::snapshot_policy_set),  "snapshot.policy.set",  kAdmin, Right::none,     true,    "SnapshotPolicySetRequest",  "SnapshotPolicyReply"},
    {number(Op::catalog_rebuild),      "catalog.rebuild",      kAdmin, Right::none,     true,    "CatalogRebuildRequest",     "CatalogRebuildReply"},
    {number(Op::catalog_backup),       "catalog.backup",       kAdmin, Right::none,     true,    "CatalogBackupRequest",      "CatalogBackupReply"},
    {number(Op::catalog_restore),      "catalog.restore",      kAdmin, Right::none,     true,    "CatalogRestoreRequest",     "CatalogRestoreReply"},
    {number(Op::status),               "status",               kLook,  Right::none,     false,   "StatusRequest",             "StatusReply"},
    {number(Op::events),               "events",               kLook,  Right::none,     false,   "EventsRequest",             "EventsReply"},
};
// clang-format on
static_assert(std::ranges::is_sorted(kOpcodes, {}, &Opcode::number));
static_assert(std::ranges::adjacent_find(kOpcodes, {}, &Opcode::number) == std::end(kOpcodes));

constexpr std::array<std::string_view, 4> kRoleNames = {"admin", "operator", "host", "agent"};
constexpr std::array<std::string_view, 4> kRightNames = {"none", "resize", "snapshot", "restore"};

}  // namespace

std::string_view to_string(Role role) noexcept {
  return kRoleNames[static_cast<std::size_t>(role)];
}

std::string_view to_string(Right right) noexcept {
  return kRightNames[static_cast<std::size_t>(right)];
}

std::span<const Opcode> opcodes() noexcept { return kOpcodes; }

const Opcode* find_opcode(std::uint16_t number) noexcept {
  const auto* row = std::ranges::lower_bound(kOpcodes, number, {}, &Opcode::number);
  return row != std::end(kOpcodes) && row->number == number ? row : nullptr;
}

const Opcode& opcode(Op op) noexcept { return *find_opcode(number(op)); }

}  // namespace caisson::nbs::wire
