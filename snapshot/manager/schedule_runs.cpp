// SPDX-License-Identifier: Apache-2.0
// The runs: what is due is cut, what no rule wants any more is removed.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "snapshot/manager/schedule_state.hpp"
#include "snapshot/manager/schedules.hpp"
#include "snapshot/policy/names.hpp"
#include "snapshot/policy/retention.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {

using catalog::ScheduleRecord;
using catalog::SnapshotState;
using catalog::Transaction;
using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::sys_seconds;

namespace {

constexpr seconds kLongestWait{60};  // clocks jump
constexpr seconds kShortestWait{1};
constexpr int kTries = 8;
constexpr std::chrono::milliseconds kPatience{1000};  // with one that hangs, before others go on

/// Begins with the nominal time, by which made_already() finds it.
std::string details_of(const ScheduledRun& run) {
  return fmt::format(R"({{"nominal":{},"missed":{}}})", run.nominal.time_since_epoch().count(),
                     run.missed);
}

sys_seconds cut_of(const catalog::SnapshotRecord& record) {
  return floor<seconds>(std::chrono::sys_time<std::chrono::milliseconds>(
      std::chrono::milliseconds(record.created_ms)));
}

/// Snapshots that clones and views read through, and restores.
std::set<Uuid> needed(catalog::Catalog& catalog) {
  std::set<Uuid> snapshots;
  auto luns = catalog.luns();
  if (!luns) return snapshots;  // removal asks the catalog again
  for (const auto& lun : *luns) {
    if (lun.origin && lun.kind != catalog::LunKind::disk) snapshots.insert(*lun.origin);
    if (lun.restoring) snapshots.insert(*lun.restoring);
  }
  return snapshots;
}

}  // namespace

std::chrono::nanoseconds ScheduleRunner::tick() {
  std::lock_guard one_at_a_time(tick_mutex_);
  auto records = options_.catalog->schedules();
  if (!records) {
    log::error("schedules cannot be read, no snapshot is made: {}", records.error().message);
    return kLongestWait;
  }
  std::erase_if(entries_, [&](const auto& entry) {
    return std::ranges::none_of(
        *records, [&](const auto& record) { return record.name == entry.first && record.enabled; });
  });
  // One after the other, unless one hangs.
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (const auto& record : *records)
    if (auto entry = record.enabled ? begin_run(record) : nullptr) {
      std::unique_lock lock(runs_mutex_);
      run_ended_.wait_until(lock, until, [&] { return !entry->running; });
    }
  const auto now = floor<seconds>(options_.clock->wall());
  auto wait = kLongestWait;
  for (const auto& [name, entry] : entries_)
    if (!is_running(*entry))
      wait = std::min(wait, std::max(entry->clock.next() - now, kShortestWait));
  return wait;
}

/// One that is under way still is asked again by the next tick.
ScheduleRunner::EntryPtr ScheduleRunner::begin_run(const ScheduleRecord& record) {
  auto entry = entry_of(record);
  if (!entry) return nullptr;
  {
    std::lock_guard lock(runs_mutex_);
    entry->running = true;
    ++runs_;
  }
  auto end = [this, entry] {
    std::lock_guard lock(runs_mutex_);
    entry->running = false;
    --runs_;
    run_ended_.notify_all();
  };
  auto run = [this, record, entry, end] {
    run_if_due(record, *entry);
    end();
  };
  if (!threads_.post(entry->lane, run)) end();
  return entry;
}

bool ScheduleRunner::is_running(const Entry& entry) {
  std::lock_guard lock(runs_mutex_);
  return entry.running;
}

/// The state is saved after the run: a crash in between makes it be asked for again, and
/// then it is there.
void ScheduleRunner::run_if_due(const ScheduleRecord& record, Entry& entry) {
  const bool first = std::exchange(entry.first, false);
  const auto now = options_.clock->wall();
  if (auto run = entry.clock.due(now, options_.clock->monotonic())) {
    if (!first || !made_already(record, *run)) entry.last_result = make(record, *run);
    entry.last_at = floor<seconds>(now).time_since_epoch().count();
  }
  save_state(record, entry);
}

/// What the catalog says goes before what is remembered here; nullptr: nobody can tell, or
/// it is under way.
ScheduleRunner::EntryPtr ScheduleRunner::entry_of(const ScheduleRecord& record) {
  auto at = entries_.find(record.name);
  if (at != entries_.end()) {
    if (is_running(*at->second)) return nullptr;
    if (at->second->saved == record.state &&
        at->second->clock.schedule().to_string() == record.spec)
      return at->second;
  }
  const bool first = at == entries_.end();
  auto clock = clock_of(record, options_.clock->wall());
  auto& unread = unread_[record.name];
  if (!clock) {
    if (std::exchange(unread, clock.error().message) != clock.error().message)
      failed(record, clock.error().message);
    return nullptr;
  }
  unread.clear();
  auto state = ScheduleState::parse(record.state);
  auto entry = std::make_shared<Entry>(Entry{.clock = std::move(*clock),
                                             .saved = record.state,
                                             .first = first,
                                             .last_at = state.last_at,
                                             .last_result = std::move(state.last_result)});
  return entries_[record.name] = std::move(entry);
}

bool ScheduleRunner::made_already(const ScheduleRecord& record, const ScheduledRun& run) {
  const auto nominal = run.nominal.time_since_epoch().count();
  auto same = [&](const SnapshotView& view) {
    if (view.record.made_by != made_by(record)) return false;
    for (auto at : {nominal - 1, nominal, nominal + 1})  // `every` rounds its nominal times
      if (view.record.details.starts_with(fmt::format(R"({{"nominal":{},)", at))) return true;
    return false;
  };
  for (const auto& lun : record.luns) {
    auto facts = options_.luns->find(lun);
    auto views = facts ? options_.snapshots->list(facts->name)
                       : Outcome<std::vector<SnapshotView>>(std::vector<SnapshotView>());
    if (views && std::ranges::any_of(*views, same)) return true;
  }
  return false;
}

/// What became of it, in words.
std::string ScheduleRunner::make(const ScheduleRecord& record, const ScheduledRun& run) {
  auto luns = online(record);
  auto result = fmt::format("{} of {} LUNs", luns.size(), record.luns.size());
  auto name = cut(record, luns, run);
  if (!name) failed(record, name.error().message);
  for (const auto& lun : record.luns)
    if (auto facts = options_.luns->find(lun); facts && facts->served) prune(record, facts->name);
  return name ? fmt::format("snapshot '{}' of {}", *name, result)
              : fmt::format("failed: {}", name.error().message);
}

/// A LUN that is offline does not change, so the others do not wait for it.
std::vector<std::string> ScheduleRunner::online(const ScheduleRecord& record) {
  std::vector<std::string> names;
  for (const auto& uuid : record.luns) {
    auto lun = options_.luns->find(uuid);
    if (lun && lun->served) {
      names.push_back(lun->name);
    } else if (record.luns.size() > 1) {
      failed(record, fmt::format("LUN '{}' is not online and was left out",
                                 lun ? lun->name : uuid.to_string()));
    }
  }
  return names;
}

Outcome<std::string> ScheduleRunner::cut(const ScheduleRecord& record,
                                         const std::vector<std::string>& luns,
                                         const ScheduledRun& run) {
  if (luns.empty())
    return failure(Errc::offline,
                   record.luns.empty() ? "it has no LUN any more" : "none of its LUNs is online");
  std::set<std::string, std::less<>> names;
  for (const auto& lun : luns) {
    auto views = options_.snapshots->list(lun);
    if (!views) return views.error();
    for (auto& view : *views) names.insert(std::move(view.record.name));
  }
  for (int tries = 1;; ++tries) {
    auto name = automatic_name(floor<seconds>(options_.clock->wall()),
                               [&](std::string_view taken) { return names.contains(taken); });
    auto made = options_.snapshots->create({.luns = luns,
                                            .name = name,
                                            .made_by = made_by(record),
                                            .details = details_of(run),
                                            .allow_unreserved = record.allow_unreserved});
    if (made) return name;
    // Another schedule may have been quicker.
    if (made.error().code != Errc::already_exists || tries == kTries) return made.error();
    names.insert(std::move(name));
  }
}

void ScheduleRunner::prune(const ScheduleRecord& record, const std::string& lun) {
  auto retention = Retention::parse(record.retention);
  auto zone = Zone::find(record.zone);
  auto views = options_.snapshots->list(lun);
  if (!retention || !zone || !views) {
    const auto& why = !retention ? retention.error() : !zone ? zone.error() : views.error();
    return failed(record, fmt::format("nothing of LUN '{}' is pruned: {}", lun, why.message));
  }
  if (retention->rules().empty()) return;
  std::erase_if(*views, [](const auto& v) { return v.record.state != SnapshotState::present; });
  const auto kept_by_others = needed(*options_.catalog);
  std::vector<Candidate> candidates;
  for (const auto& view : *views)
    candidates.push_back({.name = view.record.name,
                          .sequence = view.record.sequence,
                          .cut = cut_of(view.record),
                          .scheduled = view.record.made_by == made_by(record),
                          .locked = view.locked_for > seconds(0),
                          .needed = kept_by_others.contains(view.record.uuid)});
  auto verdicts = retention->decide(candidates, *zone, floor<seconds>(options_.clock->wall()));
  for (std::size_t i = 0; i < verdicts.size(); ++i)
    if (!verdicts[i].keep) remove_one(record, (*views)[i], verdicts[i].reasons.front());
}

void ScheduleRunner::remove_one(const ScheduleRecord& record, const SnapshotView& snapshot,
                                const std::string& why) {
  const auto& name = snapshot.record.name;
  auto removed = options_.snapshots->remove(snapshot.lun, name, false);
  if (removed) {
    note("snapshot.pruned", snapshot.lun, made_by(record),
         fmt::format("snapshot '{}' was removed: {}", name, why));
  } else if (removed.error().code != Errc::in_use && removed.error().code != Errc::not_found) {
    failed(record, fmt::format("snapshot '{}' of LUN '{}' is not pruned: {}", name, snapshot.lun,
                               removed.error().message));
  }
}

/// Unless an administrator changed it meanwhile.
void ScheduleRunner::save_state(const ScheduleRecord& record, Entry& entry) {
  auto state = ScheduleState{entry.clock.state(), entry.last_at, entry.last_result}.to_string();
  if (state == entry.saved) return;
  std::lock_guard lock(records_mutex_);
  auto now = find(record.name);
  if (now && (!*now || (*now)->state != entry.saved)) return;
  Outcome<> saved = now ? Outcome<>() : now.error();
  if (now) {
    (*now)->state = state;
    saved = options_.catalog->change(
        [&](Transaction& transaction) { return transaction.put_schedule(**now); });
  }
  if (saved)
    entry.saved = std::move(state);
  else
    log::warning("the run of schedule '{}' is not remembered: {}", record.name,
                 saved.error().message);
}

void ScheduleRunner::failed(const ScheduleRecord& record, const std::string& text) {
  log::warning("schedule '{}': {}", record.name, text);
  note("schedule.failed", record.name, made_by(record), text);
}

void ScheduleRunner::note(std::string_view kind, std::string_view object, std::string_view actor,
                          const std::string& text) {
  auto noted = options_.catalog->change([&](Transaction& transaction) -> Outcome<> {
    auto added = transaction.add_event(kind, object, actor, text);
    return added ? Outcome<>() : added.error();
  });
  if (!noted) log::warning("the event '{}' of '{}' is lost: {}", kind, object, text);
}

}  // namespace caisson::snapshot
