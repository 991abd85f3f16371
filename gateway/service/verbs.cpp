// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/verbs.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

#include "nbs/wire/opcode.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::service {
namespace {

template <class Function>
struct Signature;
template <class Reply, class Request>
struct Signature<Outcome<Reply> (*)(Parts&, const Call&, const Request&)> {
  using RequestType = Request;
};

/// Parses the request, runs the verb, serializes the reply.
template <auto function>
Outcome<std::string> invoke(Parts& parts, const Call& call, const std::string& bytes) {
  typename Signature<decltype(function)>::RequestType request;
  if (!request.ParseFromString(bytes))
    return failure(Errc::protocol, "the request's message cannot be read",
                   "use a caisson of the same version as caissond");
  auto reply = function(parts, call, request);
  if (!reply) return reply.error();
  return reply->SerializeAsString();
}

struct VerbRow {
  wire::Op op;
  VerbFunction function;
};

constexpr VerbRow kVerbs[] = {
    {wire::Op::store_add, invoke<&store_add>},
    {wire::Op::store_list, invoke<&store_list>},
    {wire::Op::store_show, invoke<&store_show>},
    {wire::Op::store_remove, invoke<&store_remove>},
    {wire::Op::lun_create, invoke<&lun_create>},
    {wire::Op::lun_list, invoke<&lun_list>},
    {wire::Op::lun_show, invoke<&lun_show>},
    {wire::Op::lun_set, invoke<&lun_set>},
    {wire::Op::lun_resize, invoke<&lun_resize>},
    {wire::Op::lun_rename, invoke<&lun_rename>},
    {wire::Op::lun_import, invoke<&lun_import>},
    {wire::Op::lun_adopt, invoke<&lun_adopt>},
    {wire::Op::lun_online, invoke<&lun_online>},
    {wire::Op::lun_offline, invoke<&lun_offline>},
    {wire::Op::lun_delete, invoke<&lun_delete>},
    {wire::Op::host_create, invoke<&host_create>},
    {wire::Op::host_list, invoke<&host_list>},
    {wire::Op::host_show, invoke<&host_show>},
    {wire::Op::host_set, invoke<&host_set>},
    {wire::Op::host_delete, invoke<&host_delete>},
    {wire::Op::access_grant, invoke<&access_grant>},
    {wire::Op::access_list, invoke<&access_list>},
    {wire::Op::access_revoke, invoke<&access_revoke>},
    {wire::Op::access_redirect, invoke<&access_redirect>},
    {wire::Op::session_list, invoke<&session_list>},
    {wire::Op::session_drop, invoke<&session_drop>},
    {wire::Op::snapshot_create, invoke<&snapshot_create>},
    {wire::Op::snapshot_list, invoke<&snapshot_list>},
    {wire::Op::snapshot_show, invoke<&snapshot_show>},
    {wire::Op::snapshot_rename, invoke<&snapshot_rename>},
    {wire::Op::snapshot_lock, invoke<&snapshot_lock>},
    {wire::Op::snapshot_unlock, invoke<&snapshot_unlock>},
    {wire::Op::snapshot_delete, invoke<&snapshot_delete>},
    {wire::Op::snapshot_restore, invoke<&snapshot_restore>},
    {wire::Op::snapshot_clone, invoke<&snapshot_clone>},
    {wire::Op::snapshot_diff, invoke<&snapshot_diff>},
    {wire::Op::snapshot_export, invoke<&snapshot_export>},
    {wire::Op::snapshot_expose, invoke<&snapshot_expose>},
    {wire::Op::snapshot_unexpose, invoke<&snapshot_unexpose>},
    {wire::Op::schedule_create, invoke<&schedule_create>},
    {wire::Op::schedule_list, invoke<&schedule_list>},
    {wire::Op::schedule_show, invoke<&schedule_show>},
    {wire::Op::schedule_set, invoke<&schedule_set>},
    {wire::Op::schedule_delete, invoke<&schedule_delete>},
    {wire::Op::snapshot_policy_show, invoke<&snapshot_policy_show>},
    {wire::Op::snapshot_policy_set, invoke<&snapshot_policy_set>},
    {wire::Op::catalog_rebuild, invoke<&catalog_rebuild>},
    {wire::Op::catalog_backup, invoke<&catalog_backup>},
    {wire::Op::catalog_restore, invoke<&catalog_restore>},
    {wire::Op::status, invoke<&status>},
    {wire::Op::events, invoke<&events>},
};
static_assert(std::ranges::is_sorted(kVerbs, {}, &VerbRow::op));

}  // namespace

VerbFunction find_verb(std::uint16_t opcode) noexcept {
  const auto* row =
      std::ranges::lower_bound(kVerbs, static_cast<wire::Op>(opcode), {}, &VerbRow::op);
  bool found = row != std::end(kVerbs) && static_cast<std::uint16_t>(row->op) == opcode;
  return found ? row->function : nullptr;
}

wire::Change change(bool dry_run, bool changed) {
  wire::Change out;
  out.set_dry_run(dry_run);
  out.set_changed(changed);
  return out;
}

}  // namespace caisson::service
