// SPDX-License-Identifier: Apache-2.0
// Its lives.
#include "tests/fault/snapshot/gateway_model_scenario.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace caisson::tests {
namespace {

constexpr int kMostJobs = 3000;  // a life's background has ended long before

}  // namespace

const GatewayScenario::Step GatewayScenario::kSteps[] = {
    {30, "write", &GatewayScenario::write},        {5, "unmap", &GatewayScenario::unmap},
    {5, "zeroes", &GatewayScenario::zeroes},       {5, "flush", &GatewayScenario::flush},
    {4, "read", &GatewayScenario::read_some},      {1, "create", &GatewayScenario::create_lun},
    {2, "delete", &GatewayScenario::delete_lun},   {6, "cut", &GatewayScenario::cut},
    {5, "cut group", &GatewayScenario::cut_group}, {6, "remove", &GatewayScenario::remove},
    {2, "rename", &GatewayScenario::rename},       {1, "lock", &GatewayScenario::lock},
    {3, "restore", &GatewayScenario::restore},     {3, "clone", &GatewayScenario::clone},
    {1, "export", &GatewayScenario::exported},     {14, "background", &GatewayScenario::background},
    {2, "settle", &GatewayScenario::settle},       {5, "look", &GatewayScenario::look_at_some},
    {3, "diff", &GatewayScenario::diff},
};

GatewayScenario::GatewayScenario(std::uint64_t seed, ModelDisks& disks, unsigned steps_of_life)
    : random_(seed), disks_(disks), steps_of_life_(steps_of_life) {}

void GatewayScenario::run() {
  begin();
  for (auto luns = 1 + random_.below(3); luns != 0; --luns) create_lun("");
  for (auto lives = 1 + random_.below(4); lives != 0 && !testing::Test::HasFailure(); --lives)
    live();
  if (!testing::Test::HasFailure()) finish();
  process_.reset();
}

void GatewayScenario::live() {
  if (disks_.has_power() && random_.chance(80))
    disks_.arm(random_, random_.chance(40) ? 100 : 1500);
  for (auto left = 1 + random_.below(steps_of_life_); left != 0 && !stopped(); --left) step();
  if (testing::Test::HasFailure()) return;
  end();
  begin();
}

void GatewayScenario::step() {
  unsigned sum = 0;
  for (const auto& step : kSteps) sum += step.weight;
  auto drawn = random_.below(sum);
  const auto* step = kSteps;
  for (; drawn >= step->weight; ++step) drawn -= step->weight;
  ++steps_;
  if (luns_.empty()) return create_lun("");
  auto which = static_cast<std::ptrdiff_t>(random_.below(luns_.size()));
  auto name = std::next(luns_.begin(), which)->first;
  note(fmt::format("{}: {} {}", steps_, step->name, name));
  (this->*step->perform)(name);
}

/// The process ends: it stops, or is killed, or the machine's power is gone.
void GatewayScenario::end() {
  const bool stop = !disks_.dead() && random_.chance(30);
  power_cut_ = !stop && disks_.has_power() && random_.chance(70);
  power_cut_since_ |= power_cut_;
  note(stop ? "stopped" : power_cut_ ? "power cut" : "killed");
  if (stop)
    if (auto stopped = process_->stop(); !stopped && !disks_.dead())
      ADD_FAILURE() << stopped.error().message;
  if (!stop) disks_.kill();
  process_.reset();
  if (!stop && !disks_.index_directory.empty()) {  // it is closed now as by no dead process
    std::filesystem::remove_all(disks_.index_directory);
    std::filesystem::create_directories(disks_.index_directory);
  }
  disks_.bring_back(power_cut_, random_);
}

/// A start may itself be cut.
void GatewayScenario::begin() {
  for (int tries = 0; !testing::Test::HasFailure(); ++tries) {
    if (tries < 3 && disks_.has_power() && random_.chance(20)) disks_.arm(random_, 60);
    if (try_begin()) return disks_.disarm();
    if (testing::Test::HasFailure()) return;
    note("  cut in the midst of a start");
    end();
  }
}

/// False: it has not come to its end.
bool GatewayScenario::try_begin() {
  process_ = std::make_unique<ModelProcess>(disks_, clock_);
  if (process_->failure() && !disks_.dead())
    ADD_FAILURE() << "no start: " << process_->failure()->message;
  if (stopped()) return false;
  if (unanswered_) unanswered_();
  if (stopped()) return false;
  unanswered_ = nullptr;
  look_at_all();
  if (!stopped()) finish_restores();
  return !stopped();
}

/// What a start goes on with: until then hosts are kept out.
void GatewayScenario::finish_restores() {
  for (auto& [name, lun] : luns_) {
    if (lun.restoring.empty()) continue;
    note(fmt::format("  the restore of {} goes on", name));
    auto under_way = [&, &lun_name = name] {
      return process_->registry().find(lun_name)->record.restoring.has_value();
    };
    for (int jobs = 0; jobs < kMostJobs && under_way() && !stopped(); ++jobs)
      process_->background(random_);
    if (stopped()) return;
    ASSERT_FALSE(under_way()) << "the restore of " << name << " is never finished";
    look_at_restore(name);
    look_at_lun(name);
  }
}

void GatewayScenario::finish_clones() {
  auto some_fill = [&] {
    return std::ranges::any_of(luns_, [&](const auto& lun) { return filling(lun.first); });
  };
  for (int jobs = 0; jobs < kMostJobs && some_fill(); ++jobs) process_->background(random_);
  EXPECT_FALSE(some_fill()) << "a clone is never filled";
}

void GatewayScenario::remove_all_snapshots() {
  clock_.pass(std::chrono::hours(1));  // all locks have ended
  for (auto& [name, lun] : luns_) {
    for (const auto& [snapshot, kept] : lun.snapshots) {
      auto removed = process_->snapshots().remove(name, snapshot, false);
      EXPECT_TRUE(removed) << name << "@" << snapshot << ": " << removed.error().message;
      if (random_.chance(30)) process_->background(random_);
    }
    lun.snapshots.clear();
  }
}

/// With everything filled and all snapshots removed nothing is left of them.
void GatewayScenario::finish() {
  finish_clones();
  remove_all_snapshots();
  auto rows = [&] { return process_->catalog().snapshots()->size(); };
  for (int jobs = 0; jobs < kMostJobs && rows() != 0; ++jobs) process_->background(random_);
  EXPECT_EQ(rows(), 0u) << "snapshots that were deleted never go";
  for (int jobs = 0; jobs < 100; ++jobs) process_->background(random_);  // the last names
  for (const auto& [name, lun] : luns_) {
    auto* store = process_->registry().store(fmt::format("store-{}", lun.store));
    if (auto files = store->list(".snapshots/" + name))
      for (const auto& file : *files) ADD_FAILURE() << file.name << " of " << name << " is left";
    look_at_lun(name);
  }
}

}  // namespace caisson::tests
