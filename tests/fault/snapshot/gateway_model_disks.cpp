// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/snapshot/gateway_model_disks.hpp"

#include <filesystem>

#include "storage_object/posix/posix_store.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {

SimDisks::SimDisks(bool first_shares, bool second_shares) {
  for (bool shares : {first_shares, second_shares, false}) {
    SimOptions options;
    options.traits.clone = shares;
    disks_.push_back(std::make_unique<SimStore>(options));
  }
  put_together();
}

void SimDisks::put_together() {
  for (std::size_t i = 1; i < disks_.size(); ++i) disks_[0]->share_power(*disks_[i]);
  vfs_ = std::make_unique<SimSqliteVfs>(*disks_.back());
}

Outcome<std::unique_ptr<catalog::Catalog>> SimDisks::open_catalog() {
  return catalog::Catalog::open({.path = "catalog.db", .vfs = vfs_->name()});
}

Outcome<std::unique_ptr<file_store::Store>> SimDisks::open_store(std::size_t which) {
  return std::make_unique<BorrowedStore>(*disks_[which]);
}

void SimDisks::arm(SimRandom& random, std::uint64_t most) {
  constexpr SimUnderWay kHow[] = {SimUnderWay::not_begun, SimUnderWay::partly, SimUnderWay::done};
  auto& disk = *disks_[random.below(disks_.size())];
  disk.cut_at(disk.operations() + random.below(most), kHow[random.below(3)]);
}

void SimDisks::disarm() {
  for (auto& disk : disks_) disk->cut_at(~std::uint64_t{0});
}

void SimDisks::bring_back(bool power_cut, SimRandom& random) {
  kill();
  vfs_.reset();
  for (auto& disk : disks_) disk = power_cut ? disk->power_cut(random.next()) : disk->killed();
  put_together();
}

RealDisks::RealDisks(std::string directory) : directory_(std::move(directory)) {
  for (std::size_t i = 0; i < kStores; ++i) std::filesystem::create_directories(location(i));
}

Outcome<std::unique_ptr<catalog::Catalog>> RealDisks::open_catalog() {
  return catalog::Catalog::open({.path = directory_ + "/catalog.db", .vfs = {}});
}

Outcome<std::unique_ptr<file_store::Store>> RealDisks::open_store(std::size_t which) {
  auto store = posix::PosixStore::look_at(location(which));
  if (!store) return store.error();
  return std::unique_ptr<file_store::Store>(std::move(*store));
}

}  // namespace caisson::tests
