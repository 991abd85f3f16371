// SPDX-License-Identifier: Apache-2.0
// Snapshots that nobody can delete before their time, administrators included.
#include <fmt/format.h>

#include "snapshot/manager/manager.hpp"
#include "snapshot/policy/period.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {

using catalog::SnapshotRecord;
using std::chrono::seconds;

namespace {

// A lock cannot be taken back, so a slip of the finger must not be for ever.
constexpr seconds kLongest = std::chrono::days(3653);
constexpr seconds kSaveEvery{60};

SnapshotLock lock_of(const SnapshotRecord& record) {
  return {seconds(static_cast<std::int64_t>(record.locked_until))};
}

Failure still_locked(const LunFacts& lun, const SnapshotRecord& record, seconds counter,
                     std::string_view refused) {
  return failure(Errc::in_use,
                 fmt::format("snapshot '{}' of LUN '{}' cannot be {}: it is locked, with {}",
                             record.name, lun.name, refused, lock_of(record).describe(counter)),
                 "wait: a lock ends only after that much time in which caissond ran");
}

}  // namespace

seconds Manager::locked_for(const SnapshotRecord& record) const {
  return record.locked_until == 0 ? seconds(0) : lock_of(record).remaining(run_time_.value());
}

Outcome<> Manager::check_unlocked(const LunFacts& lun, const SnapshotRecord& record) const {
  if (locked_for(record) == seconds(0)) return {};
  return still_locked(lun, record, run_time_.value(), "deleted");
}

Outcome<SnapshotView> Manager::lock(std::string_view name, std::string_view snapshot,
                                    seconds duration, bool dry_run) {
  if (duration <= seconds(0) || duration > kLongest)
    return failure(Errc::invalid_argument, "a lock lasts from one second to ten years",
                   "give a length of time such as 12h, 7d or 4w");
  auto view = change_lock(name, snapshot, dry_run, [&](auto& lun, auto& record) -> Outcome<> {
    if (record.state != catalog::SnapshotState::present)
      return failure(Errc::corrupt,
                     fmt::format("snapshot '{}' of LUN '{}' is no image any more: {}", record.name,
                                 lun.name, record.reason),
                     "lock another one");
    auto now = run_time_.value();
    auto wanted = SnapshotLock::lasting(now, duration);
    if (wanted.until < lock_of(record).until)
      return still_locked(lun, record, now, "locked for a shorter time");
    record.locked_until = static_cast<std::uint64_t>(wanted.until.count());
    return {};
  });
  if (view && !dry_run)
    note("snapshot.locked", view->record.lun, "caissond",
         fmt::format("snapshot '{}' is locked for {} of run time", snapshot,
                     format_duration(duration)));
  return view;
}

Outcome<SnapshotView> Manager::unlock(std::string_view name, std::string_view snapshot,
                                      bool dry_run) {
  return change_lock(name, snapshot, dry_run, [&](auto& lun, auto& record) -> Outcome<> {
    auto now = run_time_.value();
    if (lock_of(record).holds(now)) return still_locked(lun, record, now, "unlocked");
    record.locked_until = 0;
    return {};
  });
}

Outcome<SnapshotView> Manager::change_lock(
    std::string_view name, std::string_view snapshot, bool dry_run,
    const std::function<Outcome<>(const LunFacts&, SnapshotRecord&)>& change) {
  auto lun = lun_named(name);
  if (!lun) return lun.error();
  std::unique_lock one_at_a_time(rows_mutex_);
  auto record = record_of(*lun, snapshot);
  if (!record) return record.error();
  auto before = record->locked_until;
  if (auto changed = change(*lun, *record); !changed) return changed.error();
  if (!dry_run && record->locked_until != before)
    if (auto put = put_lock(*record); !put) return put.error();
  one_at_a_time.unlock();
  return view_of(*lun, *record);
}

/// With the counter, so that a crash after it does not lengthen the lock.
Outcome<> Manager::put_lock(const SnapshotRecord& record) {
  auto put = run_time_.save(
      [&](catalog::Transaction& transaction) { return transaction.put_snapshot(record); });
  if (!put) return put;
  std::lock_guard lock(mutex_);
  records_[record.uuid] = record;
  return {};
}

void Manager::keep_run_time() {
  run_time_ticker_ = std::make_unique<Ticker>(*pacer_, threads_, *options_.clock, [this] {
    if (auto saved = run_time_.save(); !saved)
      log::warning("how long caissond ran cannot be saved, locks end later by that: {}",
                   saved.error().message);
    return kSaveEvery;
  });
  run_time_ticker_->begin(kSaveEvery);
}

}  // namespace caisson::snapshot
