// SPDX-License-Identifier: Apache-2.0
// The snapshots of all LUNs: what administrators and schedules do with them, and the
// rows of the catalog that go with it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/chain/capture_device.hpp"
#include "snapshot/copies/origin.hpp"
#include "snapshot/manager/lun_host.hpp"
#include "snapshot/manager/run_time_keeper.hpp"
#include "snapshot/manager/ticker.hpp"
#include "storage_object/base/clock.hpp"
#include "storage_object/base/control_threads.hpp"
#include "storage_object/block/data_layer.hpp"
#include "storage_object/catalog/catalog.hpp"

namespace caisson::snapshot {

class CloneFill;

struct ManagerOptions {
  catalog::Catalog* catalog = nullptr;
  LunHost* luns = nullptr;
  Pacer* pacer = nullptr;  ///< nullptr: one of its own
  const Clock* clock = &Clock::system();
  std::chrono::milliseconds write_back_limit{4000};  ///< before a cut, of what is cached
  std::chrono::milliseconds cut_limit{5000};         ///< for what is in flight to end
  /// For what is only derived of many snapshots, a file a LUN; empty: it stays in memory.
  std::string index_directory = {};
};

struct CreateOptions {
  std::vector<std::string> luns;  ///< cut at one instant; none twice
  std::string name;               ///< empty: from the time
  std::string made_by = "admin";
  std::string grade = "crash";
  std::string details;            ///< JSON
  bool allow_unreserved = false;  ///< of thick LUNs: without the room that overwrites may need
  bool dry_run = false;
};

struct RestoreOptions {
  bool force = false;      ///< although hosts use the LUN
  bool keep_state = true;  ///< as a snapshot, before it is overwritten
  bool dry_run = false;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress{};  ///< bytes
  std::stop_token stop{};
};

struct ExportOptions {
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  ///< bytes; may be empty
  std::stop_token stop;  ///< gives up; what was done stays done
  bool dry_run = false;
};

/// A snapshot as it is now.
struct SnapshotView {
  catalog::SnapshotRecord record;
  std::string lun;
  std::string condition;               ///< "whole", "filling", "capturing", "waiting", "invalid"
  std::uint64_t captured = 0;          ///< bytes that it has itself
  std::uint64_t allocated = 0;         ///< bytes of space that its files take, shared ones too
  std::string path;                    ///< of its image in the export; empty while it has none
  std::chrono::seconds locked_for{0};  ///< run time until it may be deleted
};

/// A snapshot of which something is about to be made: nobody deletes it while this lives.
struct CopySource {
  LunFacts lun;
  catalog::SnapshotRecord record;
  std::shared_ptr<void> held;
};

/// What a folder of snapshots holds of which the catalog knows nothing.
struct UnknownSnapshots {
  std::vector<catalog::SnapshotRecord> snapshots{};  ///< as they would be taken up
  std::vector<std::string> lost{};                   ///< what cannot be, and why
  std::vector<Uuid> passed_over{};                   ///< of which something may turn up later
};

/// A part of a list of changes.
struct DiffPage {
  std::vector<Changed> changed{};  ///< ascending, disjoint
  std::uint64_t cursor = 0;        ///< everything before it is told
  bool done = false;
  std::uint64_t capacity = 0;  ///< of the later of the two
};

/// Thread-safe; every call blocks: control threads only. What a call reports is durable.
class Manager final : private ChainObserver {
 public:
  explicit Manager(ManagerOptions options);
  ~Manager() override;

  /// Reads the catalog. Before the first attach().
  Outcome<> start();
  /// The background ends. Layers that are attached stay usable.
  void stop();
  ChainPolicy& policy() noexcept { return policy_; }

  struct Attachment {
    Uuid lun;
    std::string name;
    file_store::Store* store = nullptr;
    std::string store_name;
    std::shared_ptr<file_store::File> container;  ///< to clone from
    std::optional<Uuid> restoring{};              ///< of which a restore is to be finished
    std::optional<Uuid> clone_of{};               ///< it is a clone that is not filled yet
    std::string container_name{};                 ///< of one
  };
  /// The layer that keeps this LUN's snapshots. Never fails: what is damaged is invalid.
  /// Snapshots that the catalog does not know are taken up from their maps.
  std::unique_ptr<block::DataLayer> attach(std::unique_ptr<block::BlockDevice> below,
                                           const Attachment& attachment);

  /// What attach() would take up of a LUN; changes nothing. Those whose files are damaged, or
  /// that need such a one, are invalid, with the reason.
  UnknownSnapshots find_unknown(const Uuid& lun, std::string_view name, std::string_view store);
  /// While LUNs are taken up that the catalog did not know: attach() also looks where one of
  /// another name left its snapshots. Each true is followed by a false.
  void note_rebuild(bool under_way) { under_way ? ++rebuilding_ : --rebuilding_; }

  /// All of them or none. Errc::not_found, already_exists, offline, timed_out (a LUN whose
  /// requests do not end: nothing was cut), no_space.
  Outcome<std::vector<SnapshotView>> create(const CreateOptions& options);
  Outcome<std::vector<SnapshotView>> list(std::string_view lun);  // by sequence
  Outcome<SnapshotView> show(std::string_view lun, std::string_view snapshot);
  Outcome<SnapshotView> rename(std::string_view lun, std::string_view snapshot, std::string_view to,
                               bool dry_run);
  /// Errc::in_use: locked, or something is built on it.
  Outcome<> remove(std::string_view lun, std::string_view snapshot, bool dry_run);

  /// Nobody deletes it before caissond ran for that much longer, whatever the wall clock
  /// says. A lock is extended, never shortened: Errc::in_use.
  Outcome<SnapshotView> lock(std::string_view lun, std::string_view snapshot,
                             std::chrono::seconds duration, bool dry_run = false);
  /// Forgets a lock that has ended. Errc::in_use: it has not.
  Outcome<SnapshotView> unlock(std::string_view lun, std::string_view snapshot,
                               bool dry_run = false);
  /// The counter that SnapshotRecord::locked_until is measured by.
  std::chrono::seconds run_time() const { return run_time_.value(); }

  /// Once it returns the snapshot is a whole read-only file in the export, also where that
  /// takes a copy of all it holds. After an interruption it goes on where it was.
  /// Errc::no_space, already_exists: something else has its file's name.
  Outcome<SnapshotView> export_to(std::string_view lun, std::string_view snapshot,
                                  const ExportOptions& options = {});

  /// Makes the LUN what the snapshot holds, while its hosts are kept out. The name of the
  /// snapshot that holds the state before; empty: none. Errc::in_use: hosts use it. Once it
  /// has begun, a stop or crash leaves hosts out and the next start goes on.
  Outcome<std::string> restore(std::string_view lun, std::string_view snapshot,
                               const RestoreOptions& options);
  /// What may differ between two snapshots, or (`to` empty) between one and now; from
  /// `cursor` on, `limit` extents at most. See Chain::changes().
  Outcome<DiffPage> diff(std::string_view lun, std::string_view from, std::string_view to,
                         std::uint64_t cursor, std::size_t limit);

  /// Errc::not_found; corrupt: it is no image any more; offline.
  Outcome<CopySource> hold_for_copy(std::string_view lun, std::string_view snapshot);
  /// What is beside the container of a clone: made before that has a name, removed when it
  /// is filled or gone. Durable.
  Outcome<> begin_clone(const CopySource& source, const Uuid& clone, std::string_view name,
                        std::string_view store);
  Outcome<> end_clone(const Uuid& clone, const Uuid& snapshot, file_store::Store& store,
                      std::string_view store_name);
  /// Hundredths that a clone has itself; absent: it is none, or not online.
  std::optional<unsigned> clone_percent(const Uuid& clone) const;
  /// What a view shows: a file that nobody can write. It outlives neither the manager nor
  /// what it stands for, but says so.
  std::shared_ptr<file_store::File> open_view(const Uuid& snapshot, std::uint64_t capacity);

  /// Reads what a snapshot holds; aligned to the LUN's logical block.
  Outcome<> read(const Uuid& snapshot, std::uint64_t offset, std::span<std::byte> into);

  /// Before a LUN goes: that it has no snapshots, and that those which were deleted have
  /// given their space back, for which it waits. Errc::in_use, timed_out.
  Outcome<> prepare_deletion(std::string_view lun, bool dry_run);

 private:
  struct Cut;
  class SnapshotOrigin;

  void on_whole(const Uuid& lun, const Member& member) override;
  bool on_invalid(const Uuid& lun, std::span<const std::shared_ptr<Member>> members,
                  const std::string& why) override;
  bool on_gone(const Uuid& lun, const Member& member) override;

  Outcome<std::vector<Cut>> plan(const CreateOptions& options);
  Outcome<> prepare(std::vector<Cut>& cuts, const CreateOptions& options);
  void write_back(std::vector<Cut>& cuts);
  Outcome<> switch_all(std::vector<Cut>& cuts);
  Outcome<> commit(std::vector<Cut>& cuts);
  void take_back(std::vector<Cut>& cuts);
  std::string default_name(const std::vector<Cut>& cuts);
  static Failure name_taken(const Cut& cut, const CreateOptions& options);

  Outcome<LunFacts> lun_named(std::string_view name);
  Outcome<catalog::SnapshotRecord> record_of(const LunFacts& lun, std::string_view snapshot) const;
  std::vector<catalog::SnapshotRecord> records_of(const Uuid& lun) const;
  std::vector<Member::Known> known_of(const Uuid& lun) const;
  static void find_folder(std::span<const Member::Known> known, Place& place);
  static Outcome<std::map<Uuid, bool>> maps_in(const Place& place);
  UnknownSnapshots unknown_in(const Place& place, const Uuid& lun, bool dry_run);
  bool was_passed_over(const Uuid& snapshot) const;
  static void find_left_behind(Place& place, const Uuid& lun, UnknownSnapshots& unknown);
  bool take_up_unknown(const Attachment& attachment, Place& place);
  Outcome<> save(const catalog::SnapshotRecord& record);
  bool change_record(const Uuid& snapshot,
                     const std::function<void(catalog::SnapshotRecord&)>& change);
  bool forget(const Uuid& snapshot);
  std::chrono::seconds locked_for(const catalog::SnapshotRecord& record) const;
  Outcome<> check_unlocked(const LunFacts& lun, const catalog::SnapshotRecord& record) const;
  Outcome<SnapshotView> change_lock(
      std::string_view lun, std::string_view snapshot, bool dry_run,
      const std::function<Outcome<>(const LunFacts&, catalog::SnapshotRecord&)>& change);
  Outcome<> put_lock(const catalog::SnapshotRecord& record);
  void keep_run_time();
  Outcome<> check_restore(const LunFacts& lun, const catalog::SnapshotRecord& record,
                          const RestoreOptions& options);
  std::string before_name(const LunFacts& lun) const;
  Outcome<> begin(const LunFacts& lun, const catalog::SnapshotRecord& record, bool again,
                  const std::string& state);
  Outcome<> bring_back(const LunFacts& lun, const catalog::SnapshotRecord& record,
                       const RestoreOptions& options);
  Outcome<> copy_back(const LunFacts& lun, const catalog::SnapshotRecord& record,
                      block::BlockDevice& disk, const RestoreOptions& options);
  class Restoring;
  void finish_restore(const Uuid& lun, const Uuid& snapshot);
  void finish_restore_later(const Uuid& lun, const Uuid& snapshot);
  std::shared_ptr<Chain> chain_of(const Uuid& lun) const;
  std::shared_ptr<Chain> chain_with(const Uuid& snapshot) const;
  std::unique_ptr<block::DataLayer> over_clone(std::unique_ptr<block::DataLayer> below,
                                               const Attachment& attachment);
  void end_clone_later(const Uuid& clone, std::chrono::milliseconds after);
  Outcome<> check_unused(const LunFacts& lun, const catalog::SnapshotRecord& record) const;
  void look_after(const catalog::SnapshotRecord& record) const;
  SnapshotView view_of(const LunFacts& lun, const catalog::SnapshotRecord& record) const;
  void note(std::string_view kind, const Uuid& lun, std::string_view actor,
            const std::string& text);

  const ManagerOptions options_;
  ChainPolicy policy_;
  std::unique_ptr<Pacer> own_pacer_;
  Pacer* pacer_;
  mutable RunTimeKeeper run_time_;
  std::atomic<int> rebuilding_{0};
  std::mutex rows_mutex_;     ///< one change of a row at a time; not held while a chain is asked
  mutable std::mutex mutex_;  ///< guards what follows; never held over anything that blocks
  std::map<Uuid, std::weak_ptr<Chain>> chains_;
  std::map<Uuid, catalog::SnapshotRecord> records_;  ///< all but those that are gone
  std::set<Uuid> restoring_;                         ///< LUNs that somebody restores now
  std::map<Uuid, std::weak_ptr<CloneFill>> clones_;  ///< that are not filled
  std::multiset<Uuid> copied_;                       ///< of which something is being made
  ControlThreads threads_;
  std::unique_ptr<Ticker> run_time_ticker_;
};

}  // namespace caisson::snapshot
