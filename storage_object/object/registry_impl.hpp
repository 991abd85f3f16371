// SPDX-License-Identifier: Apache-2.0
// The ObjectRegistry: inside this folder only.
//
// Locks, outermost first: Entry::change (one administrative change of an object
// at a time), Entry::recording (its failed state is recorded or cleared, or it is
// erased: one after the other), Entry::row (one read-modify-write of its catalog row at a time),
// Registry::mutex_ (the lists; never held over anything that blocks).
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage_object/base/control_threads.hpp"
#include "storage_object/object/container.hpp"
#include "storage_object/object/failure_marks.hpp"
#include "storage_object/object/lun_object.hpp"
#include "storage_object/object/parallel_jobs.hpp"
#include "storage_object/object/registry.hpp"
#include "storage_object/object/store_watch.hpp"

namespace caisson::object {

/// Whether the container that is open is what bears its name.
enum class Bearing : std::uint8_t {
  ours,
  linked,     ///< it is, and has other names besides
  deleted,    ///< it has no name any more, and its own is free
  replaced,   ///< it has no name any more, something else bears its own
  moved,      ///< it has another name, its own is free
  displaced,  ///< it has another name, something else bears its own
  unknown,    ///< it could not be told
};

/// One LUN of the lists.
struct Entry {
  /// What hosts' commands and failures have to be made durable of it.
  const std::shared_ptr<ControlLane> lane = std::make_shared<ControlLane>();
  /// Of check_answers(), which may hang.
  const std::shared_ptr<ControlLane> looks = std::make_shared<ControlLane>();
  std::mutex change;
  std::mutex recording;
  std::mutex row;
  // Guarded by Registry::mutex_:
  catalog::LunRecord record;
  std::string reason;                    ///< why it is not served; empty when it is
  std::shared_ptr<LunObject> object;     ///< while served
  std::shared_ptr<Container> container;  ///< while open
  bool erased = false;                   ///< no longer in the lists
  bool made_sure = false;                ///< nothing of an unclean stop is left in it
  bool failing = false;                  ///< failed, whatever the row says
  bool unrecorded = false;               ///< failed; neither catalog nor trailer is sure to say so
  bool recording_again = false;          ///< on its lane
  bool in_doubt = false;                 ///< offline: its row may be another at the next start
  Bearing bearing = Bearing::ours;       ///< as last seen; never `unknown`
  std::string failure;                   ///< why it fails; empty: a flush failed
  std::uint64_t stopped = 0;             ///< that failure, where it is the only one
};
using EntryPtr = std::shared_ptr<Entry>;

class Registry final : public ObjectRegistry {
 public:
  explicit Registry(RegistryOptions options);
  ~Registry() override;

  Outcome<> start(RegistryObserver& observer) override;
  Outcome<> stop() override;
  Outcome<> add_store(const catalog::StoreRecord& record, bool dry_run) override;
  Outcome<> remove_store(std::string_view name) override;
  std::vector<catalog::StoreRecord> stores() override;
  file_store::Store* store(std::string_view name) override;
  std::string store_reason(std::string_view name) override;
  void retry_store(std::string_view name) override;
  Outcome<LunView> create(const CreateOptions& options) override;
  Outcome<LunView> create_copy(const CopyOptions& options) override;
  Outcome<> end_clone(const Uuid& lun) override;
  Outcome<LunView> import(const ImportOptions& options) override;
  Outcome<LunView> adopt(std::string_view store, std::string_view file,
                         std::optional<std::uint64_t> capacity, bool dry_run) override;
  Outcome<LunView> resize(std::string_view name, std::uint64_t capacity, bool allow_shrink,
                          bool dry_run) override;
  Outcome<LunView> rename(std::string_view name, std::string_view to, bool dry_run) override;
  Outcome<LunView> set(std::string_view name, const SetOptions& options) override;
  Outcome<LunView> set_online(std::string_view name, bool accept_loss) override;
  Outcome<LunView> set_offline(std::string_view name) override;
  Outcome<> remove(std::string_view name) override;
  std::optional<LunView> find(std::string_view name) const override;
  std::optional<LunView> find(const Uuid& uuid) const override;
  std::optional<LunView> find_by_file(std::string_view store, std::string_view file) const override;
  std::vector<LunView> find_by_target(std::string_view target) const override;
  std::vector<LunView> list() const override;
  Outcome<> hold_changes(std::span<const Uuid> luns, std::chrono::milliseconds limit,
                         const std::function<void()>& body) override;
  Outcome<> keep_out(const Uuid& lun) override;
  Outcome<> begin_restore(const Uuid& lun, const Uuid& snapshot) override;
  Outcome<> end_restore(const Uuid& lun, bool changed) override;
  void note_restore(const Uuid& lun, std::uint64_t done, std::uint64_t of) override;
  Outcome<> refresh_grants(const Uuid& lun) override;
  Outcome<RebuildReport> rebuild(bool dry_run) override;

 private:
  struct StoreEntry {
    catalog::StoreRecord record;
    std::unique_ptr<file_store::Store> store;  ///< nullptr: could not be opened
    std::string reason;
    std::filesystem::path place;  ///< of one that is open: without links
  };
  struct Locked {
    EntryPtr entry;
    std::unique_lock<std::mutex> change;
  };

  // Lists (registry.cpp).
  LunView view(const Entry& entry) const;  // under mutex_
  LunView view_of(const EntryPtr& entry) const;
  catalog::LunRecord row_of_entry(const EntryPtr& entry) const;
  Outcome<Locked> lock(std::string_view name);
  EntryPtr entry_named(std::string_view name) const;
  std::vector<EntryPtr> entries() const;
  void index(const EntryPtr& entry);    // under mutex_
  void unindex(const EntryPtr& entry);  // under mutex_
  void forget(const EntryPtr& entry);
  Outcome<file_store::Store*> open_store(std::string_view name);
  /// Changes the row durably, then in memory. `event`: kind and text, may be empty.
  Outcome<> save(const EntryPtr& entry, const std::function<void(catalog::LunRecord&)>& change,
                 std::string_view event = {}, std::string_view text = {});
  Outcome<> erase(const EntryPtr& entry);
  /// A new entry under `row.name`, visible as being created. already_exists.
  Outcome<Locked> reserve(const catalog::LunRecord& row);
  /// Whether name, file and LUN number are free; under mutex_.
  Outcome<> check_free(const catalog::LunRecord& row) const;

  // Stores (registry_stores.cpp).
  Outcome<> check_place(const catalog::StoreRecord& record);
  /// Whether an administrator said that the store is there: asked for one of its LUNs,
  /// or for itself (which is said of this directory).
  enum class Asked : std::uint8_t { no, online, yes };
  Outcome<std::unique_ptr<file_store::Store>> open_in_place(catalog::StoreRecord& record,
                                                            Asked asked, bool change);
  Outcome<bool> check_mark(file_store::Store& store, catalog::StoreRecord& record, Asked asked);
  bool holds_ours(file_store::Store& store, std::string_view name);
  bool holds_rows(std::string_view name) const;
  Outcome<> put_store(const catalog::StoreRecord& record);
  void try_store(catalog::StoreRecord record, Asked asked = Asked::no);
  void open_known(const catalog::StoreRecord& record);
  bool reopen_store(std::string_view name);
  Outcome<> put_in_place(const catalog::StoreRecord& wanted, bool dry_run);
  bool has_store(std::string_view name) const;
  void revive(std::string_view store);
  /// While it lives nobody else opens the store. Waits for who does.
  class Trying {
   public:
    Trying(Registry& registry, std::string_view store);
    ~Trying();
    Trying(const Trying&) = delete;
    Trying& operator=(const Trying&) = delete;

   private:
    Registry& registry_;
    const std::string store_;
  };

  // Serving (registry_serve.cpp).
  /// Opens the container and serves it; what a crash interrupted is finished.
  Outcome<> bring_up(const EntryPtr& entry);
  void open_all(std::vector<catalog::StoreRecord> stores, const std::vector<EntryPtr>& entries);
  void begin_lock_waiter();
  bool retry_lock(const EntryPtr& entry);
  Outcome<> open_and_serve(const EntryPtr& entry);
  Outcome<> serve(const EntryPtr& entry, std::unique_ptr<Container> container);
  Outcome<> make_sure(const EntryPtr& entry, Container& container);
  /// Of one that is not served yet: a sync that fails marks it before anybody tries again.
  void mark_losses(const Uuid& uuid, Container& container);
  Outcome<> anchor_new(const EntryPtr& entry, Container& container);
  Outcome<> finish_resize(const EntryPtr& entry, Container& container);
  Outcome<> finish_creation(const EntryPtr& entry);
  Outcome<> finish_deletion(const EntryPtr& entry);
  Outcome<> finish_import(const EntryPtr& entry, file_store::Store& store);
  Outcome<> take_back_creation(const EntryPtr& entry, std::string_view why);
  Outcome<> finish_rename(const EntryPtr& entry);
  Outcome<> keep_name(const std::string& store, std::string_view name);
  Outcome<LunView> rename_kept(const EntryPtr& entry, std::string_view to, bool dry_run);
  Outcome<> end_rename(const EntryPtr& entry, std::string_view name, std::string_view file);
  Outcome<LunView> rename_row(const EntryPtr& entry, std::string_view to, bool dry_run);
  void tell_name(const EntryPtr& entry);
  enum class MayWait : std::uint8_t { no, yes };  ///< for the owner lock, beside the others
  void bring_up_or_note(const EntryPtr& entry, MayWait may_wait);
  void put_layers(LunParts& parts, const LayerPlace& place) const;
  /// No longer served, closed. Data is flushed first; a failure of that is recorded.
  /// False: hosts' requests did not end within `limit`, and nothing has changed.
  bool take_down(const EntryPtr& entry,
                 std::chrono::milliseconds limit = std::chrono::milliseconds::max());
  Error keep_reservations(const EntryPtr& entry, const ReservationState& state);

  // What hosts set (registry_modes.cpp).
  ModeKeeper mode_keeper(const EntryPtr& entry);
  Error keep_modes(const EntryPtr& entry, ModeValues current,
                   const std::optional<ModeValues>& saved);
  Outcome<> save_modes(const EntryPtr& entry, Container& container, ModeValues saved);
  static void use_file(LunObject& object, std::shared_ptr<file_store::File> file,
                       catalog::CacheMode mode);
  UpkeepKeeper upkeep_keeper(const EntryPtr& entry);
  CacheRestorer cache_restorer(const EntryPtr& entry);
  void restore_cache(const EntryPtr& entry);
  EventNoter event_noter(const EntryPtr& entry);
  Error keep_upkeep(const EntryPtr& entry, UpkeepState state, bool may_be_left);

  // The failed state (registry_failure.cpp).
  void record_failure(const EntryPtr& entry, const std::function<void()>& recorded);
  /// False: neither the catalog nor the trailer took it.
  bool write_failure(const EntryPtr& entry);
  Outcome<> save_failure(const EntryPtr& entry, const std::string& why);
  bool fail_trailer(const EntryPtr& entry, const std::string& why);
  Outcome<> clear_failure(const EntryPtr& entry, std::string_view event, std::string_view text);
  Outcome<> accept_failure(const EntryPtr& entry, LunObject& object);
  /// Ends a failed state by which nothing was lost.
  Outcome<> lift_failure(const EntryPtr& entry, LunObject& object, std::uint64_t failure);
  Outcome<> end_failure(const EntryPtr& entry, LunObject& object, std::uint64_t failure);
  bool starts_failed(const EntryPtr& entry, Container& container);
  bool is_failing(const EntryPtr& entry) const;
  std::vector<EntryPtr> missing_failures() const;
  void keep_recording();
  void record_again(const EntryPtr& entry);
  void record_until_stopped();
  Outcome<> go_offline(const EntryPtr& entry);
  void withdraw_in_doubt(const EntryPtr& entry, const char* change);
  Outcome<> end_doubt(const EntryPtr& entry);

  std::string failure_of(const EntryPtr& entry) const;
  void wait_for_locks();

  // Watching and stopping (registry_watch.cpp, registry_stop.cpp).
  void begin_watch();
  void watch_store(const std::string& name);
  Bearing bearing(const EntryPtr& entry);
  // Space (registry_space.cpp).
  void watch_space(const std::string& store, const std::vector<EntryPtr>& served);
  void tell_space(const std::string& store, const SoftThresholds::Crossed& crossed,
                  const file_store::Space& space);
  static void sample_space(LunObject& object, file_store::Store& store);
  // With entry->change held:
  Outcome<> check_bearing(const EntryPtr& entry);
  Outcome<> check_not_last(const EntryPtr& entry);
  Outcome<> check_moved(const EntryPtr& entry, file_store::Store& store, const std::string& file);
  Outcome<> take_up_replacement(const EntryPtr& entry);
  void tell_moved(const EntryPtr& entry, const Failure& why);
  void stop_writes(const EntryPtr& entry, const Failure& why);
  void resume_writes(const EntryPtr& entry);
  void note_event(std::string_view kind, const std::string& lun, std::string_view text);
  bool stopping() const;
  bool all_made_sure() const;
  std::vector<std::string> close_all();
  struct Names {
    std::mutex mutex;
    std::vector<std::string> names;
  };
  std::vector<std::function<void()>> record_missing_failures(
      const std::shared_ptr<Names>& unrecorded);
  bool misses_failure(const EntryPtr& entry) const;

  // Of snapshots (registry_copies.cpp).
  Outcome<> check_copy(const catalog::LunRecord& row);
  Outcome<LunView> build_view(catalog::LunRecord row);
  Outcome<> serve_view(const EntryPtr& entry);
  void discard_beside(const catalog::LunRecord& row);

  // Creation and import (registry_create.cpp, registry_import.cpp).
  Outcome<catalog::LunRecord> checked_row(const CreateOptions& options);
  std::string free_target_name(const CreateOptions& options) const;
  /// What build() would say, as far as it can be told without a trace.
  Outcome<LunView> preview(const catalog::LunRecord& row);
  Outcome<LunView> build(const catalog::LunRecord& row, const Fill& fill);
  Outcome<> build_in(const EntryPtr& entry, const Fill& fill);
  /// Takes a creation back: the file, if it is ours, and the row.
  void roll_back(const EntryPtr& entry);
  /// Where a raw image lies: below a directory that imports may read from.
  struct Source {
    std::unique_ptr<file_store::Store> opened;  ///< if it is not the target itself
    file_store::Store* store = nullptr;
    std::string name;
  };
  Outcome<Source> find_source(const ImportOptions& options, std::string_view target_name,
                              file_store::Store& target);
  Outcome<LunView> import_in_place(catalog::LunRecord row, catalog::RawImage image, bool dry_run);
  Outcome<> wrap_in_place(const EntryPtr& entry);
  Outcome<> end_import(const EntryPtr& entry, std::unique_ptr<Container> container);
  std::string default_store() const;

  Outcome<LunView> adopt_known(const EntryPtr& entry, std::optional<std::uint64_t> capacity,
                               bool dry_run);
  Outcome<LunView> adopt_row(catalog::LunRecord row, std::unique_ptr<Container> container,
                             bool dry_run);
  Outcome<> fit(const Uuid& uuid, Container& container);
  Outcome<> replace_row(const EntryPtr& entry, const catalog::LunRecord& row);
  Outcome<> check_adoptable(const catalog::LunRecord& row, const EntryPtr& known) const;
  Outcome<LunView> preview_resize(LunView lun, std::uint64_t capacity);
  Outcome<> intend_resize(const EntryPtr& entry, Container& container,
                          const catalog::ResizeIntent& intent);
  Outcome<> change_size(const EntryPtr& entry, LunObject& object, Container& container,
                        const catalog::ResizeIntent& intent);
  bool finish_anew(const EntryPtr& entry, std::string why);
  Outcome<> switch_cache(const EntryPtr& entry, catalog::CacheMode mode);
  Outcome<> set_write_protect(const EntryPtr& entry, bool protect);
  Failure still_in_flight(const EntryPtr& entry) const;
  /// Before a change of one that is served: that nothing of hosts hangs in its file, and
  /// that a sync of it ends. What begins to hang later is waited for.
  Outcome<> check_answers(const EntryPtr& entry);

  const RegistryOptions options_;
  RegistryObserver* observer_ = nullptr;
  std::unique_ptr<FailureMarks> marks_;
  bool distrust_ = false;   // the last stop was not clean: what is read may not be durable
  std::mutex place_mutex_;  // one new store at a time: each looks where the others lie

  mutable std::mutex mutex_;  // guards the lists below and what Entry says
  std::map<std::string, StoreEntry, std::less<>> stores_;
  std::set<std::string, std::less<>> trying_;  // stores that somebody opens
  std::condition_variable tried_;
  std::vector<std::unique_ptr<file_store::Store>> removed_stores_;
  std::map<std::string, EntryPtr, std::less<>> by_name_;
  std::set<std::string, std::less<>> coming_names_;  // of renames under way
  std::map<std::pair<std::string, std::string>, EntryPtr> by_file_;
  std::map<Uuid, EntryPtr> by_uuid_;
  std::multimap<std::string, EntryPtr, std::less<>> by_target_;
  std::map<std::string, SoftThresholds> thresholds_;  // of the stores that were watched
  struct WaitingForLock {
    EntryPtr entry;
    std::chrono::steady_clock::time_point until;
  };
  std::vector<WaitingForLock> waiting_for_lock_;
  bool stopping_ = false;
  std::condition_variable lock_wake_;
  bool waits_for_locks_ = false;
  struct Opening {
    std::string store;
    std::shared_future<void> ended;
  };
  std::vector<Opening> opening_;  ///< of start(): stores with their LUNs
  std::mutex lock_waiter_mutex_;  // of who begins it
  std::thread lock_waiter_;
  std::thread recorder_;

  std::unique_ptr<ControlThreads> control_;  ///< none before start()
  std::unique_ptr<StoreWatch> watch_;
  std::unique_ptr<ParallelJobs> closing_, recording_;  // of stop(); may hang
};

/// Marks `reason` of a LUN that was taken offline while it was failed.
inline constexpr std::string_view kFailedMark = "failed: ";
/// Makes a row say that the LUN has failed; it stays offline if it is.
void say_failed(catalog::LunRecord& row, const std::string& why);
bool says_failed(const catalog::LunRecord& row);

/// The container's name of a LUN.
std::string container_name(std::string_view lun);
/// That of a clone while it does not have everything itself.
std::string clone_name(const Uuid& clone);
/// What a view cannot do.
Failure no_disk_of_its_own(const catalog::LunRecord& row, std::string_view change);
Identity identity_of(const catalog::LunRecord& row);

}  // namespace caisson::object
