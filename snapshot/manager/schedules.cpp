// SPDX-License-Identifier: Apache-2.0
// What administrators do with schedules.
#include "snapshot/manager/schedules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "snapshot/manager/schedule_state.hpp"
#include "snapshot/policy/retention.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::snapshot {

using catalog::ScheduleRecord;
using catalog::Transaction;

namespace {

constexpr std::chrono::seconds kStopLimit{10};

ScheduleView view_of(const ScheduleRecord& record, Clock::Wall now) {
  auto state = ScheduleState::parse(record.state);
  ScheduleView view{
      .record = record, .last_at = state.last_at, .last_result = std::move(state.last_result)};
  auto clock = clock_of(record, now);
  if (clock && record.enabled) view.next_at = clock->next().time_since_epoch().count();
  return view;
}

Failure no_schedule(std::string_view name) {
  return failure(Errc::not_found, fmt::format("there is no schedule '{}'", name),
                 "caisson snapshot schedule list shows them");
}

/// Brings time and zone into normal form. A zone beside the time is the one of its
/// days; of `every` it is the one of the retention's.
Outcome<> check_time(ScheduleRecord& record) {
  auto schedule = Schedule::parse(record.spec);
  if (!schedule) return schedule.error();
  if (record.zone.empty()) record.zone = schedule->zone().name();
  if (auto zone = Zone::find(record.zone); !zone) return zone.error();
  if (schedule->kind() != Schedule::Kind::every && schedule->zone().name() != record.zone) {
    if (schedule->zone() != Zone())
      return failure(Errc::invalid_argument,
                     fmt::format("schedule '{}' has two time zones: {} and {}", record.name,
                                 schedule->zone().name(), record.zone),
                     "name one");
    schedule = Schedule::parse(fmt::format("{} in {}", schedule->to_string(), record.zone));
    if (!schedule) return schedule.error();
  }
  record.spec = schedule->to_string();
  return {};
}

}  // namespace

ScheduleRunner::ScheduleRunner(ScheduleOptions options)
    : options_(options),
      own_pacer_(options.pacer == nullptr ? std::make_unique<TimedPacer>() : nullptr),
      pacer_(options.pacer == nullptr ? own_pacer_.get() : options.pacer) {}

ScheduleRunner::~ScheduleRunner() { stop(); }

void ScheduleRunner::start() {
  std::lock_guard lock(records_mutex_);
  ticker_ = std::make_unique<Ticker>(*pacer_, threads_, *options_.clock, [this] { return tick(); });
  ticker_->begin({});
}

void ScheduleRunner::stop() {
  std::unique_ptr<Ticker> ticker;
  {
    std::lock_guard lock(records_mutex_);
    ticker = std::move(ticker_);
  }
  if (ticker) ticker->stop();
  std::unique_lock lock(runs_mutex_);
  run_ended_.wait_for(lock, kStopLimit, [this] { return runs_ == 0; });
}

Outcome<std::vector<ScheduleView>> ScheduleRunner::list() {
  auto records = options_.catalog->schedules();
  if (!records) return records.error();
  std::vector<ScheduleView> views;
  for (const auto& record : *records) views.push_back(view_of(record, options_.clock->wall()));
  return views;
}

Outcome<ScheduleView> ScheduleRunner::show(std::string_view name) {
  auto record = find(name);
  if (!record) return record.error();
  if (!*record) return no_schedule(name);
  return view_of(**record, options_.clock->wall());
}

Outcome<ScheduleChange> ScheduleRunner::create(const ScheduleRecord& wanted, bool dry_run) {
  auto record = wanted;
  if (auto fine = check(record); !fine) return fine.error();
  std::lock_guard lock(records_mutex_);
  auto there = find(record.name);
  if (!there) return there.error();
  if (*there) {
    record.state = (*there)->state;
    if (record == **there) return ScheduleChange{view_of(record, options_.clock->wall()), false};
    return failure(Errc::already_exists,
                   fmt::format("there is another schedule '{}': {}", record.name, (*there)->spec),
                   "choose another name, or change that one with `snapshot schedule set`");
  }
  begin_anew(record);
  return put(record, dry_run);
}

Outcome<ScheduleChange> ScheduleRunner::change(
    std::string_view name, const std::function<Outcome<>(ScheduleRecord&)>& edit, bool dry_run) {
  std::lock_guard lock(records_mutex_);
  auto there = find(name);
  if (!there) return there.error();
  if (!*there) return no_schedule(name);
  const auto& before = **there;
  auto record = before;
  if (auto edited = edit(record); !edited) return edited.error();
  record.name = before.name;
  record.state = before.state;
  // A new time of the day brings its own zone, or UTC.
  bool other_time = record.spec != before.spec;
  if (other_time && record.zone == before.zone && !record.spec.starts_with("every"))
    record.zone.clear();
  if (auto fine = check(record); !fine) return fine.error();
  if (record == before) return ScheduleChange{view_of(before, options_.clock->wall()), false};
  if (record.spec != before.spec || (record.enabled && !before.enabled)) begin_anew(record);
  return put(record, dry_run);
}

Outcome<> ScheduleRunner::remove(std::string_view name, bool dry_run) {
  std::lock_guard lock(records_mutex_);
  auto there = find(name);
  if (!there) return there.error();
  if (!*there) return no_schedule(name);
  if (dry_run) return {};
  return options_.catalog->change(
      [&](Transaction& transaction) { return transaction.remove_schedule(name); });
}

Outcome<std::optional<ScheduleRecord>> ScheduleRunner::find(std::string_view name) {
  auto records = options_.catalog->schedules();
  if (!records) return records.error();
  auto at = std::ranges::find(*records, name, &ScheduleRecord::name);
  if (at == records->end()) return std::optional<ScheduleRecord>();
  return std::optional(std::move(*at));
}

/// Checks all that was said, and brings it into normal form.
Outcome<> ScheduleRunner::check(ScheduleRecord& record) {
  if (auto name = checked_name("schedule", record.name); !name) return name.error();
  if (auto fine = check_luns(record); !fine) return fine;
  if (auto fine = check_time(record); !fine) return fine;
  auto retention = Retention::parse(record.retention.empty() ? "all" : record.retention);
  if (!retention) return retention.error();
  record.retention = retention->to_string();
  if (record.quiesce.empty()) return {};
  return failure(Errc::unsupported,
                 fmt::format("schedule '{}' cannot quiesce host '{}': that takes an agent on the "
                             "host, which comes with a later version",
                             record.name, record.quiesce),
                 "leave --quiesce out: its snapshots are then as after a power cut");
}

Outcome<> ScheduleRunner::check_luns(const ScheduleRecord& record) {
  if (record.luns.empty())
    return failure(Errc::invalid_argument, fmt::format("schedule '{}' names no LUN", record.name),
                   "name one or more");
  std::set<Uuid> seen;
  for (const auto& uuid : record.luns) {
    auto lun = options_.luns->find(uuid);
    if (!lun)
      return failure(Errc::not_found,
                     fmt::format("schedule '{}' names LUN {}, which is not there", record.name,
                                 uuid.to_string()),
                     "caisson lun list shows them");
    if (!seen.insert(uuid).second)
      return failure(Errc::invalid_argument,
                     fmt::format("schedule '{}' names LUN '{}' twice", record.name, lun->name),
                     "name each LUN once");
  }
  return {};
}

Outcome<ScheduleChange> ScheduleRunner::put(const ScheduleRecord& record, bool dry_run) {
  ScheduleChange done{view_of(record, options_.clock->wall()), true};
  if (dry_run) return done;
  auto saved = options_.catalog->change(
      [&](Transaction& transaction) { return transaction.put_schedule(record); });
  if (!saved) return saved.error();
  if (ticker_) ticker_->begin({});
  return done;
}

void ScheduleRunner::begin_anew(ScheduleRecord& record) const {
  auto state = ScheduleState::parse(record.state);
  auto schedule = Schedule::parse(record.spec);
  if (!schedule) return;  // checked before
  state.clock = ScheduleClock(std::move(*schedule), options_.clock->wall()).state();
  record.state = state.to_string();
}

}  // namespace caisson::snapshot
