// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/snapshot/gateway_model_process.hpp"

#include "gateway/service/snapshot_layers.hpp"

namespace caisson::tests {
namespace {

constexpr std::chrono::milliseconds kPatience{10};  // with a job that asks for no other

}  // namespace

ModelProcess::ModelProcess(ModelDisks& disks, const Clock& clock) {
  if (auto started = start(disks, clock); !started) failure_ = started.error();
}

Outcome<> ModelProcess::start(ModelDisks& disks, const Clock& clock) {
  auto opened = disks.open_catalog();
  if (!opened) return opened.error();
  catalog_ = std::move(*opened);
  manager_ = std::make_unique<snapshot::Manager>(
      snapshot::ManagerOptions{.catalog = catalog_.get(),
                               .luns = &luns_,
                               .pacer = &jobs_,
                               .clock = &clock,
                               .index_directory = disks.index_directory});
  if (auto started = manager_->start(); !started) return started;
  object::RegistryOptions options;
  options.catalog = catalog_.get();
  options.node = "node";
  options.lock_wait = std::chrono::seconds(0);
  options.watch_interval = std::chrono::milliseconds(0);
  options.open_store = [&disks](const catalog::StoreRecord& record) {
    return disks.open_store(record.location == disks.location(0) ? 0 : 1);
  };
  service::put_snapshots_into(options, *manager_);
  registry_ = object::ObjectRegistry::make(std::move(options));
  if (auto started = registry_->start(*this); !started) return started;
  luns_.bind(*registry_);
  for (std::size_t i = 0; i < ModelDisks::kStores; ++i) {
    auto added =
        registry_->add_store({.name = "store-" + std::to_string(i), .location = disks.location(i)});
    if (!added) return added;
  }
  runner_ = std::make_unique<snapshot::ScheduleRunner>(snapshot::ScheduleOptions{
      .snapshots = manager_.get(), .catalog = catalog_.get(), .luns = &luns_});
  engine_ = std::make_unique<service::SnapshotEngine>(*manager_, *runner_, *registry_);
  return {};
}

ModelProcess::~ModelProcess() {
  if (manager_) manager_->stop();
  registry_.reset();
}

bool ModelProcess::background(SimRandom& random) {
  auto asked = jobs_.asked();
  auto job = jobs_.take(random);
  if (job) job();
  jobs_.wait_beyond(asked);
  return job || jobs_.asked() != asked;
}

void ModelProcess::Jobs::at(Clock::time_point, std::function<void()> job) {
  std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  ++asked_;
  changed_.notify_all();
}

std::uint64_t ModelProcess::Jobs::asked() const {
  std::lock_guard lock(mutex_);
  return asked_;
}

void ModelProcess::Jobs::wait_beyond(std::uint64_t asked) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kPatience, [&] { return asked_ != asked; });
}

std::function<void()> ModelProcess::Jobs::take(SimRandom& random) {
  std::lock_guard lock(mutex_);
  if (jobs_.empty()) return nullptr;
  auto which = jobs_.begin() + static_cast<std::ptrdiff_t>(random.below(jobs_.size()));
  auto job = std::move(*which);
  jobs_.erase(which);
  return job;
}

}  // namespace caisson::tests
