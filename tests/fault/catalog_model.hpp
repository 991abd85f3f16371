// SPDX-License-Identifier: Apache-2.0
// What a catalog is expected to hold, and changes that are done to both.
#pragma once

#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "storage_object/catalog/catalog.hpp"
#include "tests/support/sim_random.hpp"

namespace caisson::catalog {

using tests::SimRandom;

/// What the catalog is expected to hold.
struct Model {
  std::map<std::string, LunRecord> luns;
  std::map<Uuid, SnapshotRecord> snapshots;
  std::map<Uuid, std::uint64_t> last_numbers;  // of LUNs' snapshots
  std::map<std::string, ScheduleRecord> schedules;
  std::map<std::uint64_t, HostRecord> hosts;
  std::set<std::pair<std::string, std::uint64_t>> grants;  // LUN's name, host's id
  std::vector<std::string> events;
  std::string step;
};

inline Uuid uuid_from(SimRandom& random) {
  Uuid uuid;
  for (auto& byte : uuid.bytes) byte = static_cast<std::byte>(random.next());
  return uuid;
}

inline std::string text_from(SimRandom& random, std::size_t longest) {
  return std::string(random.below(longest + 1), static_cast<char>('a' + random.below(26)));
}

/// One change, decided by the seed alone, done to the model and, through a
/// transaction, to the catalog.
class Step {
 public:
  Step(std::uint64_t seed, int number, Model& model, Transaction* transaction)
      : random_(seed * 1000003 + static_cast<std::uint64_t>(number)),
        number_(number),
        model_(model),
        transaction_(transaction) {}

  Outcome<> perform() {
    model_.step = std::to_string(number_);
    if (auto put = apply([&](auto& t) { return t.put_setting("step", model_.step); }); !put)
      return put;
    const auto parts = 1 + random_.below(4);
    for (std::uint64_t i = 0; i < parts; ++i)
      if (auto done = one_part(); !done) return done;
    return {};
  }

 private:
  template <class Call>
  Outcome<> apply(Call call) {
    return transaction_ != nullptr ? call(*transaction_) : Outcome<>();
  }

  Outcome<> one_part() {
    switch (random_.below(10)) {
      case 0:
      case 1: return put_lun();
      case 2: return erase_lun();
      case 3: return put_host();
      case 4: return add_grant();
      case 5:
      case 6: return cut_snapshot();
      case 7: return change_snapshot();
      case 8: return put_schedule();
      default: return add_event();
    }
  }

  Outcome<> put_lun() {
    const auto name = "lun-" + std::to_string(random_.below(8));
    auto [at, fresh] = model_.luns.try_emplace(name);
    auto& lun = at->second;
    if (fresh) lun.uuid = uuid_from(random_);
    lun.name = name;
    lun.store = "main";
    lun.file = name + ".img";
    lun.capacity = random_.next();
    lun.reason = text_from(random_, 3000);
    lun.resize.reset();
    if (random_.chance(30)) lun.resize = ResizeIntent{random_.next(), random_.next()};
    lun.kind = random_.chance(30) ? LunKind::clone : LunKind::disk;
    lun.origin.reset();
    if (lun.kind == LunKind::clone) lun.origin = uuid_from(random_);
    return apply([&](auto& t) { return t.put_lun(lun); });
  }

  Outcome<> erase_lun() {
    if (model_.luns.empty()) return {};
    auto victim = std::next(model_.luns.begin(),
                            static_cast<std::ptrdiff_t>(random_.below(model_.luns.size())));
    const auto lun = victim->second;
    model_.luns.erase(victim);
    std::erase_if(model_.grants, [&](const auto& grant) { return grant.first == lun.name; });
    for (auto& [name, schedule] : model_.schedules) std::erase(schedule.luns, lun.uuid);
    model_.last_numbers.erase(lun.uuid);
    std::vector<Uuid> snapshots;
    for (const auto& [uuid, snapshot] : model_.snapshots)
      if (snapshot.lun == lun.uuid) snapshots.push_back(uuid);
    for (const auto& uuid : snapshots) model_.snapshots.erase(uuid);
    return apply([&](auto& t) -> Outcome<> {
      for (const auto& uuid : snapshots)
        if (auto removed = t.remove_snapshot(uuid); !removed) return removed;
      return t.erase_lun(lun.uuid);
    });
  }

  Outcome<> cut_snapshot() {
    if (model_.luns.empty()) return {};
    auto owner = std::next(model_.luns.begin(),
                           static_cast<std::ptrdiff_t>(random_.below(model_.luns.size())));
    SnapshotRecord snapshot;
    snapshot.uuid = uuid_from(random_);
    snapshot.lun = owner->second.uuid;
    snapshot.sequence = ++model_.last_numbers[snapshot.lun];
    snapshot.name = "s" + std::to_string(snapshot.sequence);
    snapshot.details = text_from(random_, 2000);
    model_.snapshots[snapshot.uuid] = snapshot;
    return apply([&](auto& t) -> Outcome<> {
      auto number = t.next_snapshot_sequence(snapshot.lun);
      if (!number) return number.error();
      EXPECT_EQ(*number, snapshot.sequence);
      return t.put_snapshot(snapshot);
    });
  }

  /// Its state, or it is gone.
  Outcome<> change_snapshot() {
    if (model_.snapshots.empty()) return {};
    auto at = std::next(model_.snapshots.begin(),
                        static_cast<std::ptrdiff_t>(random_.below(model_.snapshots.size())));
    auto snapshot = at->second;
    if (random_.chance(50)) {
      model_.snapshots.erase(at);
      return apply([&](auto& t) { return t.remove_snapshot(snapshot.uuid); });
    }
    snapshot.state = static_cast<SnapshotState>(random_.below(4));
    snapshot.reason = text_from(random_, 200);
    at->second = snapshot;
    return apply([&](auto& t) { return t.put_snapshot(snapshot); });
  }

  Outcome<> put_schedule() {
    const auto name = "schedule-" + std::to_string(random_.below(3));
    if (random_.chance(20)) {
      model_.schedules.erase(name);
      return apply([&](auto& t) { return t.remove_schedule(name); });
    }
    auto& schedule = model_.schedules[name];
    schedule.name = name;
    schedule.state = text_from(random_, 500);
    schedule.luns.clear();
    for (const auto& [lun, record] : model_.luns)
      if (random_.chance(50)) schedule.luns.push_back(record.uuid);
    return apply([&](auto& t) { return t.put_schedule(schedule); });
  }

  Outcome<> put_host() {
    const auto id = 1 + random_.below(4);
    auto& host = model_.hosts[id];
    host.id = id;
    host.name = "host-" + std::to_string(id);
    host.chap_secret = text_from(random_, 16);
    host.iqns.clear();
    for (auto count = random_.below(4); count > 0; --count)
      host.iqns.push_back("iqn." + std::to_string(id) + ":" + std::to_string(count));
    return apply([&](auto& t) -> Outcome<> {
      auto put = t.put_host(host);
      if (!put) return put.error();
      return {};
    });
  }

  Outcome<> add_grant() {
    if (model_.luns.empty() || model_.hosts.empty()) return {};
    const auto& lun = model_.luns.begin()->second;
    const auto host = model_.hosts.rbegin()->first;
    model_.grants.emplace(lun.name, host);
    return apply([&](auto& t) { return t.put_grant({.lun = lun.uuid, .host = host}); });
  }

  Outcome<> add_event() {
    const auto text = text_from(random_, random_.chance(20) ? 60000 : 300);
    model_.events.push_back(text);
    return apply([&](auto& t) -> Outcome<> {
      auto added = t.add_event("kind", "object", "actor", text);
      if (!added) return added.error();
      return {};
    });
  }

  SimRandom random_;
  int number_;
  Model& model_;
  Transaction* transaction_;
};

/// The difference between the catalog and the model; empty if there is none.
inline std::string difference(Catalog& catalog, const Model& model) {
  auto luns = catalog.luns();
  auto hosts = catalog.hosts();
  auto grants = catalog.grants();
  auto snapshots = catalog.snapshots();
  auto schedules = catalog.schedules();
  auto events = catalog.events_after(0, 100000);
  auto step = catalog.setting("step");
  if (!luns || !hosts || !grants || !snapshots || !schedules || !events || !step)
    return "a query failed";
  if (step->value_or("") != model.step) return "step " + step->value_or("none");
  std::map<std::string, LunRecord> found_luns;
  std::map<Uuid, std::string> names;
  for (const auto& lun : *luns) found_luns[lun.name] = lun, names[lun.uuid] = lun.name;
  if (found_luns != model.luns) return "LUNs";
  std::map<std::uint64_t, HostRecord> found_hosts;
  for (const auto& host : *hosts) found_hosts[host.id] = host;
  if (found_hosts != model.hosts) return "hosts";
  std::set<std::pair<std::string, std::uint64_t>> found_grants;
  for (const auto& grant : *grants) found_grants.emplace(names[grant.lun], grant.host);
  if (found_grants != model.grants) return "grants";
  std::map<Uuid, SnapshotRecord> found_snapshots;
  for (const auto& snapshot : *snapshots) found_snapshots[snapshot.uuid] = snapshot;
  if (found_snapshots != model.snapshots) return "snapshots";
  std::map<std::string, ScheduleRecord> found_schedules;
  for (const auto& schedule : *schedules) found_schedules[schedule.name] = schedule;
  if (found_schedules != model.schedules) return "schedules";
  std::vector<std::string> texts;
  for (const auto& event : *events) texts.push_back(event.text);
  if (texts != model.events) return "events";
  return {};
}

}  // namespace caisson::catalog
