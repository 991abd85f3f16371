// SPDX-License-Identifier: Apache-2.0
// A gateway without front ends: catalog, registry and snapshots put together as caissond
// does, and a background that goes on only when it is told to.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "gateway/service/snapshot_engine.hpp"
#include "gateway/service/snapshot_luns.hpp"
#include "snapshot/manager/manager.hpp"
#include "tests/fault/snapshot/gateway_model_disks.hpp"

namespace caisson::tests {

class ModelProcess final : private object::RegistryObserver {
 public:
  /// Both outlive it. Starts; see failure().
  ModelProcess(ModelDisks& disks, const Clock& clock);
  /// Ends without having stopped, as far as a process can do that to itself.
  ~ModelProcess();

  /// An orderly stop before the end.
  Outcome<> stop() { return registry_->stop(); }
  /// Why it could not start.
  const std::optional<Failure>& failure() const { return failure_; }

  snapshot::Manager& snapshots() { return *manager_; }
  service::SnapshotEngine& engine() { return *engine_; }
  object::ObjectRegistry& registry() { return *registry_; }
  catalog::Catalog& catalog() { return *catalog_; }

  /// One of the background jobs that wait, whichever; false: none does. What it begins has
  /// asked for the next when this returns, or it has nothing more to do, or is slow.
  bool background(SimRandom& random);

 private:
  /// When a job comes due is of no account.
  class Jobs final : public snapshot::Pacer {
   public:
    void at(Clock::time_point when, std::function<void()> job) override;
    std::function<void()> take(SimRandom& random);
    /// Until one more was asked for than so many.
    void wait_beyond(std::uint64_t asked);
    std::uint64_t asked() const;

   private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t asked_ = 0;
    std::vector<std::function<void()>> jobs_;
  };

  Outcome<> start(ModelDisks& disks, const Clock& clock);
  void on_served(const std::shared_ptr<object::StorageObject>&) override {}
  void on_withdrawn(const std::shared_ptr<object::StorageObject>&) override {}

  std::optional<Failure> failure_;
  Jobs jobs_;
  std::unique_ptr<catalog::Catalog> catalog_;
  service::SnapshotLuns luns_;
  std::unique_ptr<snapshot::Manager> manager_;
  std::unique_ptr<object::ObjectRegistry> registry_;
  std::unique_ptr<snapshot::ScheduleRunner> runner_;  // never started
  std::unique_ptr<service::SnapshotEngine> engine_;
};

}  // namespace caisson::tests
