// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/snapshot/chain_scenario.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace caisson::tests {
namespace {

using State = ChainWorld::State;
using Bytes = std::vector<std::byte>;

constexpr std::uint64_t kSector = 512;
constexpr std::size_t kMostSnapshots = 9;

/// What a sector holds: every stamp looks different in every place.
void put_sector(std::byte* into, std::uint64_t sector, std::uint32_t stamp) {
  std::uint64_t word = stamp == 0 ? 0 : SimRandom(sector << 32 | stamp).next() | 1;
  for (std::size_t at = 0; at < kSector; at += sizeof word)
    std::memcpy(into + at, &word, sizeof word);
}

bool holds(const std::byte* found, std::uint64_t sector, std::uint32_t stamp) {
  std::byte wanted[kSector];
  put_sector(wanted, sector, stamp);
  return std::memcmp(found, wanted, kSector) == 0;
}

}  // namespace

const ChainScenario::Step ChainScenario::kSteps[] = {
    {36, "write", &ChainScenario::write},
    {6, "unmap", &ChainScenario::unmap},
    {6, "zeroes", &ChainScenario::zeroes},
    {6, "flush", &ChainScenario::flush},
    {9, "cut", &ChainScenario::cut},
    {6, "remove", &ChainScenario::remove},
    {3, "rename", &ChainScenario::rename},
    {18, "background", &ChainScenario::background},
    {2, "settle", &ChainScenario::settle},
    {8, "look", &ChainScenario::look},
    {4, "racing read", &ChainScenario::racing_read},
    {1, "shrink", &ChainScenario::shrink},
    {1, "grow", &ChainScenario::grow},
    {1, "restart", &ChainScenario::restart},
    {2, "fill store", &ChainScenario::fill_store},
    {1, "export", &ChainScenario::complete},
};

ChainScenario::ChainScenario(std::uint64_t seed)
    : seed_(seed), random_(seed), faulty_(random_.chance(30)) {
  SimOptions options;
  options.traits.clone = random_.chance(50);
  auto sectors = 1 + random_.below(random_.chance(20) ? 200 : 5000);
  options.capacity = faulty_ ? (4 << 20) + sectors * kSector * 4 : std::uint64_t{1} << 30;
  store_ = std::make_unique<SimStore>(options);
  world_.make_container(*store_, sectors * kSector);
  world_.policy.hosts_first = random_.chance(70);
  if (!options.traits.clone && random_.chance(70)) world_.index = state_.path() / "disk.db";
  live_.resize(sectors);
  note(fmt::format("{} sectors, {}, {}, {}", sectors, options.traits.clone ? "sharing" : "copying",
                   faulty_ ? "faulty" : "sound",
                   world_.policy.hosts_first ? "hosts" : "snapshots"));
}

void ChainScenario::run() {
  auto lives = 1 + random_.below(4);
  for (std::uint64_t i = 0; i < lives && !testing::Test::HasFailure(); ++i) live();
  if (!testing::Test::HasFailure()) finish();
  world_.end();
}

void ChainScenario::live() {
  begin();
  look_at_all();
  arm();
  auto most = 10 + random_.below(60);
  for (std::uint64_t i = 0; i < most && !ended() && !world_.failed && !testing::Test::HasFailure();
       ++i)
    step();
  if (!testing::Test::HasFailure()) die();
}

void ChainScenario::arm() {
  constexpr SimUnderWay kHow[] = {SimUnderWay::not_begun, SimUnderWay::partly, SimUnderWay::done};
  auto after = random_.below(random_.chance(50) ? 60 : 1500);
  store_->cut_at(store_->operations() + after, kHow[random_.below(3)]);
}

void ChainScenario::step() {
  unsigned sum = 0;
  for (const auto& step : kSteps) sum += step.weight;
  auto at = random_.below(sum);
  for (const auto& step : kSteps) {
    if (at < step.weight) {
      ++steps_;
      note(fmt::format("{}: {}", store_->operations(), step.name));
      (this->*step.perform)();
      break;
    }
    at -= step.weight;
  }
  forget_lost();
}

/// The process ends, or the machine.
void ChainScenario::die() {
  auto kill = random_.chance(30) && !world_.failed;  // what was lost shows only then
  auto left = world_.index + ".left";
  std::error_code none;
  std::filesystem::copy_file(world_.index, left, none);
  world_.end();  // which leaves an index behind as no dead process does
  if (!none) std::filesystem::rename(left, world_.index);
  ballast_.reset();
  note(kill ? "killed" : "power cut");
  store_ = kill ? store_->killed() : store_->power_cut(random_.next());
  if (!kill) lose_power();
  begin();
  Bytes all(live_.size() * kSector);
  ASSERT_EQ(world_.read_live(0, all), Error());
  for (std::uint64_t sector = 0; sector < live_.size(); ++sector)
    live_[sector] = expect_one_of(sector, all.data() + sector * kSector);
  if (!kill) unsure_.clear();
  look_at_all();
  world_.end();
}

/// What that leaves of the index is anything.
void ChainScenario::lose_power() {
  world_.boot += "1";
  if (world_.index.empty() || random_.chance(50)) return;
  std::error_code ignored;
  if (auto size = std::filesystem::file_size(world_.index, ignored); !ignored)
    std::filesystem::resize_file(world_.index, random_.below(size + 1), ignored);
}

void ChainScenario::begin() {
  world_.begin(*store_);
  forget_lost();
}

/// Sound again, and everything removed: all space comes back.
void ChainScenario::finish() {
  begin();
  ballast_.reset();
  store_->clear_faults();
  world_.settle();
  look_at_all();
  std::vector<Uuid> all;
  for (const auto& [uuid, row] : world_.rows)
    if (row.state != State::ghost && row.state != State::creating) all.push_back(uuid);
  for (const auto& uuid : all) {
    EXPECT_TRUE(world_.remove(uuid).has_value());
    kept_.erase(uuid);
    if (random_.chance(50)) world_.chain->step();
  }
  auto steps = world_.settle();
  EXPECT_LT(steps, 5000U);
  EXPECT_TRUE(world_.rows.empty());
  if (auto left = store_->list(".snapshots/disk"))
    for (const auto& entry : *left) ADD_FAILURE() << entry.name << " is left";
  auto space = *store_->space();
  EXPECT_EQ(space.capacity - space.available, store_->look_up("disk.img")->allocated);
}

bool ChainScenario::answered(bool success, const std::string& why) {
  if (!success && !ended() && !faulty_) ADD_FAILURE() << why;
  return success;
}

ChainScenario::Range ChainScenario::some_range(std::uint64_t most) {
  auto first = random_.below(live_.size());
  if (random_.chance(30)) first = first / 128 * 128;
  auto limit = std::min<std::uint64_t>(most, live_.size() - first);
  return {first, 1 + random_.below(limit)};
}

Uuid ChainScenario::some_snapshot() {
  std::vector<std::pair<std::uint64_t, Uuid>> all;
  for (const auto& [uuid, stamps] : kept_) all.emplace_back(world_.rows[uuid].sequence, uuid);
  std::ranges::sort(all);
  return all.empty() ? Uuid() : all[random_.below(all.size())].second;
}

// Changes of the disk.

void ChainScenario::write() {
  auto kind = random_.below(10);
  auto range = some_range(kind < 6 ? 16 : kind < 9 ? 128 : 1024);
  auto stamp = ++last_stamp_;
  Bytes data(range.count * kSector);
  for (std::uint64_t i = 0; i < range.count; ++i)
    put_sector(data.data() + i * kSector, range.first + i, stamp);
  changed(range, stamp, world_.write(range.first * kSector, data));
}

void ChainScenario::unmap() {
  auto range = some_range(random_.chance(20) ? live_.size() : 300);
  changed(range, 0,
          world_.change(block::IoOp::unmap, range.first * kSector, range.count * kSector));
}

void ChainScenario::zeroes() {
  auto range = some_range(200);
  changed(range, 0,
          world_.change(block::IoOp::write_zeroes, range.first * kSector, range.count * kSector));
}

/// What failed may have been done in part.
void ChainScenario::changed(const Range& range, std::uint32_t stamp, const Error& error) {
  note(fmt::format("  {}+{} = {} {}", range.first, range.count, stamp,
                   error ? error.message() : ""));
  for (auto sector = range.first; sector < range.first + range.count; ++sector) {
    auto& unsure = unsure_[sector];
    unsure.push_back(live_[sector]);
    if (error)
      unsure.push_back(stamp);
    else
      live_[sector] = stamp;
  }
  if (!answered(!error, "a change failed: " + error.message()) && !ended()) read_back(range);
}

void ChainScenario::read_back(const Range& range) {
  Bytes data(range.count * kSector);
  if (auto error = world_.read_live(range.first * kSector, data)) {
    answered(false, error.message());
    return;
  }
  for (std::uint64_t i = 0; i < range.count; ++i)
    live_[range.first + i] = expect_one_of(range.first + i, data.data() + i * kSector);
}

std::uint32_t ChainScenario::expect_one_of(std::uint64_t sector, const std::byte* found) {
  if (holds(found, sector, live_[sector])) return live_[sector];
  for (auto stamp : unsure_[sector])
    if (holds(found, sector, stamp)) {
      unsure_[sector].push_back(live_[sector]);
      return stamp;
    }
  ADD_FAILURE() << "sector " << sector << " of the disk holds what was never written to it";
  return 0;
}

void ChainScenario::flush() {
  if (auto error = world_.flush(); answered(!error, error.message())) unsure_.clear();
}

void ChainScenario::shrink() {
  store_->clear_faults();
  auto sectors = 1 + random_.below(live_.size());
  if (!answered(world_.shrink(sectors * kSector).has_value(), "cannot be shrunk") || ended())
    return;
  note(fmt::format("  to {}", sectors));
  live_.resize(sectors);
  unsure_.clear();  // all of the file was synced
  arm();
}

void ChainScenario::grow() {
  store_->clear_faults();
  auto sectors = live_.size() + random_.below(500);
  world_.grow(sectors * kSector);
  if (ended()) return;
  note(fmt::format("  to {}", sectors));
  live_.resize(sectors);
  unsure_.clear();
  arm();
}

// Snapshots.

void ChainScenario::cut() {
  if (kept_.size() >= kMostSnapshots) return;
  auto name = fmt::format("s{}", ++names_);
  auto made = world_.cut(name);
  if (!answered(made.has_value(), made ? "" : made.error().message)) return;
  note("  " + name);
  kept_[*made] = live_;
  unsure_.clear();  // the container was flushed
}

void ChainScenario::remove() {
  auto snapshot = some_snapshot();
  if (snapshot.nil()) return;
  note("  " + world_.rows[snapshot].name);
  auto removed = world_.remove(snapshot);
  answered(removed.has_value(), removed ? "" : removed.error().message);
  if (world_.rows[snapshot].state == State::ghost) kept_.erase(snapshot);
}

void ChainScenario::rename() {
  auto snapshot = some_snapshot();
  if (snapshot.nil()) return;
  auto renamed = world_.rename(snapshot, fmt::format("r{}", ++names_));
  answered(renamed.has_value(), renamed ? "" : renamed.error().message);
}

void ChainScenario::background() {
  for (auto steps = 1 + random_.below(5); steps != 0; --steps) world_.chain->step();
}

void ChainScenario::settle() {
  for (int i = 0; i < 2000 && world_.chain->step(); ++i) {
  }
}

/// Lost ones are no business of the model's any more, but there must be a reason.
void ChainScenario::forget_lost() {
  std::erase_if(kept_, [&](const auto& one) {
    auto row = world_.rows.find(one.first);
    bool lost = row == world_.rows.end() || row->second.state == State::invalid;
    if (lost && !faulty_)
      ADD_FAILURE() << "a snapshot is lost: "
                    << (row == world_.rows.end() ? "no row" : row->second.reason);
    if (lost) note("  lost");
    return lost;
  });
}

/// Everything else fits no more; and some operation fails.
void ChainScenario::fill_store() {
  if (!faulty_) return;
  if (ballast_) {
    ballast_.reset();
    return store_->clear_faults();
  }
  auto file = store_->create_unnamed();
  if (!file) return;
  ballast_ = std::move(*file);
  auto available = store_->space()->available;
  auto keep = random_.below(100) * 4096;
  (void)file_store::apply(*ballast_, file_store::FileOp::allocate, 0,
                          available > keep ? available - keep : 4096);
  if (random_.chance(50))
    store_->inject(
        {.skip = random_.below(50), .times = 1, .error = random_.chance(50) ? EIO : ENOSPC});
}

/// Some way to a whole image, or all of it.
void ChainScenario::complete() {
  auto snapshot = some_snapshot();
  if (snapshot.nil()) return;
  note("  " + world_.rows[snapshot].name);
  auto most = random_.chance(50) ? 3 : 300;
  for (int steps = 0; steps < most && kept_.contains(snapshot); ++steps) {
    auto left = world_.chain->complete_some(snapshot);
    forget_lost();
    if (!kept_.contains(snapshot)) return;
    if (!answered(left.has_value(), left ? "" : left.error().message) || *left == 0) return;
  }
}

void ChainScenario::restart() {
  world_.end();
  begin();
}

// What is looked at.

void ChainScenario::look() {
  auto snapshot = some_snapshot();
  if (snapshot.nil()) return;
  auto size = kept_[snapshot].size(), first = random_.below(size);
  look_at(snapshot, {first, 1 + random_.below(std::min<std::uint64_t>(size - first, 700))});
}

/// A host writes while what stands there is being read.
void ChainScenario::racing_read() {
  auto snapshot = some_snapshot();
  if (snapshot.nil()) return;
  auto range = some_range(64);
  auto limit = std::min(range.first + range.count, kept_[snapshot].size());
  if (limit <= range.first) return;
  world_.hook->before_read = [&](const block::IoRequest&) {
    Bytes data(range.count * kSector);
    auto stamp = ++last_stamp_;
    for (std::uint64_t i = 0; i < range.count; ++i)
      put_sector(data.data() + i * kSector, range.first + i, stamp);
    changed(range, stamp, world_.write(range.first * kSector, data));
    forget_lost();
  };
  look_at(snapshot, {range.first, limit - range.first});
  if (world_.hook) world_.hook->before_read = nullptr;
}

void ChainScenario::look_at(const Uuid& snapshot, const Range& range) {
  Bytes data(range.count * kSector);
  auto got = world_.read(snapshot, range.first * kSector, data);
  if (!kept_.contains(snapshot)) return;  // lost meanwhile
  if (!answered(got.has_value(), got ? "" : got.error().message)) return;
  for (std::uint64_t i = 0; i < range.count; ++i) {
    auto sector = range.first + i;
    if (holds(data.data() + i * kSector, sector, kept_[snapshot][sector])) continue;
    ADD_FAILURE() << "sector " << sector << " of snapshot '" << world_.rows[snapshot].name
                  << "' is not what it was at the cut";
    return;
  }
}

void ChainScenario::look_at_file(const Uuid& snapshot) {
  const auto& row = world_.rows[snapshot];
  const auto& stamps = kept_[snapshot];
  auto found = store_->look_up(world_.path(row.name + ".img"));
  ASSERT_TRUE(found.has_value()) << row.name << " is whole and has no file";
  EXPECT_EQ(found->size, stamps.size() * kSector);
  EXPECT_TRUE(found->read_only);
  auto content = store_->content(world_.path(row.name + ".img"));
  for (std::uint64_t sector = 0; sector < stamps.size(); ++sector)
    if (!holds(content.data() + sector * kSector, sector, stamps[sector])) {
      ADD_FAILURE() << "sector " << sector << " of " << row.name << ".img is wrong";
      return;
    }
}

void ChainScenario::look_at_all() {
  auto all = kept_;
  for (const auto& [uuid, stamps] : all) {
    look_at(uuid, {0, stamps.size()});
    if (kept_.contains(uuid) && world_.rows[uuid].whole && !ended() && !faulty_) look_at_file(uuid);
  }
}

}  // namespace caisson::tests
