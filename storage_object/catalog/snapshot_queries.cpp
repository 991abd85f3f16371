// SPDX-License-Identifier: Apache-2.0
// What the catalog is asked about snapshots and schedules.
#include <fmt/format.h>

#include "storage_object/catalog/catalog.hpp"
#include "storage_object/catalog/enum_names.hpp"
#include "storage_object/catalog/sqlite.hpp"

namespace caisson::catalog {
namespace {

constexpr const char* kSnapshots =
    "SELECT uuid, lun, name, sequence, created_ms, capacity, state, complete, reason, group_uuid, "
    "made_by, locked_until, grade, details FROM snapshots ORDER BY lun, sequence";
constexpr const char* kSnapshotsOf =
    "SELECT uuid, lun, name, sequence, created_ms, capacity, state, complete, reason, group_uuid, "
    "made_by, locked_until, grade, details FROM snapshots WHERE lun = ? ORDER BY sequence";
constexpr const char* kSchedules =
    "SELECT name, spec, zone, retention, quiesce, enabled, state, allow_unreserved FROM schedules "
    "ORDER BY name";
constexpr const char* kScheduleLuns =
    "SELECT schedule, lun FROM schedule_luns ORDER BY schedule, position";

Outcome<SnapshotRecord> read_snapshot(Columns row, const std::string& path) {
  SnapshotRecord snapshot;
  snapshot.uuid = row.uuid();
  snapshot.lun = row.uuid();
  snapshot.name = row.text();
  snapshot.sequence = row.number();
  snapshot.created_ms = row.signed_number();
  snapshot.capacity = row.number();
  const auto word = row.text();
  const auto state = enum_value<SnapshotState>(word);
  if (!state)
    return failure(Errc::corrupt,
                   fmt::format("catalog {}: snapshot {} of LUN {} has the unknown state \"{}\"",
                               path, snapshot.name, snapshot.lun.to_string(), word),
                   kRepair);
  snapshot.state = *state;
  snapshot.complete = row.flag();
  snapshot.reason = row.text();
  snapshot.group = row.optional_uuid();
  snapshot.made_by = row.text();
  snapshot.locked_until = row.number();
  snapshot.grade = row.text();
  snapshot.details = row.text();
  return snapshot;
}

template <class... Values>
Outcome<std::vector<SnapshotRecord>> collect_snapshots(Statements& statements, const char* sql,
                                                       const Values&... values) {
  std::vector<SnapshotRecord> snapshots;
  auto walked = statements.each(
      sql,
      [&](Columns row) -> Outcome<> {
        auto snapshot = read_snapshot(row, statements.path());
        if (!snapshot) return snapshot.error();
        snapshots.push_back(std::move(*snapshot));
        return {};
      },
      values...);
  if (!walked) return walked.error();
  return snapshots;
}

ScheduleRecord read_schedule(Columns row) {
  ScheduleRecord schedule;
  schedule.name = row.text();
  schedule.spec = row.text();
  schedule.zone = row.text();
  schedule.retention = row.text();
  schedule.quiesce = row.text();
  schedule.enabled = row.flag();
  schedule.state = row.text();
  schedule.allow_unreserved = row.flag();
  return schedule;
}

}  // namespace

Outcome<std::vector<SnapshotRecord>> Catalog::snapshots() {
  std::lock_guard lock(mutex_);
  return collect_snapshots(*statements_, kSnapshots);
}

Outcome<std::vector<SnapshotRecord>> Catalog::snapshots_of(const Uuid& lun) {
  std::lock_guard lock(mutex_);
  return collect_snapshots(*statements_, kSnapshotsOf, lun);
}

Outcome<std::vector<ScheduleRecord>> Catalog::schedules() {
  std::lock_guard lock(mutex_);
  std::vector<ScheduleRecord> schedules;
  auto read = statements_->each(kSchedules, [&](Columns row) -> Outcome<> {
    schedules.push_back(read_schedule(row));
    return {};
  });
  if (!read) return read.error();
  auto schedule = schedules.begin();  // both lists ascend by name
  auto luns = statements_->each(kScheduleLuns, [&](Columns row) -> Outcome<> {
    const auto name = row.text();
    while (schedule != schedules.end() && schedule->name != name) ++schedule;
    if (schedule != schedules.end()) schedule->luns.push_back(row.uuid());
    return {};
  });
  if (!luns) return luns.error();
  return schedules;
}

}  // namespace caisson::catalog
