// SPDX-License-Identifier: Apache-2.0
// One function per control verb. Each checks, changes, and describes what is;
// with dry_run it stops before the change. The table in verbs.cpp is where they
// meet their opcodes.
#pragma once

#include <string>

#include "gateway/service/describe.hpp"
#include "gateway/service/parts.hpp"

namespace caisson::service {

Outcome<wire::StoreReply> store_add(Parts&, const Call&, const wire::StoreAddRequest&);
Outcome<wire::StoreListReply> store_list(Parts&, const Call&, const wire::StoreListRequest&);
Outcome<wire::StoreReply> store_show(Parts&, const Call&, const wire::StoreShowRequest&);
Outcome<wire::RemoveReply> store_remove(Parts&, const Call&, const wire::StoreRemoveRequest&);

Outcome<wire::LunReply> lun_create(Parts&, const Call&, const wire::LunCreateRequest&);
Outcome<wire::LunListReply> lun_list(Parts&, const Call&, const wire::LunListRequest&);
Outcome<wire::LunReply> lun_show(Parts&, const Call&, const wire::LunShowRequest&);
Outcome<wire::LunReply> lun_set(Parts&, const Call&, const wire::LunSetRequest&);
Outcome<wire::LunReply> lun_resize(Parts&, const Call&, const wire::LunResizeRequest&);
Outcome<wire::LunReply> lun_rename(Parts&, const Call&, const wire::LunRenameRequest&);
Outcome<wire::LunReply> lun_import(Parts&, const Call&, const wire::LunImportRequest&);
Outcome<wire::LunReply> lun_adopt(Parts&, const Call&, const wire::LunAdoptRequest&);
Outcome<wire::LunReply> lun_online(Parts&, const Call&, const wire::LunOnlineRequest&);
Outcome<wire::LunReply> lun_offline(Parts&, const Call&, const wire::LunOfflineRequest&);
Outcome<wire::RemoveReply> lun_delete(Parts&, const Call&, const wire::LunDeleteRequest&);

Outcome<wire::HostReply> host_create(Parts&, const Call&, const wire::HostCreateRequest&);
Outcome<wire::HostListReply> host_list(Parts&, const Call&, const wire::HostListRequest&);
Outcome<wire::HostReply> host_show(Parts&, const Call&, const wire::HostShowRequest&);
Outcome<wire::HostReply> host_set(Parts&, const Call&, const wire::HostSetRequest&);
Outcome<wire::RemoveReply> host_delete(Parts&, const Call&, const wire::HostDeleteRequest&);

Outcome<wire::AccessReply> access_grant(Parts&, const Call&, const wire::AccessGrantRequest&);
Outcome<wire::AccessListReply> access_list(Parts&, const Call&, const wire::AccessListRequest&);
Outcome<wire::RemoveReply> access_revoke(Parts&, const Call&, const wire::AccessRevokeRequest&);
Outcome<wire::AccessReply> access_redirect(Parts&, const Call&, const wire::AccessRedirectRequest&);

Outcome<wire::SessionListReply> session_list(Parts&, const Call&, const wire::SessionListRequest&);
Outcome<wire::RemoveReply> session_drop(Parts&, const Call&, const wire::SessionDropRequest&);

Outcome<wire::SnapshotCreateReply> snapshot_create(Parts&, const Call&,
                                                   const wire::SnapshotCreateRequest&);
Outcome<wire::SnapshotListReply> snapshot_list(Parts&, const Call&,
                                               const wire::SnapshotListRequest&);
Outcome<wire::SnapshotReply> snapshot_show(Parts&, const Call&, const wire::SnapshotShowRequest&);
Outcome<wire::SnapshotReply> snapshot_rename(Parts&, const Call&,
                                             const wire::SnapshotRenameRequest&);
Outcome<wire::SnapshotReply> snapshot_lock(Parts&, const Call&, const wire::SnapshotLockRequest&);
Outcome<wire::SnapshotReply> snapshot_unlock(Parts&, const Call&,
                                             const wire::SnapshotUnlockRequest&);
Outcome<wire::RemoveReply> snapshot_delete(Parts&, const Call&, const wire::SnapshotDeleteRequest&);
Outcome<wire::SnapshotRestoreReply> snapshot_restore(Parts&, const Call&,
                                                     const wire::SnapshotRestoreRequest&);
Outcome<wire::LunReply> snapshot_clone(Parts&, const Call&, const wire::SnapshotCloneRequest&);
Outcome<wire::SnapshotDiffReply> snapshot_diff(Parts&, const Call&,
                                               const wire::SnapshotDiffRequest&);
Outcome<wire::SnapshotExportReply> snapshot_export(Parts&, const Call&,
                                                   const wire::SnapshotExportRequest&);
Outcome<wire::LunReply> snapshot_expose(Parts&, const Call&, const wire::SnapshotExposeRequest&);
Outcome<wire::RemoveReply> snapshot_unexpose(Parts&, const Call&,
                                             const wire::SnapshotUnexposeRequest&);

Outcome<wire::ScheduleReply> schedule_create(Parts&, const Call&,
                                             const wire::ScheduleCreateRequest&);
Outcome<wire::ScheduleListReply> schedule_list(Parts&, const Call&,
                                               const wire::ScheduleListRequest&);
Outcome<wire::ScheduleReply> schedule_show(Parts&, const Call&, const wire::ScheduleShowRequest&);
Outcome<wire::ScheduleReply> schedule_set(Parts&, const Call&, const wire::ScheduleSetRequest&);
Outcome<wire::RemoveReply> schedule_delete(Parts&, const Call&, const wire::ScheduleDeleteRequest&);

Outcome<wire::SnapshotPolicyReply> snapshot_policy_show(Parts&, const Call&,
                                                        const wire::SnapshotPolicyShowRequest&);
Outcome<wire::SnapshotPolicyReply> snapshot_policy_set(Parts&, const Call&,
                                                       const wire::SnapshotPolicySetRequest&);

Outcome<wire::CatalogRebuildReply> catalog_rebuild(Parts&, const Call&,
                                                   const wire::CatalogRebuildRequest&);
Outcome<wire::CatalogBackupReply> catalog_backup(Parts&, const Call&,
                                                 const wire::CatalogBackupRequest&);
Outcome<wire::CatalogRestoreReply> catalog_restore(Parts&, const Call&,
                                                   const wire::CatalogRestoreRequest&);

Outcome<wire::StatusReply> status(Parts&, const Call&, const wire::StatusRequest&);
Outcome<wire::EventsReply> events(Parts&, const Call&, const wire::EventsRequest&);

/// The engine; Errc::unsupported where there is none.
Outcome<Snapshots*> snapshots_of(Parts& parts);

/// Whether that host's applications can be brought to rest for a cut; nobody's, where it
/// is empty.
Outcome<> check_quiesce(Parts& parts, const Call& call, std::string_view host);

/// Giving up the promise of a thick LUN is for who made it: Errc::permission_denied.
Outcome<> check_unreserved(const Call& call, bool allow_unreserved);

/// What a verb did, for its reply.
wire::Change change(bool dry_run, bool changed);

using VerbFunction = Outcome<std::string> (*)(Parts&, const Call&, const std::string& request);

/// The function of an opcode; nullptr where there is none.
VerbFunction find_verb(std::uint16_t opcode) noexcept;

}  // namespace caisson::service
