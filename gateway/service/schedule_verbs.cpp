// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "gateway/service/snapshots.hpp"
#include "gateway/service/verbs.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::service {
namespace {

template <class Names>
Outcome<std::vector<Uuid>> uuids_of(Parts& parts, const Names& names) {
  std::vector<Uuid> uuids;
  for (const auto& name : names) {
    auto lun = find_lun(parts, name);
    if (!lun) return lun.error();
    if (std::ranges::find(uuids, lun->record.uuid) != uuids.end())
      return failure(Errc::invalid_argument, fmt::format("LUN {} is named twice", name),
                     "name each LUN once");
    uuids.push_back(lun->record.uuid);
  }
  return uuids;
}

wire::ScheduleDescription describe_schedule(Parts& parts, const ScheduleView& view) {
  wire::ScheduleDescription out;
  out.set_name(view.record.name);
  auto luns = parts.registry.list();
  for (const auto& uuid : view.record.luns)
    for (const auto& lun : luns)
      if (lun.record.uuid == uuid) out.add_luns(lun.record.name);
  out.set_spec(view.record.spec);
  out.set_retention(view.record.retention);
  out.set_quiesce(view.record.quiesce);
  out.set_enabled(view.record.enabled);
  out.set_allow_unreserved(view.record.allow_unreserved);
  out.set_next_at(view.next_at);
  out.set_last_at(view.last_at);
  out.set_last_result(view.last_result);
  return out;
}

Outcome<wire::ScheduleReply> schedule_reply(Parts& parts, const Outcome<ScheduleChange>& done,
                                            bool dry_run) {
  if (!done) return done.error();
  wire::ScheduleReply reply;
  *reply.mutable_schedule() = describe_schedule(parts, done->schedule);
  *reply.mutable_change() = change(dry_run, done->changed);
  return reply;
}

}  // namespace

Outcome<wire::ScheduleReply> schedule_create(Parts& parts, const Call& call,
                                             const wire::ScheduleCreateRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  catalog::ScheduleRecord record;
  auto name = checked_name("schedule", request.name());
  if (!name) return name.error();
  record.name = std::move(*name);
  auto luns = uuids_of(parts, request.luns());
  if (!luns) return luns.error();
  if (luns->empty())
    return failure(Errc::invalid_argument,
                   fmt::format("schedule {} has no LUN to cut snapshots of", record.name),
                   "name them with --luns");
  if (auto ok = check_quiesce(parts, call, request.quiesce()); !ok) return ok.error();
  if (auto ok = check_unreserved(call, request.allow_unreserved()); !ok) return ok.error();
  record.luns = std::move(*luns);
  record.spec = request.spec();
  record.retention = request.retention();
  record.quiesce = request.quiesce();
  record.allow_unreserved = request.allow_unreserved();
  return schedule_reply(parts, (*engine)->create_schedule(record, request.dry_run()),
                        request.dry_run());
}

Outcome<wire::ScheduleListReply> schedule_list(Parts& parts, const Call&,
                                               const wire::ScheduleListRequest&) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto schedules = (*engine)->schedules();
  if (!schedules) return schedules.error();
  wire::ScheduleListReply reply;
  for (const auto& view : *schedules) *reply.add_schedules() = describe_schedule(parts, view);
  return reply;
}

Outcome<wire::ScheduleReply> schedule_show(Parts& parts, const Call&,
                                           const wire::ScheduleShowRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto schedules = (*engine)->schedules();
  if (!schedules) return schedules.error();
  for (const auto& view : *schedules) {
    if (view.record.name != request.name()) continue;
    wire::ScheduleReply reply;
    *reply.mutable_schedule() = describe_schedule(parts, view);
    return reply;
  }
  return failure(Errc::not_found, fmt::format("there is no schedule '{}'", request.name()),
                 "caisson snapshot schedule list shows them");
}

Outcome<wire::ScheduleReply> schedule_set(Parts& parts, const Call& call,
                                          const wire::ScheduleSetRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto luns = uuids_of(parts, request.luns());
  if (!luns) return luns.error();
  if (auto ok = check_quiesce(parts, call, request.quiesce()); !ok) return ok.error();
  if (auto ok = check_unreserved(call, request.allow_unreserved()); !ok) return ok.error();
  auto edit = [&](catalog::ScheduleRecord& record) -> Outcome<> {
    if (!luns->empty()) record.luns = *luns;
    if (request.has_spec()) record.spec = request.spec();
    if (request.has_retention()) record.retention = request.retention();
    if (request.has_quiesce()) record.quiesce = request.quiesce();
    if (request.has_enabled()) record.enabled = request.enabled();
    if (request.has_allow_unreserved()) record.allow_unreserved = request.allow_unreserved();
    return {};
  };
  return schedule_reply(parts, (*engine)->change_schedule(request.name(), edit, request.dry_run()),
                        request.dry_run());
}

Outcome<wire::RemoveReply> schedule_delete(Parts& parts, const Call&,
                                           const wire::ScheduleDeleteRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto removed = (*engine)->remove_schedule(request.name(), request.dry_run());
  if (!removed) return removed.error();
  wire::RemoveReply reply;
  reply.set_name(request.name());
  *reply.mutable_change() = change(request.dry_run(), true);
  if (!request.dry_run())
    reply.mutable_change()->add_notes("its snapshots stay, and none of them is deleted by age");
  return reply;
}

}  // namespace caisson::service
