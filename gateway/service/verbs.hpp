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

Outcome<wire::CatalogRebuildReply> catalog_rebuild(Parts&, const Call&,
                                                   const wire::CatalogRebuildRequest&);
Outcome<wire::CatalogBackupReply> catalog_backup(Parts&, const Call&,
                                                 const wire::CatalogBackupRequest&);
Outcome<wire::CatalogRestoreReply> catalog_restore(Parts&, const Call&,
                                                   const wire::CatalogRestoreRequest&);

Outcome<wire::StatusReply> status(Parts&, const Call&, const wire::StatusRequest&);
Outcome<wire::EventsReply> events(Parts&, const Call&, const wire::EventsRequest&);

/// What a verb did, for its reply.
wire::Change change(bool dry_run, bool changed);

using VerbFunction = Outcome<std::string> (*)(Parts&, const Call&, const std::string& request);

/// The function of an opcode; nullptr where there is none.
VerbFunction find_verb(std::uint16_t opcode) noexcept;

}  // namespace caisson::service
