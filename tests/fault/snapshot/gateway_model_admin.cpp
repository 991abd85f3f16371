// SPDX-License-Identifier: Apache-2.0
// What administrators do with snapshots.
#include <fmt/format.h>

#include <algorithm>

#include "storage_object/base/errc.hpp"
#include "tests/fault/snapshot/gateway_model_scenario.hpp"

namespace caisson::tests {
namespace {

constexpr std::size_t kMostSnapshots = 6;  // of a LUN
constexpr std::size_t kMostLuns = 4;

bool in(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

std::string GatewayScenario::some_snapshot(const std::string& lun) {
  const auto& all = luns_.at(lun).snapshots;
  if (all.empty()) return {};
  return std::next(all.begin(), static_cast<std::ptrdiff_t>(random_.below(all.size())))->first;
}

bool GatewayScenario::filling(const std::string& lun) {
  auto found = process_->registry().find(lun);
  return found && found->record.kind == catalog::LunKind::clone;
}

/// Whether something reads from it that cannot do without it yet.
bool GatewayScenario::used(const std::string& lun, const std::string& snapshot) {
  auto view = process_->snapshots().show(lun, snapshot);
  if (!view) return false;
  return std::ranges::any_of(process_->registry().list(), [&](const auto& other) {
    return other.record.kind == catalog::LunKind::clone && other.record.origin == view->record.uuid;
  });
}

std::vector<std::string> GatewayScenario::names_in_list(const std::string& lun) {
  std::vector<std::string> names;
  auto list = process_->snapshots().list(lun);
  if (!answered(list)) return names;
  for (const auto& view : *list) names.push_back(view.record.name);
  return names;
}

void GatewayScenario::cut(const std::string& lun) { cut_all({lun}); }

void GatewayScenario::cut_group(const std::string& lun) {
  std::vector<std::string> group{lun};
  for (const auto& [name, other] : luns_)
    if (name != lun && random_.chance(80)) group.push_back(name);
  cut_all(group);
}

/// All or none, whatever comes between.
void GatewayScenario::cut_all(const std::vector<std::string>& luns) {
  for (const auto& lun : luns)
    if (luns_.at(lun).snapshots.size() >= kMostSnapshots) return;
  const bool refused = std::ranges::any_of(luns, [&](const auto& lun) { return filling(lun); });
  auto name = fmt::format("s{}", ++names_);
  note("  " + name);
  auto keep = [this, luns, name] {
    for (const auto& lun : luns) luns_.at(lun).snapshots[name].image = luns_.at(lun).live;
  };
  auto made = process_->snapshots().create({.luns = luns, .name = name});
  if (refused) {
    EXPECT_FALSE(made.has_value()) << "a clone that is not filled was cut";
    return;
  }
  if (answered(made)) {
    keep();
    for (const auto& lun : luns) luns_.at(lun).unsure.clear();  // it was flushed
    return;
  }
  std::map<std::string, Image> images;
  for (const auto& lun : luns) images[lun] = luns_.at(lun).live;
  unanswered_ = [this, name, images] {
    std::size_t there = 0;
    for (const auto& [lun, image] : images) {
      if (!in(names_in_list(lun), name)) continue;
      ++there;
      luns_.at(lun).snapshots[name].image = image;
    }
    if (there != 0 && there != images.size() && !stopped())
      ADD_FAILURE() << "a part of group " << name;
  };
}

void GatewayScenario::remove(const std::string& lun) {
  auto snapshot = some_snapshot(lun);
  if (snapshot.empty()) return;
  note("  " + snapshot);
  const bool locked = luns_.at(lun).snapshots.at(snapshot).locked, read = used(lun, snapshot);
  auto removed = process_->snapshots().remove(lun, snapshot, false);
  if (!removed && (locked || read) && removed.error().code == Errc::in_use) return;
  EXPECT_FALSE(removed && (locked || read)) << snapshot << " was deleted, locked: " << locked;
  if (answered(removed)) {
    luns_.at(lun).snapshots.erase(snapshot);
    return;
  }
  unanswered_ = [this, lun, snapshot] {
    if (!in(names_in_list(lun), snapshot)) luns_.at(lun).snapshots.erase(snapshot);
  };
}

void GatewayScenario::rename(const std::string& lun) {
  auto snapshot = some_snapshot(lun);
  if (snapshot.empty()) return;
  auto to = fmt::format("r{}", ++names_);
  note(fmt::format("  {} to {}", snapshot, to));
  auto rename = [this, lun, snapshot, to] {
    auto& all = luns_.at(lun).snapshots;
    auto node = all.extract(snapshot);
    node.key() = to;
    all.insert(std::move(node));
    for (auto& [name, other] : luns_)
      if (name == lun && other.restoring == snapshot) other.restoring = to;
  };
  if (answered(process_->snapshots().rename(lun, snapshot, to, false))) return rename();
  unanswered_ = [this, lun, to, rename] {
    if (in(names_in_list(lun), to)) rename();
  };
}

void GatewayScenario::lock(const std::string& lun) {
  auto snapshot = some_snapshot(lun);
  if (snapshot.empty()) return;
  note("  " + snapshot);
  auto locked = process_->snapshots().lock(lun, snapshot, std::chrono::minutes(1));
  if (answered(locked)) {
    luns_.at(lun).snapshots.at(snapshot).locked = true;
    return;
  }
  unanswered_ = [this, lun, snapshot] {
    auto view = process_->snapshots().show(lun, snapshot);
    if (answered(view))
      luns_.at(lun).snapshots.at(snapshot).locked = view->record.locked_until != 0;
  };
}

void GatewayScenario::restore(const std::string& name) {
  auto& lun = luns_.at(name);
  auto snapshot = some_snapshot(name);
  if (snapshot.empty() || filling(name)) return;
  const bool keep = random_.chance(60) && lun.snapshots.size() < kMostSnapshots;
  note(fmt::format("  {} {}", snapshot, keep ? "keeping the state" : ""));
  const auto image = lun.snapshots.at(snapshot).image, before = lun.live;
  auto kept = process_->snapshots().restore(name, snapshot, {.force = true, .keep_state = keep});
  if (answered(kept)) {
    EXPECT_EQ(kept->empty(), !keep);
    if (keep) lun.snapshots[*kept].image = before;
    lun.now(image);
    return;
  }
  unanswered_ = [this, name, snapshot, image, before, keep] {
    auto& restored = luns_.at(name);
    bool has_state = false;
    for (const auto& there : names_in_list(name))
      if (!restored.snapshots.contains(there))
        restored.snapshots[there].image = before, has_state = true;
    if (stopped()) return;
    if (process_->registry().find(name)->record.restoring) {
      restored.restoring = snapshot;
      EXPECT_TRUE(has_state || !keep) << "a restore began before the state was kept";
    } else if (looks_like(name, image)) {
      restored.now(image);
    }
  };
}

void GatewayScenario::clone(const std::string& name) {
  auto snapshot = some_snapshot(name);
  if (snapshot.empty() || luns_.size() >= kMostLuns) return;
  auto to = fmt::format("lun{}", ++numbers_);
  ModelLun lun{.number = numbers_, .store = random_.below(ModelDisks::kStores)};
  lun.live = luns_.at(name).snapshots.at(snapshot).image;
  note(fmt::format("  {} as {} on store {}", snapshot, to, lun.store));
  auto made = process_->engine().clone({.lun = name,
                                        .snapshot = snapshot,
                                        .name = to,
                                        .store = fmt::format("store-{}", lun.store),
                                        .location = {},
                                        .dry_run = false});
  if (answered(made)) {
    luns_[to] = lun;
    return;
  }
  unanswered_ = [this, to, lun] {
    if (process_->registry().find(to)) luns_[to] = lun;
  };
}

void GatewayScenario::exported(const std::string& lun) {
  auto snapshot = some_snapshot(lun);
  if (snapshot.empty()) return;
  note("  " + snapshot);
  auto view = process_->snapshots().export_to(lun, snapshot);
  if (answered(view)) look_at_file(lun, *view, luns_.at(lun).snapshots.at(snapshot).image);
}

}  // namespace caisson::tests
