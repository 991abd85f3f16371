// SPDX-License-Identifier: Apache-2.0
// What is made of snapshots: clones and views, each a LUN of its own.
#include <fmt/format.h>

#include "snapshot/copies/clone_device.hpp"
#include "snapshot/copies/snapshot_file.hpp"
#include "snapshot/manager/manager.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::chrono::milliseconds kAtStart{1000};  // LUNs are not asked before they are there
constexpr std::chrono::milliseconds kAgain{5000};

}  // namespace

/// Its LUN may come and go.
class Manager::SnapshotOrigin final : public Origin {
 public:
  SnapshotOrigin(const Manager& manager, const Uuid& snapshot, std::uint64_t capacity)
      : manager_(manager), snapshot_(snapshot), capacity_(capacity) {}

  std::uint64_t capacity() const noexcept override { return capacity_; }
  Outcome<> read(std::uint64_t offset, std::span<std::byte> into) override {
    auto chain = manager_.chain_with(snapshot_);
    return chain ? chain->read(snapshot_, offset, into) : not_there();
  }
  Outcome<file_store::FileExtent> extent(std::uint64_t offset, std::uint64_t length) override {
    auto chain = manager_.chain_with(snapshot_);
    if (!chain) return not_there();
    return chain->extent(snapshot_, offset, length);
  }
  std::shared_ptr<file_store::File> image() override {
    auto chain = manager_.chain_with(snapshot_);
    return chain ? chain->whole_image(snapshot_) : nullptr;
  }
  bool will_share_in(const file_store::Store& store) override {
    auto chain = manager_.chain_with(snapshot_);
    return !chain || chain->shares_blocks_in(store);
  }

 private:
  static Failure not_there() {
    return failure(Errc::offline, "the LUN of this snapshot is not online");
  }

  const Manager& manager_;
  const Uuid snapshot_;
  const std::uint64_t capacity_;
};

std::shared_ptr<Chain> Manager::chain_with(const Uuid& snapshot) const {
  std::lock_guard lock(mutex_);
  auto found = records_.find(snapshot);
  if (found == records_.end()) return nullptr;
  auto at = chains_.find(found->second.lun);
  return at == chains_.end() ? nullptr : at->second.lock();
}

std::shared_ptr<file_store::File> Manager::open_view(const Uuid& snapshot, std::uint64_t capacity) {
  return std::make_shared<SnapshotFile>(std::make_shared<SnapshotOrigin>(*this, snapshot, capacity),
                                        threads_);
}

Outcome<CopySource> Manager::hold_for_copy(std::string_view name, std::string_view snapshot) {
  auto lun = lun_named(name);
  if (!lun) return lun.error();
  std::lock_guard one_at_a_time(rows_mutex_);  // nobody is deleting it
  auto record = record_of(*lun, snapshot);
  if (!record) return record.error();
  if (record->state != catalog::SnapshotState::present)
    return failure(Errc::corrupt, fmt::format("snapshot '{}' of LUN '{}' is no image any more: {}",
                                              snapshot, name, record->reason));
  std::lock_guard lock(mutex_);
  auto held = copied_.insert(record->uuid);
  auto let_go = [this, held](const void*) {
    std::lock_guard lock(mutex_);
    copied_.erase(held);
  };
  return CopySource{*lun, std::move(*record), std::shared_ptr<void>(this, let_go)};
}

Outcome<> Manager::begin_clone(const CopySource& source, const Uuid& clone, std::string_view name,
                               std::string_view store) {
  auto* place = options_.luns->store(store);
  if (place == nullptr) return failure(Errc::offline, fmt::format("store '{}' is not open", store));
  MapHeader header;
  header.name = source.record.name;
  header.sequence = source.record.sequence;
  header.capacity = source.record.capacity;
  header.logical_block = source.lun.logical_block;
  header.physical_block = source.lun.physical_block;
  header.cut_ms = source.record.created_ms;
  return FillMap::create({place, std::string(store), clone, source.record.uuid}, name, header);
}

Outcome<> Manager::end_clone(const Uuid& clone, const Uuid& snapshot, file_store::Store& store,
                             std::string_view store_name) {
  return FillMap::remove({&store, std::string(store_name), clone, snapshot});
}

std::unique_ptr<block::DataLayer> Manager::over_clone(std::unique_ptr<block::DataLayer> below,
                                                      const Attachment& attachment) {
  std::uint64_t capacity = below->geometry().capacity;
  {
    std::lock_guard lock(mutex_);
    if (auto found = records_.find(*attachment.clone_of); found != records_.end())
      capacity = found->second.capacity;
  }
  auto fill = CloneFill::open(
      {.place = {attachment.store, attachment.store_name, attachment.lun, *attachment.clone_of},
       .container = attachment.container_name,
       .origin = std::make_shared<SnapshotOrigin>(*this, *attachment.clone_of, capacity),
       .below = below.get(),
       .threads = &threads_,
       .pacer = pacer_,
       .policy = &policy_,
       .clock = options_.clock,
       .filled = [this, clone = attachment.lun] { end_clone_later(clone, kAtStart); }});
  {
    std::lock_guard lock(mutex_);
    std::erase_if(clones_, [](const auto& clone) { return clone.second.expired(); });
    clones_[attachment.lun] = fill;
  }
  return std::make_unique<CloneDevice>(std::move(below), std::move(fill));
}

std::optional<unsigned> Manager::clone_percent(const Uuid& clone) const {
  std::shared_ptr<CloneFill> fill;
  {
    std::lock_guard lock(mutex_);
    if (auto found = clones_.find(clone); found != clones_.end()) fill = found->second.lock();
  }
  return fill ? std::optional(fill->percent()) : std::nullopt;
}

/// On no lane that its LUN waits for when it is closed.
void Manager::end_clone_later(const Uuid& clone, std::chrono::milliseconds after) {
  pacer_->at(Pacer::Clock::now() + after, [this, clone] {
    threads_.post(std::make_shared<ControlLane>(), [this, clone] {
      auto ended = options_.luns->end_clone(clone);
      if (ended || ended.error().code == Errc::not_found) return;
      log::warning("a clone has everything, but not its public name: {}", ended.error().message);
      end_clone_later(clone, kAgain);
    });
  });
}

Outcome<> Manager::check_unused(const LunFacts& lun, const catalog::SnapshotRecord& record) const {
  if (lun.restoring == record.uuid)  // perhaps since before the last start
    return failure(
        Errc::in_use,
        fmt::format("LUN '{}' is being restored from snapshot '{}'", lun.name, record.name),
        "wait until that has ended");
  {
    std::lock_guard lock(mutex_);
    if (copied_.contains(record.uuid))
      return failure(Errc::in_use,
                     fmt::format("something is being made of snapshot '{}' of LUN '{}'",
                                 record.name, lun.name),
                     "try again");
  }
  auto users = options_.luns->made_of(record.uuid);
  if (users.empty()) return {};
  return failure(
      Errc::in_use,
      fmt::format("snapshot '{}' of LUN '{}' is read by LUN {}", record.name, lun.name,
                  fmt::join(users, ", ")),
      "wait until a clone has everything itself or a restore has ended, take a view back with "
      "caisson snapshot unexpose, or delete that LUN");
}

}  // namespace caisson::snapshot
