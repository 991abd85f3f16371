// SPDX-License-Identifier: Apache-2.0
// What the verbs about snapshots ask of the engine: the port that the daemon puts
// the snapshot manager behind.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/service/snapshot_policy.hpp"
#include "snapshot/manager/manager.hpp"
#include "storage_object/base/result.hpp"
#include "storage_object/catalog/records.hpp"
#include "storage_object/object/registry.hpp"

namespace caisson::service {

using snapshot::CreateOptions;
using snapshot::SnapshotView;

/// `total` 0: unknown. May be empty.
using Advance = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct RestoreOptions {
  std::string lun;
  std::string snapshot;
  bool force = false;      ///< although hosts use the LUN or reserve it
  bool keep_state = true;  ///< as a snapshot, before it is overwritten
  bool dry_run = false;
  Advance progress;
  std::stop_token stop;  ///< once hosts are kept out, a restore goes on all the same
};

struct CloneOptions {
  std::string lun;
  std::string snapshot;
  std::string name;
  std::string store;     ///< empty: the one the LUN lives in
  std::string location;  ///< free text
  bool dry_run = false;
};

struct DiffQuery {
  std::string lun;
  std::string from;
  std::string to;            ///< empty: what the LUN holds now
  std::uint64_t cursor = 0;  ///< bytes before it are told already
  std::size_t limit = 0;     ///< extents at most, never 0
};

struct ChangedExtent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  ///< never 0
  bool hole = false;         ///< reads as zeros in `to` and takes no space there

  bool operator==(const ChangedExtent&) const = default;
};

struct DiffPage {
  std::vector<ChangedExtent> extents;  ///< ascending, none overlap, none ends behind `capacity`
  std::uint64_t cursor = 0;            ///< everything before it is told; moves on unless done
  bool done = false;
  std::uint64_t capacity = 0;  ///< of `to`
};

struct ExportOptions {
  std::string lun;
  std::string snapshot;
  bool dry_run = false;
  Advance progress;
  std::stop_token stop;  ///< gives up; the next one goes on from there
};

struct ExportedFile {
  std::string path;  ///< absolute
  std::uint64_t size = 0;
};

struct ScheduleView {
  catalog::ScheduleRecord record;  ///< texts in normal form
  std::int64_t next_at = 0;        ///< seconds; 0: never
  std::int64_t last_at = 0;        ///< seconds; 0: not yet
  std::string last_result;         ///< one sentence
};

struct ScheduleChange {
  ScheduleView schedule;
  bool changed = false;
};

/// Thread-safe; every call blocks: control threads only. What a call reports is durable.
/// With dry_run a call makes the same checks, changes nothing and describes what would be.
/// LUNs, snapshots and schedules go by name; Errc::not_found names what is missing.
class Snapshots {
 public:
  virtual ~Snapshots() = default;

  virtual Outcome<std::vector<SnapshotView>> create(const CreateOptions& options) = 0;
  virtual Outcome<std::vector<SnapshotView>> list(std::string_view lun) = 0;  // by sequence
  virtual Outcome<SnapshotView> show(std::string_view lun, std::string_view snapshot) = 0;
  virtual Outcome<SnapshotView> rename(std::string_view lun, std::string_view snapshot,
                                       std::string_view to, bool dry_run) = 0;
  /// Until that much more run time has passed, or until its lock ends if that is later.
  virtual Outcome<SnapshotView> lock(std::string_view lun, std::string_view snapshot,
                                     std::chrono::seconds duration, bool dry_run) = 0;
  /// Forgets a lock that has ended. Errc::in_use: it holds.
  virtual Outcome<SnapshotView> unlock(std::string_view lun, std::string_view snapshot,
                                       bool dry_run) = 0;
  /// The counter that SnapshotRecord::locked_until is measured by.
  virtual std::uint64_t run_seconds() = 0;
  /// Errc::in_use: locked, or something is built on it.
  virtual Outcome<> remove(std::string_view lun, std::string_view snapshot, bool dry_run) = 0;

  /// See snapshot::Manager.
  virtual snapshot::UnknownSnapshots find_unknown(const catalog::LunRecord& lun) = 0;
  virtual void note_rebuild(bool under_way) = 0;
  /// Before a LUN goes. Errc::in_use: it has snapshots.
  virtual Outcome<> prepare_deletion(std::string_view lun, bool dry_run) = 0;

  /// The name of the snapshot that holds the state before; empty: none. Errc::in_use.
  virtual Outcome<std::string> restore(const RestoreOptions& options) = 0;
  /// The new LUN, usable. Errc::already_exists: the name is taken.
  virtual Outcome<object::LunView> clone(const CloneOptions& options) = 0;
  /// Hundredths that it has itself; absent: it is no clone, or not online.
  virtual std::optional<unsigned> clone_percent(const Uuid& clone) = 0;
  virtual Outcome<DiffPage> diff(const DiffQuery& query) = 0;
  /// The snapshot is a whole read-only file in the export then, if it was not already.
  /// Errc::already_exists: something else has its name.
  virtual Outcome<ExportedFile> export_image(const ExportOptions& options) = 0;
  /// A read-only LUN of that name that shows the snapshot.
  virtual Outcome<object::LunView> expose(std::string_view lun, std::string_view snapshot,
                                          std::string_view name, bool dry_run) = 0;
  /// Errc::in_use while hosts are logged in to it; invalid_argument: it shows no snapshot.
  virtual Outcome<> unexpose(std::string_view name, bool dry_run) = 0;

  virtual SnapshotPolicy policy() = 0;
  /// From now on; who calls keeps it.
  virtual void set_policy(const SnapshotPolicy& policy) = 0;

  virtual Outcome<std::vector<ScheduleView>> schedules() = 0;  // by name
  /// The same once more changes nothing. Errc::already_exists: another has that name;
  /// invalid_argument: a text of it is wrong.
  virtual Outcome<ScheduleChange> create_schedule(const catalog::ScheduleRecord& record,
                                                  bool dry_run) = 0;
  /// Edits it under the lock that every change takes, so that none is lost. What `edit`
  /// fails with is returned and nothing changes.
  virtual Outcome<ScheduleChange> change_schedule(
      std::string_view name, const std::function<Outcome<>(catalog::ScheduleRecord&)>& edit,
      bool dry_run) = 0;
  /// Its snapshots stay.
  virtual Outcome<> remove_schedule(std::string_view name, bool dry_run) = 0;
};

}  // namespace caisson::service
