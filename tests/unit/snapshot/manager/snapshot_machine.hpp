// SPDX-License-Identifier: Apache-2.0
// A gateway's snapshots over one simulated disk: manager, registry and what is between
// them, with clocks that stand still and a background that is stepped.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gateway/service/snapshot_layers.hpp"
#include "gateway/service/snapshot_luns.hpp"
#include "snapshot/manager/manager.hpp"
#include "tests/support/test_clock.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {

/// Keeps every job until the test lets them go.
class HeldPacer final : public snapshot::Pacer {
 public:
  void at(Clock::time_point when, std::function<void()> job) override {
    std::lock_guard lock(mutex_);
    jobs_.push_back({when, std::move(job)});
  }
  /// Those of no later than `when` begin.
  void run(Clock::time_point when = Clock::time_point::max()) {
    std::vector<std::function<void()>> due;
    {
      std::lock_guard lock(mutex_);
      std::erase_if(jobs_, [&](auto& job) {
        if (job.first > when) return false;
        due.push_back(std::move(job.second));
        return true;
      });
    }
    for (auto& job : due) job();
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<Clock::time_point, std::function<void()>>> jobs_;
};

class SnapshotMachine {
 public:
  /// Both outlive it. `index_directory`: as that of the manager.
  SnapshotMachine(SimStore& disk, const Clock& clock, std::string index_directory = {})
      : clock_(clock), index_directory_(std::move(index_directory)) {
    machine_ = std::make_unique<Machine>(
        disk, nullptr, [this](object::RegistryOptions& options) { put_together(options); });
    EXPECT_FALSE(machine_->failure()) << machine_->failure()->message;
    luns_.bind(machine_->registry());
  }
  /// Stops as caissond does, unless the disk is dead.
  ~SnapshotMachine() {
    (void)machine_->registry().stop();
    manager_->stop();
    machine_.reset();
  }

  snapshot::Manager& snapshots() { return *manager_; }
  snapshot::LunHost& luns() { return luns_; }
  object::ObjectRegistry& registry() { return machine_->registry(); }
  catalog::Catalog& catalog() { return machine_->catalog(); }
  HeldPacer& pacer() { return pacer_; }
  const Clock& clock() const { return clock_; }

  std::shared_ptr<object::StorageObject> make(const std::string& name,
                                              std::uint64_t capacity = std::uint64_t{1} << 20) {
    return machine_->make(name, capacity);
  }
  void fill(const std::string& lun, int value, std::uint64_t offset = 0,
            std::size_t length = 8192) {
    ASSERT_FALSE(write(*machine_->object(lun), offset, filled(length, value)));
  }
  /// A snapshot, which must succeed.
  snapshot::SnapshotView cut(std::vector<std::string> luns, const std::string& name) {
    auto made = snapshots().create({.luns = std::move(luns), .name = name});
    EXPECT_TRUE(made) << made.error().message;
    return made ? made->front() : snapshot::SnapshotView{};
  }
  /// What the snapshot holds at `offset`, or what went wrong.
  std::vector<std::byte> held(const std::string& lun, const std::string& name,
                              std::uint64_t offset = 0, std::size_t length = 8192) {
    auto view = snapshots().show(lun, name);
    EXPECT_TRUE(view) << view.error().message;
    std::vector<std::byte> bytes(length);
    auto got = snapshots().read(view->record.uuid, offset, bytes);
    EXPECT_TRUE(got) << got.error().message;
    return bytes;
  }
  std::vector<std::string> names(const std::string& lun) {
    auto all = snapshots().list(lun);
    EXPECT_TRUE(all);
    std::vector<std::string> names;
    for (const auto& view : *all) names.push_back(view.record.name);
    return names;
  }
  /// Texts of all events of that kind.
  std::vector<std::string> events(std::string_view kind) {
    std::vector<std::string> texts;
    auto all = catalog().events_after(0, 100000);
    EXPECT_TRUE(all);
    for (const auto& event : *all)
      if (event.kind == kind) texts.push_back(event.object + ": " + event.text);
    return texts;
  }
  /// The background runs until that is so; false after 20 seconds.
  bool until(const std::function<bool()>& condition) {
    auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      pacer_.run();
      std::this_thread::yield();
    }
    return true;
  }

 private:
  void put_together(object::RegistryOptions& options) {
    manager_ = std::make_unique<snapshot::Manager>(
        snapshot::ManagerOptions{.catalog = options.catalog,
                                 .luns = &luns_,
                                 .pacer = &pacer_,
                                 .clock = &clock_,
                                 .write_back_limit = std::chrono::milliseconds(50),
                                 .index_directory = index_directory_});
    auto started = manager_->start();
    EXPECT_TRUE(started) << started.error().message;
    service::put_snapshots_into(options, *manager_);
  }

  const Clock& clock_;
  const std::string index_directory_;
  HeldPacer pacer_;
  service::SnapshotLuns luns_;
  std::unique_ptr<snapshot::Manager> manager_;
  std::unique_ptr<Machine> machine_;
};

/// A machine on its disk, and what it is after a restart.
class SnapshotTest : public ::testing::Test {
 protected:
  /// An orderly stop, and the next start after `downtime`.
  void restart(std::chrono::nanoseconds downtime = {}) {
    machine.reset();
    clock.pass(downtime);
    machine = std::make_unique<SnapshotMachine>(*disk, clock);
  }
  /// Another disk, and nothing on it yet.
  void replace(const SimOptions& options) {
    machine.reset();
    disk = std::make_unique<SimStore>(options);
    machine = std::make_unique<SnapshotMachine>(*disk, clock);
  }
  /// One whose files can share blocks.
  void replace_by_reflink() {
    replace({.traits = {.punch = true, .zero = true, .allocate = true, .clone = true}});
  }
  /// The process dies, and is started again.
  void kill() {
    disk->cut_now();
    machine.reset();
    dead_.push_back(std::move(disk));
    disk = dead_.back()->killed();
    machine = std::make_unique<SnapshotMachine>(*disk, clock);
  }

  TestClock clock;
  std::unique_ptr<SimStore> disk = std::make_unique<SimStore>();
  std::unique_ptr<SnapshotMachine> machine = std::make_unique<SnapshotMachine>(*disk, clock);

 private:
  std::vector<std::unique_ptr<SimStore>> dead_;  // whose handles may be open
};

}  // namespace caisson::tests
