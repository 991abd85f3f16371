// SPDX-License-Identifier: Apache-2.0
// What hosts do, and LUNs that come and go.
#include <fmt/format.h>

#include "tests/fault/snapshot/gateway_model_scenario.hpp"

namespace caisson::tests {
namespace {

constexpr std::size_t kMostLuns = 4;

}  // namespace

std::shared_ptr<object::StorageObject> GatewayScenario::disk(const std::string& lun) {
  auto found = process_->registry().find(lun);
  if (found && found->object) return found->object;
  if (!disks_.dead()) ADD_FAILURE() << lun << " is not served: " << (found ? found->reason : "");
  return nullptr;
}

bool GatewayScenario::answered(bool success, const std::string& why) {
  if (!success && !disks_.dead()) ADD_FAILURE() << why;
  return success;
}

GatewayScenario::Range GatewayScenario::some_range(const ModelLun& lun, std::uint64_t most) {
  auto first = random_.below(lun.live.size());
  if (random_.chance(30)) first = first / 128 * 128;
  return {first, 1 + random_.below(std::min<std::uint64_t>(most, lun.live.size() - first))};
}

void GatewayScenario::write(const std::string& name) {
  auto& lun = luns_.at(name);
  auto kind = random_.below(10);
  auto range = some_range(lun, kind < 6 ? 16 : kind < 9 ? 128 : 1024);
  auto version = ++version_;
  std::vector<std::byte> data(range.count * kModelSector);
  for (std::uint64_t i = 0; i < range.count; ++i)
    put_word(data.data() + i * kModelSector, word_of(lun.number, range.first + i, version));
  const bool fua = random_.chance(10);
  auto object = disk(name);
  if (!object) return;
  auto error = tests::write(*object, range.first * kModelSector, data, fua);
  changed(lun, range, false, version, error, fua);
}

void GatewayScenario::unmap(const std::string& name) {
  auto& lun = luns_.at(name);
  auto range = some_range(lun, random_.chance(20) ? lun.live.size() : 300);
  auto object = disk(name);
  if (!object) return;
  auto error =
      simple(*object, block::IoOp::unmap, range.first * kModelSector, range.count * kModelSector);
  changed(lun, range, true, 0, error, false);
}

void GatewayScenario::zeroes(const std::string& name) {
  auto& lun = luns_.at(name);
  auto range = some_range(lun, 200);
  auto object = disk(name);
  if (!object) return;
  auto error = simple(*object, block::IoOp::write_zeroes, range.first * kModelSector,
                      range.count * kModelSector, random_.chance(50));
  changed(lun, range, true, 0, error, false);
}

/// One that failed may have been done in part.
void GatewayScenario::changed(ModelLun& lun, const Range& range, bool zeros, std::uint32_t version,
                              const Error& error, bool durable) {
  note(fmt::format("  {}+{} = {}{} {}", range.first, range.count, version, durable ? " FUA" : "",
                   error ? error.message() : ""));
  for (auto sector = range.first; sector < range.first + range.count; ++sector) {
    auto word = zeros ? 0 : word_of(lun.number, sector, version);
    if (error) {
      lun.unanswered[sector] = word;
      continue;
    }
    lun.unsure[sector].push_back(lun.live[sector]);
    lun.live[sector] = word;
    if (durable) lun.unsure.erase(sector);
  }
  (void)answered(!error, "a change failed: " + error.message());
}

void GatewayScenario::flush(const std::string& name) {
  auto object = disk(name);
  if (!object) return;
  auto error = tests::flush(*object);
  if (answered(!error, error.message())) luns_.at(name).unsure.clear();
}

void GatewayScenario::read_some(const std::string& name) {
  auto& lun = luns_.at(name);
  auto range = some_range(lun, 700);
  std::vector<std::byte> found(range.count * kModelSector);
  auto object = disk(name);
  if (!object) return;
  auto error = tests::read(*object, range.first * kModelSector, found);
  if (answered(!error, error.message())) compare(name, lun.live, range.first, found);
}

void GatewayScenario::create_lun(const std::string&) {
  if (luns_.size() >= kMostLuns) return;
  auto name = fmt::format("lun{}", ++numbers_);
  ModelLun lun{.number = numbers_, .store = random_.below(ModelDisks::kStores)};
  lun.live.resize(1 + random_.below(random_.chance(30) ? 200 : 3000));
  note(fmt::format("  {} of {} sectors on store {}", name, lun.live.size(), lun.store));
  auto made = process_->registry().create({.name = name,
                                           .store = fmt::format("store-{}", lun.store),
                                           .capacity = lun.live.size() * kModelSector});
  if (answered(made)) {
    luns_[name] = lun;
    return;
  }
  unanswered_ = [this, name, lun] {
    if (process_->registry().find(name)) luns_[name] = lun;
  };
}

/// One that has no snapshots, and nothing left of any.
void GatewayScenario::delete_lun(const std::string& name) {
  auto uuid = process_->registry().find(name)->record.uuid;
  auto rows = process_->catalog().snapshots();
  if (luns_.size() < 2 || !rows) return;
  if (std::ranges::any_of(*rows, [&](const auto& row) { return row.lun == uuid; })) return;
  auto ready = process_->snapshots().prepare_deletion(name, false);
  if (!answered(ready)) return;
  if (answered(process_->registry().remove(name))) {
    luns_.erase(name);
    return;
  }
  unanswered_ = [this, name] {
    if (!process_->registry().find(name)) luns_.erase(name);
  };
}

void GatewayScenario::background(const std::string&) {
  for (auto jobs = 1 + random_.below(6); jobs != 0 && !stopped(); --jobs)
    if (!process_->background(random_)) return;
}

void GatewayScenario::settle(const std::string&) {
  for (int jobs = 0; jobs < 150 && !stopped(); ++jobs)
    if (!process_->background(random_)) return;
}

}  // namespace caisson::tests
