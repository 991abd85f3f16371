// SPDX-License-Identifier: Apache-2.0
#include "tests/support/gateway_admin.hpp"

#include <stdexcept>

namespace caisson::tests {

namespace wire = nbs::wire;

void GatewayAdmin::connect(const std::string& socket) {
  auto client = nbs::client::ControlClient::connect("unix:" + socket, {});
  if (!client) throw std::runtime_error(client.error().message);
  client_ = std::move(*client);
}

void GatewayAdmin::admit_all() {
  wire::HostCreateRequest host;
  host.set_name("*");
  host.set_no_auth(true);
  call<wire::HostReply>(wire::Op::host_create, host);
}

void GatewayAdmin::admit(const std::string& lun, const std::string& host, const std::string& iqn,
                         bool read_only) {
  wire::HostCreateRequest create;
  create.set_name(host);
  create.add_iqns(iqn);
  create.set_no_auth(true);
  call<wire::HostReply>(wire::Op::host_create, create);
  wire::AccessGrantRequest grant;
  grant.set_lun(lun);
  grant.set_host(host);
  grant.set_read_only(read_only);
  call<wire::AccessReply>(wire::Op::access_grant, grant);
}

void GatewayAdmin::create_lun(const std::string& name, std::uint64_t size, const std::string& cache,
                              const std::string& block_size) {
  wire::LunCreateRequest create;
  create.set_name(name);
  create.set_size(size);
  create.set_cache(cache);
  create.set_block_size(block_size);
  call<wire::LunReply>(wire::Op::lun_create, create);
  wire::AccessGrantRequest grant;
  grant.set_lun(name);
  grant.set_host("*");
  call<wire::AccessReply>(wire::Op::access_grant, grant);
}

void GatewayAdmin::resize(const std::string& name, std::uint64_t size, bool allow_shrink) {
  wire::LunResizeRequest request;
  request.set_name(name);
  request.set_size(size);
  request.set_allow_shrink(allow_shrink);
  call<wire::LunReply>(wire::Op::lun_resize, request);
}

wire::LunDescription GatewayAdmin::show(const std::string& name) {
  wire::LunShowRequest request;
  request.set_name(name);
  return call<wire::LunReply>(wire::Op::lun_show, request).lun();
}

Outcome<> GatewayAdmin::try_cut(const std::vector<std::string>& luns, const std::string& name) {
  wire::SnapshotCreateRequest request;
  for (const auto& lun : luns) request.add_luns(lun);
  request.set_name(name);
  auto made = attempt<wire::SnapshotCreateReply>(wire::Op::snapshot_create, request);
  if (!made) return made.error();
  return {};
}

Outcome<std::string> GatewayAdmin::restore(const std::string& lun, const std::string& snapshot,
                                           const Restore& how) {
  wire::SnapshotRestoreRequest request;
  request.set_lun(lun);
  request.set_snapshot(snapshot);
  request.set_force(how.force);
  request.set_keep_state(how.keep);
  auto restored = attempt<wire::SnapshotRestoreReply>(wire::Op::snapshot_restore, request);
  if (!restored) return restored.error();
  return restored->kept();
}

std::vector<std::string> GatewayAdmin::snapshots(const std::string& lun) {
  wire::SnapshotListRequest request;
  request.set_lun(lun);
  auto reply = call<wire::SnapshotListReply>(wire::Op::snapshot_list, request);
  std::vector<std::string> names;
  for (const auto& snapshot : reply.snapshots()) names.push_back(snapshot.name());
  return names;
}

void GatewayAdmin::remove(const std::string& lun, const std::string& snapshot) {
  wire::SnapshotDeleteRequest request;
  request.set_lun(lun);
  request.set_snapshot(snapshot);
  call<wire::RemoveReply>(wire::Op::snapshot_delete, request);
}

std::string GatewayAdmin::exported(const std::string& lun, const std::string& snapshot) {
  wire::SnapshotExportRequest request;
  request.set_lun(lun);
  request.set_snapshot(snapshot);
  return call<wire::SnapshotExportReply>(wire::Op::snapshot_export, request).file();
}

}  // namespace caisson::tests
