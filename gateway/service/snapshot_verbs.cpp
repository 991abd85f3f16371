// SPDX-License-Identifier: Apache-2.0
// Snapshots: cut, looked at, named, locked, deleted. What is made of them is in
// snapshot_copies.cpp.
#include <fmt/format.h>

#include <algorithm>

#include "gateway/service/lun_checks.hpp"
#include "gateway/service/snapshots.hpp"
#include "gateway/service/verbs.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::service {
namespace {

std::string maker(const Call& call) {
  switch (call.caller.role) {
    case wire::Role::host: return "host:" + call.caller.name;
    case wire::Role::operator_: return "operator";
    default: return "admin";
  }
}

Outcome<wire::SnapshotReply> snapshot_reply(Parts& parts, const Outcome<SnapshotView>& view,
                                            bool dry_run, bool changed) {
  if (!view) return view.error();
  wire::SnapshotReply reply;
  *reply.mutable_snapshot() = SnapshotDescriber(parts)(*view);
  *reply.mutable_change() = change(dry_run, changed);
  return reply;
}

}  // namespace

Outcome<Snapshots*> snapshots_of(Parts& parts) {
  if (parts.snapshots != nullptr) return parts.snapshots;
  return failure(Errc::unsupported, "this gateway keeps no snapshots",
                 "use a caissond that was built with them");
}

Outcome<> check_quiesce(Parts& parts, const Call& call, std::string_view host) {
  if (host.empty()) return {};
  if (call.caller.role == wire::Role::host) {
    auto state = parts.access.state();
    const auto* own = state->host(call.caller.host_id);
    if (own == nullptr || own->name != host)
      return failure(Errc::permission_denied,
                     fmt::format("{} may not quiesce another host", call.caller.name),
                     "name the host that asks");
  }
  if (auto found = find_host(parts, host); !found) return found.error();
  return failure(Errc::unsupported,
                 fmt::format("host {} has no agent that could quiesce its applications", host),
                 "leave --quiesce out: the snapshot is then as after a power cut");
}

Outcome<> check_unreserved(const Call& call, bool allow_unreserved) {
  if (!allow_unreserved || call.caller.role == wire::Role::admin) return {};
  return failure(
      Errc::permission_denied,
      fmt::format("{} may not give up the room that thick LUNs were promised", call.caller.name),
      "leave --allow-unreserved out, or ask an administrator");
}

Outcome<wire::SnapshotCreateReply> snapshot_create(Parts& parts, const Call& call,
                                                   const wire::SnapshotCreateRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  CreateOptions options;
  for (const auto& name : request.luns()) {
    auto lun = lun_for(parts, call, name, wire::Right::snapshot);
    if (!lun) return lun.error();
    options.luns.push_back(lun->record.name);
  }
  if (options.luns.empty())
    return failure(Errc::invalid_argument, "no LUN to cut a snapshot of is named",
                   "name one, or several with commas between them");
  if (auto ok = check_unreserved(call, request.allow_unreserved()); !ok) return ok.error();
  if (auto ok = check_quiesce(parts, call, request.quiesce()); !ok) return ok.error();
  options.name = request.name();
  options.made_by = maker(call);
  options.allow_unreserved = request.allow_unreserved();
  options.dry_run = request.dry_run();
  auto views = (*engine)->create(options);
  if (!views) return views.error();
  std::ranges::sort(*views, {}, &SnapshotView::lun);
  wire::SnapshotCreateReply reply;
  SnapshotDescriber describe(parts);
  for (const auto& view : *views) *reply.add_snapshots() = describe(view);
  *reply.mutable_change() = change(request.dry_run(), true);
  return reply;
}

Outcome<wire::SnapshotListReply> snapshot_list(Parts& parts, const Call& call,
                                               const wire::SnapshotListRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  if (!request.lun().empty())
    if (auto lun = lun_for(parts, call, request.lun(), wire::Right::snapshot); !lun)
      return lun.error();
  wire::SnapshotListReply reply;
  SnapshotDescriber describe(parts);
  for (const auto& lun : parts.registry.list()) {
    if (!request.lun().empty() && lun.record.name != request.lun()) continue;
    if (!has_right(parts, call, lun, wire::Right::snapshot)) continue;
    auto views = (*engine)->list(lun.record.name);
    // One that went meanwhile is not missed, unless it was asked for.
    if (!views && request.lun().empty() && views.error().code == Errc::not_found) continue;
    if (!views) return views.error();
    for (const auto& view : *views) *reply.add_snapshots() = describe(view);
  }
  return reply;
}

Outcome<wire::SnapshotReply> snapshot_show(Parts& parts, const Call& call,
                                           const wire::SnapshotShowRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto lun = lun_for(parts, call, request.lun(), wire::Right::snapshot);
  if (!lun) return lun.error();
  auto view = (*engine)->show(request.lun(), request.snapshot());
  if (!view) return view.error();
  wire::SnapshotReply reply;
  *reply.mutable_snapshot() = SnapshotDescriber(parts)(*view);
  return reply;
}

Outcome<wire::SnapshotReply> snapshot_rename(Parts& parts, const Call&,
                                             const wire::SnapshotRenameRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto renamed =
      (*engine)->rename(request.lun(), request.snapshot(), request.to(), request.dry_run());
  return snapshot_reply(parts, renamed, request.dry_run(), request.snapshot() != request.to());
}

Outcome<wire::SnapshotReply> snapshot_lock(Parts& parts, const Call&,
                                           const wire::SnapshotLockRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  constexpr std::uint64_t kLongest = 100ULL * 366 * 24 * 3600;
  if (request.seconds() == 0 || request.seconds() > kLongest)
    return failure(Errc::invalid_argument,
                   fmt::format("snapshot {} of LUN {} cannot be locked for {} s",
                               request.snapshot(), request.lun(), request.seconds()),
                   "lock it for a second to a hundred years");
  auto before = (*engine)->show(request.lun(), request.snapshot());
  if (!before) return before.error();
  auto locked = (*engine)->lock(request.lun(), request.snapshot(),
                                std::chrono::seconds(request.seconds()), request.dry_run());
  bool changed = locked && locked->record.locked_until != before->record.locked_until;
  return snapshot_reply(parts, locked, request.dry_run(), changed);
}

Outcome<wire::SnapshotReply> snapshot_unlock(Parts& parts, const Call&,
                                             const wire::SnapshotUnlockRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto before = (*engine)->show(request.lun(), request.snapshot());
  if (!before) return before.error();
  auto unlocked = (*engine)->unlock(request.lun(), request.snapshot(), request.dry_run());
  bool changed = unlocked && unlocked->record.locked_until != before->record.locked_until;
  return snapshot_reply(parts, unlocked, request.dry_run(), changed);
}

Outcome<wire::RemoveReply> snapshot_delete(Parts& parts, const Call&,
                                           const wire::SnapshotDeleteRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto removed = (*engine)->remove(request.lun(), request.snapshot(), request.dry_run());
  if (!removed) return removed.error();
  wire::RemoveReply reply;
  reply.set_name(request.lun() + " " + request.snapshot());
  *reply.mutable_change() = change(request.dry_run(), true);
  return reply;
}

}  // namespace caisson::service
