// SPDX-License-Identifier: Apache-2.0
// Snapshots and schedules, written.
#include <fmt/format.h>

#include "storage_object/catalog/catalog.hpp"
#include "storage_object/catalog/enum_names.hpp"
#include "storage_object/catalog/sqlite.hpp"

namespace caisson::catalog {
namespace {

// The counter is a column that no LunRecord carries: put_lun leaves it alone.
constexpr const char* kNextSequence =
    "UPDATE luns SET last_snapshot = last_snapshot + 1 WHERE uuid = ? RETURNING last_snapshot";
constexpr const char* kRaiseSequence =
    "UPDATE luns SET last_snapshot = max(last_snapshot, ?) WHERE uuid = ? "
    "RETURNING name, state";

constexpr const char* kPutSnapshot =
    "INSERT INTO snapshots (uuid, lun, name, sequence, created_ms, capacity, state, complete, "
    "reason, group_uuid, made_by, locked_until, grade, details) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (uuid) DO UPDATE SET lun = excluded.lun, name = excluded.name, "
    "sequence = excluded.sequence, created_ms = excluded.created_ms, "
    "capacity = excluded.capacity, state = excluded.state, complete = excluded.complete, "
    "reason = excluded.reason, group_uuid = excluded.group_uuid, made_by = excluded.made_by, "
    "locked_until = excluded.locked_until, grade = excluded.grade, details = excluded.details";

// No foreign key: a rebuild may find a clone before the snapshot it was born from.
// A clone that is filled is a disk, and only remembers where it came from.
constexpr const char* kReaders =
    "SELECT name FROM luns WHERE (origin = ? AND kind <> 'disk') OR restoring = ? LIMIT 1";

constexpr const char* kPutSchedule =
    "INSERT INTO schedules (name, spec, zone, retention, quiesce, enabled, state, "
    "allow_unreserved) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, zone = excluded.zone, "
    "retention = excluded.retention, quiesce = excluded.quiesce, enabled = excluded.enabled, "
    "state = excluded.state, allow_unreserved = excluded.allow_unreserved";
constexpr const char* kDropScheduleLuns = "DELETE FROM schedule_luns WHERE schedule = ?";
constexpr const char* kAddScheduleLun =
    "INSERT INTO schedule_luns (schedule, position, lun) VALUES (?, ?, ?)";

Failure unknown_lun(const Uuid& lun, std::string_view what) {
  return failure(Errc::not_found, fmt::format("{}: LUN {} is not known", what, lun.to_string()),
                 "`caisson lun list` shows the LUNs.");
}

Failure explain_snapshot(Failure cause, const SnapshotRecord& record) {
  if (cause.code == Errc::in_use)  // within a transaction only a foreign key says so
    return unknown_lun(record.lun, fmt::format("snapshot {}", record.name));
  if (cause.code == Errc::already_exists)
    return failure(Errc::already_exists,
                   fmt::format("snapshot {}: its name or its sequence number {} belongs to another "
                               "snapshot of LUN {}",
                               record.name, record.sequence, record.lun.to_string()),
                   "`caisson snapshot list` shows the names in use.");
  return cause;
}

Outcome<> put_schedule_luns(Statements& statements, const ScheduleRecord& record) {
  if (auto dropped = statements.run(kDropScheduleLuns, record.name); !dropped)
    return dropped.error();
  std::size_t position = 0;
  for (const auto& lun : record.luns) {
    auto added = statements.run(kAddScheduleLun, record.name, position++, lun);
    if (added) continue;
    if (added.error().code == Errc::in_use)
      return unknown_lun(lun, fmt::format("schedule {}", record.name));
    if (added.error().code == Errc::already_exists)
      return failure(Errc::invalid_argument,
                     fmt::format("schedule {} names LUN {} twice", record.name, lun.to_string()),
                     "Name each LUN once.");
    return added.error();
  }
  return {};
}

}  // namespace

Outcome<std::uint64_t> Transaction::next_snapshot_sequence(const Uuid& lun) {
  std::uint64_t next = 0;
  auto counted = statements_.each(
      kNextSequence,
      [&](Columns row) -> Outcome<> {
        next = row.number();
        return {};
      },
      lun);
  if (!counted) return counted.error();
  if (next == 0) return unknown_lun(lun, "a new snapshot");
  return next;
}

Outcome<> Transaction::put_snapshot(const SnapshotRecord& record) {
  auto put = statements_.run(kPutSnapshot, record.uuid, record.lun, record.name, record.sequence,
                             record.created_ms, record.capacity, enum_name(record.state),
                             record.complete, record.reason, record.group, record.made_by,
                             record.locked_until, record.grade, record.details);
  if (!put) return explain_snapshot(put.error(), record);
  return statements_.each(
      kRaiseSequence,
      [&](Columns row) -> Outcome<> {
        const auto lun = row.text();
        if (row.text() != enum_name(LunState::deleting)) return {};
        return failure(Errc::in_use,
                       fmt::format("snapshot {}: LUN {} is being deleted", record.name, lun));
      },
      record.sequence, record.lun);
}

Outcome<> Transaction::remove_snapshot(const Uuid& uuid) {
  std::string reader;
  auto looked = statements_.each(
      kReaders,
      [&](Columns row) -> Outcome<> {
        reader = row.text();
        return {};
      },
      uuid, uuid);
  if (!looked) return looked.error();
  if (!reader.empty())
    return failure(Errc::in_use,
                   fmt::format("snapshot {}: LUN {} still reads from it", uuid.to_string(), reader),
                   "Wait until that is filled or restored, or delete that LUN.");
  return statements_.run("DELETE FROM snapshots WHERE uuid = ?", uuid);
}

Outcome<> Transaction::put_schedule(const ScheduleRecord& record) {
  auto put = statements_.run(kPutSchedule, record.name, record.spec, record.zone, record.retention,
                             record.quiesce, record.enabled, record.state, record.allow_unreserved);
  if (!put) return put.error();
  return put_schedule_luns(statements_, record);
}

Outcome<> Transaction::remove_schedule(std::string_view name) {
  return statements_.run("DELETE FROM schedules WHERE name = ?", name);
}

}  // namespace caisson::catalog
