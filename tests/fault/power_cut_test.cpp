// SPDX-License-Identifier: Apache-2.0
// A gateway does what administrators and hosts ask for, the power fails at any
// operation of the disk, and what the next start finds is compared with a model.
// Catalog and containers lie on one simulated disk, so both are cut at once.
//
//   CAISSON_SEED=N   run that one scenario (the number a failure prints)
//   CAISSON_CUTS=N   so many scenarios (default 2000 of up to six cuts each; fifteen times with
//                    CAISSON_LONG)
#include <gtest/gtest.h>

#include <cstdlib>

#include "storage_object/base/log.hpp"
#include "storage_object/format/trailer.hpp"
#include "tests/fault/model.hpp"
#include "tests/support/sim_random.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using catalog::CacheMode;
using catalog::LunState;

constexpr std::uint64_t kUnit = 4096;

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// One life of a gateway after the other on disks that lose their power.
class Scenario {
 public:
  explicit Scenario(std::uint64_t seed) : random_(seed), disk_(fresh_disk()) {}

  void run() {
    live(/*cut=*/false);
    for (int generation = 0; generation < 3 && !::testing::Test::HasFailure(); ++generation) {
      live(/*cut=*/true);
      if (::testing::Test::HasFailure()) return;
      // The same moment in another way first: only looked at.
      auto other = disk_->power_cut(random_.next());
      auto models = luns_;
      look(*other, models);
      auto next = disk_->power_cut(random_.next());
      disk_ = std::move(next);
      look(*disk_, luns_);
    }
  }

 private:
  std::unique_ptr<SimStore> fresh_disk() {
    SimOptions options;
    options.traits.punch = random_.chance(70);
    options.traits.zero = random_.chance(70);
    options.traits.direct_alignment = random_.chance(50) ? 512 : 4096;
    return std::make_unique<SimStore>(options);
  }

  /// A gateway runs until its script ends or the power does.
  void live(bool cut) {
    Machine machine(*disk_);
    ASSERT_FALSE(machine.failure()) << machine.failure()->message;
    if (cut) disk_->cut_at(disk_->operations() + random_.below(250));
    for (std::uint64_t steps = 4 + random_.below(12); steps > 0 && !disk_->is_cut(); --steps) {
      step(machine);
      if (::testing::Test::HasFailure()) return;
    }
    if (cut && !disk_->is_cut()) disk_->cut_now();
    if (!cut) {
      ASSERT_TRUE(machine.registry().stop());
      for (auto& lun : luns_) lun.flushed();
    }
  }

  void step(Machine& machine) {
    if (luns_.empty() || (luns_.size() < 3 && random_.chance(8))) return create(machine);
    auto& lun = luns_[random_.below(luns_.size())];
    if (!lun.may_be_there) return;
    switch (random_.below(16)) {
      case 0:
      case 1: return resize(machine, lun, random_.below(40) * kSector);
      case 2: return resize(machine, lun, random_.below(64) * kUnit);
      case 3: return rename(machine, lun);
      case 4: return random_.chance(25) ? remove(machine, lun) : update(machine, lun);
      case 5:
      case 6: return flush_all(machine, lun);
      case 7:
      case 8: return forge(machine, lun);
      case 9: return zeroes(machine, lun);
      default: return write_some(machine, lun);
    }
  }

  std::string fresh_name() { return "lun" + std::to_string(++names_); }

  void create(Machine& machine) {
    LunModel lun;
    auto name = fresh_name();
    constexpr CacheMode kModes[] = {CacheMode::writeback, CacheMode::none, CacheMode::writethrough};
    auto mode = kModes[random_.below(3)];
    auto capacity = kSector * (1 + random_.below(500));
    auto made = machine.registry().create({.name = name, .capacity = capacity, .cache = mode});
    if (!made) {
      ASSERT_TRUE(disk_->is_cut()) << made.error().message;
      unfinished_.insert(name);
      return;
    }
    lun.uuid = made->record.uuid;
    lun.names = {name};
    lun.capacities = {capacity};
    lun.target_name = made->record.target_name;
    lun.write_through = mode == CacheMode::writethrough;
    luns_.push_back(lun);
  }

  void resize(Machine& machine, LunModel& lun, std::uint64_t by) {
    auto from = *lun.capacities.begin();
    bool grows = random_.chance(50) || by >= from;
    auto to = grows ? from + by : from - by;
    lun.capacities = {from, to};
    if (!machine.registry().resize(*lun.names.begin(), to, true)) {
      ASSERT_TRUE(disk_->is_cut());
      return;
    }
    lun.capacities = {to};
    lun.cut_off(to);
  }

  void rename(Machine& machine, LunModel& lun) {
    auto from = *lun.names.begin(), to = fresh_name();
    lun.names = {from, to};
    if (!machine.registry().rename(from, to)) {
      ASSERT_TRUE(disk_->is_cut());
      return;
    }
    lun.names = {to};
  }

  void remove(Machine& machine, LunModel& lun) {
    lun.may_be_gone = true;
    if (!machine.registry().remove(*lun.names.begin())) {
      ASSERT_TRUE(disk_->is_cut());
      return;
    }
    lun.may_be_there = false;
  }

  void update(Machine& machine, LunModel& lun) {
    auto done = machine.registry().set(*lun.names.begin(),
                                       {.location = "rack " + std::to_string(random_.below(99))});
    ASSERT_TRUE(done || disk_->is_cut());
  }

  block::BlockDevice* device(Machine& machine, const LunModel& lun) {
    auto object = machine.object(*lun.names.begin());
    if (!object) ADD_FAILURE() << "not served";
    held_ = object;
    return object.get();
  }

  void write_bytes(Machine& machine, LunModel& lun, std::uint64_t offset,
                   std::span<const std::byte> data) {
    auto* target = device(machine, lun);
    if (target == nullptr) return;
    bool fua = random_.chance(25);
    auto error = write(*target, offset, data, fua);
    ASSERT_TRUE(!error || disk_->is_cut()) << error.message();
    lun.wrote(offset, data, !error && (fua || lun.write_through));
  }

  void write_some(Machine& machine, LunModel& lun) {
    auto sectors = *lun.capacities.begin() / kSector;
    auto first = random_.below(sectors);
    auto count = 1 + random_.below(std::min<std::uint64_t>(sectors - first, 40));
    auto data = filled(count * kSector, static_cast<int>(random_.below(256)));
    auto stamp = random_.next();
    for (std::size_t at = 0; at < data.size(); at += kSector)
      std::memcpy(data.data() + at, &stamp, sizeof stamp);
    write_bytes(machine, lun, first * kSector, data);
  }

  /// A slot as perfect as only the owner could make it, where a trailer of
  /// another capacity would stand.
  void forge(Machine& machine, LunModel& lun) {
    auto capacity = *lun.capacities.begin();
    format::Slot slot;
    slot.generation = 1000 + random_.below(1000);
    slot.uuid = lun.uuid;
    slot.capacity = kSector * (1 + random_.below(capacity / kSector));
    slot.message.mutable_identity()->set_target_name(lun.target_name);
    slot.message.set_logical_block(512);
    unsigned index = random_.chance(50);
    auto bytes = format::encode_slot(slot, index).value();
    auto at = format::slot_position(format::trailer_position(slot.capacity), index);
    if (at + bytes.size() <= capacity) write_bytes(machine, lun, at, bytes.span());
  }

  void zeroes(Machine& machine, LunModel& lun) {
    auto* target = device(machine, lun);
    if (target == nullptr) return;
    auto sectors = *lun.capacities.begin() / kSector;
    auto first = random_.below(sectors);
    auto count = 1 + random_.below(std::min<std::uint64_t>(sectors - first, 64));
    auto error = simple(*target, block::IoOp::write_zeroes, first * kSector, count * kSector,
                        random_.chance(50));
    ASSERT_TRUE(!error || disk_->is_cut()) << error.message();
    lun.wrote(first * kSector, filled(count * kSector, 0), !error && lun.write_through);
  }

  void flush_all(Machine& machine, LunModel& lun) {
    auto* target = device(machine, lun);
    if (target == nullptr) return;
    auto error = flush(*target);
    ASSERT_TRUE(!error || disk_->is_cut()) << error.message();
    if (!error) lun.flushed();
  }

  /// Starts a gateway on what the cut left, compares, and takes what it found
  /// for the truth from now on.
  void look(SimStore& disk, std::vector<LunModel>& luns) {
    Machine machine(disk);
    ASSERT_FALSE(machine.failure()) << machine.failure()->message;
    std::set<std::string> files;
    for (const auto& found : machine.registry().list()) {
      ASSERT_TRUE(found.object) << found.record.name << ": " << found.reason;
      ASSERT_EQ(found.state, LunState::online) << found.reason;
      files.insert(found.record.file);
      auto model = std::ranges::find(luns, found.record.uuid, &LunModel::uuid);
      if (model == luns.end()) {  // a creation that was not answered, but came through
        ASSERT_TRUE(unfinished_.contains(found.record.name)) << found.record.name;
        luns.push_back({.uuid = found.record.uuid,
                        .names = {found.record.name},
                        .capacities = {found.record.capacity},
                        .target_name = found.record.target_name,
                        .write_through = found.record.cache == CacheMode::writethrough});
        model = std::prev(luns.end());
      }
      compare(found, *model);
      if (::testing::Test::HasFailure()) return;
    }
    for (const auto& lun : luns) {
      if (lun.may_be_gone) continue;
      ASSERT_TRUE(machine.registry().find(*lun.names.begin())) << "lost: " << *lun.names.begin();
    }
    std::erase_if(luns, [&](const LunModel& lun) {
      return !machine.registry().find(*lun.names.begin()).has_value();
    });
    auto entries = disk.list("").value();
    for (const auto& entry : entries) {
      bool ours = !entry.name.ends_with(".img") || files.contains(entry.name);
      ASSERT_TRUE(ours) << "left behind: " << entry.name;
    }
  }

  void compare(const object::LunView& found, LunModel& lun) {
    const auto& row = found.record;
    ASSERT_TRUE(lun.may_be_there) << row.name << " is back";
    ASSERT_TRUE(lun.names.contains(row.name)) << row.name;
    ASSERT_EQ(row.file, row.name + ".img");
    ASSERT_TRUE(lun.capacities.contains(row.capacity)) << row.capacity;
    ASSERT_EQ(found.object->geometry().capacity, row.capacity);
    ASSERT_EQ(found.object->identity()->target_name, lun.target_name);
    auto data = filled(row.capacity, 0xee);
    ASSERT_FALSE(read(*found.object, 0, data));
    LunModel seen{.uuid = lun.uuid,
                  .names = {row.name},
                  .capacities = {row.capacity},
                  .target_name = lun.target_name,
                  .write_through = lun.write_through};
    for (std::uint64_t number = 0; number < row.capacity / kSector; ++number) {
      auto print = fingerprint(std::span(data).subspan(number * kSector, kSector));
      ASSERT_TRUE(lun.allows(number, print)) << row.name << " sector " << number;
      if (print != LunModel::zeros()) seen.sectors[number] = {print};
    }
    lun = std::move(seen);
  }

  SimRandom random_;
  std::unique_ptr<SimStore> disk_;
  std::vector<LunModel> luns_;
  std::set<std::string> unfinished_;
  std::shared_ptr<object::StorageObject> held_;
  int names_ = 0;
};

TEST(PowerCut, WhatWasAcknowledgedIsFoundAndNothingElse) {
  log::set_level(log::Level::error);
  auto first = number_from("CAISSON_SEED", 1);
  auto count = std::getenv("CAISSON_SEED")
                   ? 1
                   : number_from("CAISSON_CUTS", std::getenv("CAISSON_LONG") ? 30000 : 2000);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Scenario(seed).run();
    ASSERT_FALSE(HasFailure()) << "repeat with CAISSON_SEED=" << seed;
  }
}

}  // namespace
}  // namespace caisson::tests
