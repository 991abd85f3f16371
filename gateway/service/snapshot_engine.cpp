// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/snapshot_engine.hpp"

#include "storage_object/base/errc.hpp"

namespace caisson::service {
namespace {

/// What a LUN that is made of a snapshot has of the one that was cut.
object::CreateOptions like(const snapshot::CopySource& source, std::string_view name,
                           bool dry_run) {
  object::CreateOptions options;
  options.name = name;
  options.store = source.lun.store;
  options.capacity = source.record.capacity;
  options.logical_block = source.lun.logical_block;
  options.physical_block = source.lun.physical_block;
  options.dry_run = dry_run;
  return options;
}

ScheduleView view_of(const snapshot::ScheduleView& view) {
  return {view.record, view.next_at, view.last_at, view.last_result};
}

Outcome<ScheduleChange> change_of(const Outcome<snapshot::ScheduleChange>& change) {
  if (!change) return change.error();
  return ScheduleChange{view_of(change->schedule), change->changed};
}

}  // namespace

Outcome<std::vector<SnapshotView>> SnapshotEngine::create(const CreateOptions& options) {
  return manager_.create(options);
}

Outcome<std::vector<SnapshotView>> SnapshotEngine::list(std::string_view lun) {
  return manager_.list(lun);
}

Outcome<SnapshotView> SnapshotEngine::show(std::string_view lun, std::string_view snapshot) {
  return manager_.show(lun, snapshot);
}

Outcome<SnapshotView> SnapshotEngine::rename(std::string_view lun, std::string_view snapshot,
                                             std::string_view to, bool dry_run) {
  return manager_.rename(lun, snapshot, to, dry_run);
}

Outcome<SnapshotView> SnapshotEngine::lock(std::string_view lun, std::string_view snapshot,
                                           std::chrono::seconds duration, bool dry_run) {
  return manager_.lock(lun, snapshot, duration, dry_run);
}

Outcome<SnapshotView> SnapshotEngine::unlock(std::string_view lun, std::string_view snapshot,
                                             bool dry_run) {
  return manager_.unlock(lun, snapshot, dry_run);
}

std::uint64_t SnapshotEngine::run_seconds() {
  return static_cast<std::uint64_t>(manager_.run_time().count());
}

Outcome<> SnapshotEngine::remove(std::string_view lun, std::string_view snapshot, bool dry_run) {
  return manager_.remove(lun, snapshot, dry_run);
}

Outcome<> SnapshotEngine::prepare_deletion(std::string_view lun, bool dry_run) {
  return manager_.prepare_deletion(lun, dry_run);
}

Outcome<std::string> SnapshotEngine::restore(const RestoreOptions& options) {
  return manager_.restore(options.lun, options.snapshot,
                          {.force = options.force,
                           .keep_state = options.keep_state,
                           .dry_run = options.dry_run,
                           .progress = options.progress,
                           .stop = options.stop});
}

Outcome<object::LunView> SnapshotEngine::clone(const CloneOptions& options) {
  auto source = manager_.hold_for_copy(options.lun, options.snapshot);
  if (!source) return source.error();
  object::CopyOptions copy{.like = like(*source, options.name, options.dry_run),
                           .kind = catalog::LunKind::clone,
                           .origin = source->record.uuid,
                           .prepare = {}};
  if (!options.store.empty()) copy.like.store = options.store;
  copy.like.location = options.location;
  copy.prepare = [&](const catalog::LunRecord& clone) {
    return manager_.begin_clone(*source, clone.uuid, clone.name, clone.store);
  };
  return registry_.create_copy(copy);
}

std::optional<unsigned> SnapshotEngine::clone_percent(const Uuid& clone) {
  return manager_.clone_percent(clone);
}

Outcome<DiffPage> SnapshotEngine::diff(const DiffQuery& query) {
  auto page = manager_.diff(query.lun, query.from, query.to, query.cursor, query.limit);
  if (!page) return page.error();
  DiffPage out{.cursor = page->cursor, .done = page->done, .capacity = page->capacity};
  for (const auto& changed : page->changed)
    out.extents.push_back({changed.offset, changed.length, false});
  return out;
}

Outcome<ExportedFile> SnapshotEngine::export_image(const ExportOptions& options) {
  auto view = manager_.export_to(
      options.lun, options.snapshot,
      {.progress = options.progress, .stop = options.stop, .dry_run = options.dry_run});
  if (!view) return view.error();
  return ExportedFile{view->path, view->record.capacity};
}

Outcome<object::LunView> SnapshotEngine::expose(std::string_view lun, std::string_view snapshot,
                                                std::string_view name, bool dry_run) {
  auto source = manager_.hold_for_copy(lun, snapshot);
  if (!source) return source.error();
  return registry_.create_copy({.like = like(*source, name, dry_run),
                                .kind = catalog::LunKind::view,
                                .origin = source->record.uuid,
                                .prepare = {}});
}

Outcome<> SnapshotEngine::unexpose(std::string_view name, bool dry_run) {
  return dry_run ? Outcome<>() : registry_.remove(name);
}

SnapshotPolicy SnapshotEngine::policy() {
  return {manager_.policy().hosts_first.load(), manager_.policy().pace.load()};
}

void SnapshotEngine::set_policy(const SnapshotPolicy& policy) {
  manager_.policy().hosts_first.store(policy.hosts_first);
  manager_.policy().pace.store(policy.pace);
}

Outcome<std::vector<ScheduleView>> SnapshotEngine::schedules() {
  auto all = runner_.list();
  if (!all) return all.error();
  std::vector<ScheduleView> views;
  for (const auto& one : *all) views.push_back(view_of(one));
  return views;
}

Outcome<ScheduleChange> SnapshotEngine::create_schedule(const catalog::ScheduleRecord& record,
                                                        bool dry_run) {
  return change_of(runner_.create(record, dry_run));
}

Outcome<ScheduleChange> SnapshotEngine::change_schedule(
    std::string_view name, const std::function<Outcome<>(catalog::ScheduleRecord&)>& edit,
    bool dry_run) {
  return change_of(runner_.change(name, edit, dry_run));
}

Outcome<> SnapshotEngine::remove_schedule(std::string_view name, bool dry_run) {
  return runner_.remove(name, dry_run);
}

}  // namespace caisson::service
