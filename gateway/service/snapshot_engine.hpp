// SPDX-License-Identifier: Apache-2.0
// The port of the snapshot verbs, over the manager and the runner of schedules.
#pragma once

#include "gateway/service/snapshots.hpp"
#include "snapshot/manager/schedules.hpp"

namespace caisson::service {

/// Thread rules as Snapshots. All outlive it.
class SnapshotEngine final : public Snapshots {
 public:
  SnapshotEngine(snapshot::Manager& manager, snapshot::ScheduleRunner& runner,
                 object::ObjectRegistry& registry)
      : manager_(manager), runner_(runner), registry_(registry) {}

  Outcome<std::vector<SnapshotView>> create(const CreateOptions& options) override;
  Outcome<std::vector<SnapshotView>> list(std::string_view lun) override;
  Outcome<SnapshotView> show(std::string_view lun, std::string_view snapshot) override;
  Outcome<SnapshotView> rename(std::string_view lun, std::string_view snapshot, std::string_view to,
                               bool dry_run) override;
  Outcome<SnapshotView> lock(std::string_view lun, std::string_view snapshot,
                             std::chrono::seconds duration, bool dry_run) override;
  Outcome<SnapshotView> unlock(std::string_view lun, std::string_view snapshot,
                               bool dry_run) override;
  std::uint64_t run_seconds() override;
  Outcome<> remove(std::string_view lun, std::string_view snapshot, bool dry_run) override;

  snapshot::UnknownSnapshots find_unknown(const catalog::LunRecord& lun) override {
    return manager_.find_unknown(lun.uuid, lun.name, lun.store);
  }
  void note_rebuild(bool under_way) override { manager_.note_rebuild(under_way); }
  Outcome<> prepare_deletion(std::string_view lun, bool dry_run) override;

  Outcome<std::string> restore(const RestoreOptions& options) override;
  Outcome<object::LunView> clone(const CloneOptions& options) override;
  std::optional<unsigned> clone_percent(const Uuid& clone) override;
  Outcome<DiffPage> diff(const DiffQuery& query) override;
  Outcome<ExportedFile> export_image(const ExportOptions& options) override;
  Outcome<object::LunView> expose(std::string_view lun, std::string_view snapshot,
                                  std::string_view name, bool dry_run) override;
  Outcome<> unexpose(std::string_view name, bool dry_run) override;

  SnapshotPolicy policy() override;
  void set_policy(const SnapshotPolicy& policy) override;

  Outcome<std::vector<ScheduleView>> schedules() override;
  Outcome<ScheduleChange> create_schedule(const catalog::ScheduleRecord& record,
                                          bool dry_run) override;
  Outcome<ScheduleChange> change_schedule(
      std::string_view name, const std::function<Outcome<>(catalog::ScheduleRecord&)>& edit,
      bool dry_run) override;
  Outcome<> remove_schedule(std::string_view name, bool dry_run) override;

 private:
  snapshot::Manager& manager_;
  snapshot::ScheduleRunner& runner_;
  object::ObjectRegistry& registry_;
};

}  // namespace caisson::service
