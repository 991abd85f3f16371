// SPDX-License-Identifier: Apache-2.0
// All storage objects of this gateway: the in-memory lists rebuilt from the
// catalog, the directory keyed by container file name, and the life of an
// object from create to delete, in an order that survives a crash anywhere.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "storage_object/base/clock.hpp"
#include "storage_object/base/result.hpp"
#include "storage_object/block/data_layer.hpp"
#include "storage_object/catalog/catalog.hpp"
#include "storage_object/file_store/store.hpp"
#include "storage_object/object/storage_object.hpp"

namespace caisson::object {

/// Setting of the catalog: "1" after a clean shutdown, "0" while serving.
inline constexpr std::string_view kCleanShutdownSetting = "clean_shutdown";

/// The largest LUN number that hosts can be told (SAM-5 4.7.7, flat space addressing).
inline constexpr std::uint64_t kMaxTargetLun = 16383;

struct CreateOptions {
  std::string name;
  std::string store;           ///< empty: the only store, or "main"
  std::uint64_t capacity = 0;  ///< bytes, a multiple of the logical block, > 0
  std::uint32_t logical_block = 512;
  std::uint32_t physical_block = 4096;
  catalog::CacheMode cache = catalog::CacheMode::writeback;
  bool thick = false;
  bool removable = false;
  std::string location;          ///< free text an administrator gives
  std::string target_name;       ///< empty: made from authority, node and name
  std::uint64_t target_lun = 0;  ///< up to kMaxTargetLun
  bool dry_run = false;          ///< check everything, change nothing, describe what would be
};

/// A LUN that is made of a snapshot, with an identity of its own (decision 11).
struct CopyOptions {
  CreateOptions like;                               ///< its name, capacity, blocks, …; thin
  catalog::LunKind kind = catalog::LunKind::clone;  ///< or view
  Uuid origin;                                      ///< the snapshot
  /// Of a clone: makes, durably, what is beside its container, which has no name yet.
  std::function<Outcome<>(const catalog::LunRecord&)> prepare;
};

struct ImportOptions {
  /// Absolute, or a name inside the store; below an import directory or a store
  /// that allows imports, else Errc::permission_denied.
  std::string file;
  std::string name;       ///< of the LUN; empty: the file's stem
  bool in_place = false;  ///< else by copy
  CreateOptions like;  ///< store, block sizes, cache, …; its name, capacity and dry_run are ignored
  bool dry_run = false;  ///< check everything, change nothing, describe what would be
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  ///< may be empty
  std::stop_token stop;  ///< asked between pieces: Errc::cancelled, nothing is left behind
};

/// Changes `lun set` can make; absent: unchanged.
struct SetOptions {
  std::optional<catalog::CacheMode> cache{};
  std::optional<std::string> location{};
  /// No host may write (SWP), or all may again; now and after a restart. Of one that
  /// is served.
  std::optional<bool> write_protect{};
};

/// One LUN as administrators see it.
struct LunView {
  catalog::LunRecord record;
  catalog::LunState state = catalog::LunState::offline;  ///< as served now
  std::string reason;                                    ///< why it is not online
  std::shared_ptr<StorageObject> object;                 ///< nullptr unless online or failed
};

/// Told when an object begins or ends to be served; on the control thread that
/// caused it, or on the registry's own when an owner lock became free. It may ask
/// the registry (find, list, store), not change that object.
class RegistryObserver {
 public:
  virtual void on_served(const std::shared_ptr<StorageObject>& object) = 0;
  /// Front ends must let go of it; returns when no request of theirs is left.
  virtual void on_withdrawn(const std::shared_ptr<StorageObject>& object) = 0;

 protected:
  ~RegistryObserver() = default;
};

/// What a layer is told of the LUN whose data it lies over.
struct LayerPlace {
  const catalog::LunRecord& record;
  file_store::Store& store;                     ///< outlives the layer
  std::shared_ptr<file_store::File> container;  ///< its open file
};

/// A directory for marks of failed LUNs.
struct MarkPlace {
  std::string name;  ///< for logs
  /// Opens it; `make`: and makes it. Errc::not_found: not there, which is no fault.
  std::function<Outcome<std::unique_ptr<file_store::Store>>(bool make)> open;
  /// In memory: every failed LUN is marked there, on the thread that learnt of it and
  /// before anything slow, so that a kill finds it marked.
  bool quick = false;
};

struct RegistryOptions {
  catalog::Catalog* catalog = nullptr;
  /// Opens the place a store record names; the composition root knows the backends.
  std::function<Outcome<std::unique_ptr<file_store::Store>>(const catalog::StoreRecord&)>
      open_store;
  std::string authority = "2026-11.io.caisson";  ///< of new target names
  std::string node;                              ///< this gateway's name in new target names
  std::string oui;  ///< 6 hex digits: NAA 6; empty: NAA 3 (locally assigned)
  /// Directories on file systems as different as can be had (the run directory,
  /// one in memory), for failed states that the catalog or the trailer did not take.
  std::vector<MarkPlace> failure_marks;
  /// The state directory: holds a file allocated beforehand, for the same.
  MarkPlace failure_record;
  /// How often a failed state that the catalog does not have is written again.
  std::chrono::milliseconds record_retry{5000};
  std::chrono::seconds lock_wait{30};  ///< how long a restart waits for the owner lock
  /// How often the names of served containers are compared with what is open; 0: never.
  std::chrono::milliseconds watch_interval{5000};
  /// Bytes per second that formatting or sanitizing one LUN moves; 0: no limit.
  std::uint64_t wipe_rate = 0;
  /// How long start() waits for a store that does not answer.
  std::chrono::milliseconds start_limit{10000};
  /// How long a change waits for hosts' requests under way to end.
  std::chrono::milliseconds pause_limit{15000};
  /// How long a change waits for the container to show that it can be written.
  std::chrono::milliseconds answer_limit{60000};
  /// How long stop() waits for what is flushed and closed.
  std::chrono::milliseconds flush_limit{60000};
  std::vector<std::string> import_directories;
  /// Directories of the gateway itself: no store may be, hold or lie in one of them.
  std::vector<std::string> protected_directories;
  /// Puts the layer that keeps snapshots over the data of one LUN, below other
  /// decorators; empty: none.
  std::function<std::unique_ptr<block::DataLayer>(std::unique_ptr<block::BlockDevice> below,
                                                  const LayerPlace&)>
      layer;
  /// What a view shows, read-only, from whatever thread asks; empty: there are no views.
  std::function<std::shared_ptr<file_store::File>(const catalog::LunRecord&)> show;
  /// Removes what was kept beside the container of a LUN that was born from a snapshot.
  std::function<Outcome<>(const catalog::LunRecord&, file_store::Store&)> discard;
  /// Puts decorators (throttle, fault) over the data of one LUN; empty: none.
  std::function<std::unique_ptr<block::BlockDevice>(std::unique_ptr<block::BlockDevice> below,
                                                    const catalog::LunRecord&)>
      decorate;
  const Clock* clock = &Clock::system();
};

/// What `catalog rebuild` found.
struct RebuildReport {
  std::vector<catalog::LunRecord> restored;  ///< LUNs taken up from their trailers
  std::vector<std::string> proposals;        ///< grants to confirm: "lun host"
  std::vector<std::string> lost;             ///< what no trailer could tell, a line each
};

/// Thread-safe; every call blocks (files, catalog): control threads only.
/// Changes of one object run one after the other, of different objects beside
/// each other. Every change is durable when its call returns success; a crash
/// at any point leaves the state before or after it, found at the next start.
/// With dry_run a call makes the same checks, changes nothing and describes what would be.
class ObjectRegistry {
 public:
  virtual ~ObjectRegistry() = default;
  static std::unique_ptr<ObjectRegistry> make(RegistryOptions options);

  /// Reads the catalog, opens every store and every container, finishes what a
  /// crash interrupted. One damaged or missing container is offline alone, with
  /// its reason; those of a store that does not answer come when it does. Fails only if
  /// the catalog cannot be read.
  virtual Outcome<> start(RegistryObserver& observer) = 0;
  /// Flushes and closes everything, beside each other; records a clean shutdown.
  /// Errc::timed_out names the LUNs whose files did not answer within the limit; the
  /// shutdown then stays unclean, and the destructor waits until they do: a process
  /// that cannot wait ends without it.
  virtual Outcome<> stop() = 0;

  /// Errc::invalid_argument if it and another store or a protected directory lie
  /// in one another (by canonical paths); such a store of the catalog is offline. So
  /// is one whose directory does not bear its mark (store_mark.hpp): nothing in it is
  /// created, removed or finished until it is asked for again, by adding it once more,
  /// retry_store() or bringing one of its LUNs online.
  virtual Outcome<> add_store(const catalog::StoreRecord& record, bool dry_run = false) = 0;
  virtual Outcome<> remove_store(std::string_view name) = 0;  // in_use while LUNs live there
  virtual std::vector<catalog::StoreRecord> stores() = 0;
  virtual file_store::Store* store(std::string_view name) = 0;  // nullptr: unknown or not open
  virtual std::string store_reason(std::string_view name) = 0;  // why it is not open
  /// Opens a store of the catalog that was not there before, and serves its LUNs.
  virtual void retry_store(std::string_view name) = 0;

  virtual Outcome<LunView> create(const CreateOptions& options) = 0;
  /// The snapshot is not checked, and not kept from being deleted: that is the caller's.
  virtual Outcome<LunView> create_copy(const CopyOptions& options) = 0;
  /// A clone has everything itself: its container gets its public name, and it is a disk
  /// like any other. Again: success. Errc::already_exists: something else has the name.
  virtual Outcome<> end_clone(const Uuid& lun) = 0;
  virtual Outcome<LunView> import(const ImportOptions& options) = 0;
  /// Takes up a container the catalog does not know or does not agree with.
  /// `capacity` names where its trailer stands if the file's length does not tell.
  virtual Outcome<LunView> adopt(std::string_view store, std::string_view file,
                                 std::optional<std::uint64_t> capacity, bool dry_run = false) = 0;
  virtual Outcome<LunView> resize(std::string_view name, std::uint64_t capacity, bool allow_shrink,
                                  bool dry_run = false) = 0;
  virtual Outcome<LunView> rename(std::string_view name, std::string_view to,
                                  bool dry_run = false) = 0;
  virtual Outcome<LunView> set(std::string_view name, const SetOptions& options) = 0;
  virtual Outcome<LunView> set_online(std::string_view name, bool accept_loss) = 0;
  virtual Outcome<LunView> set_offline(std::string_view name) = 0;
  virtual Outcome<> remove(std::string_view name) = 0;

  virtual std::optional<LunView> find(std::string_view name) const = 0;
  virtual std::optional<LunView> find(const Uuid& uuid) const = 0;
  virtual std::optional<LunView> find_by_file(std::string_view store,
                                              std::string_view file) const = 0;
  /// The LUNs below one target; for logins, so by an index, not by a search.
  virtual std::vector<LunView> find_by_target(std::string_view target) const = 0;
  virtual std::vector<LunView> list() const = 0;  // by name

  /// Holds back what changes data of all these LUNs, one at least and none named twice, and
  /// once nothing of the kind is in flight among them runs `body`, which does not block.
  /// Reads and flushes go on, and while one of them is waited for, so do writes to the
  /// others. Errc::timed_out after `limit` in all, offline, in_use (a format or sanitize is
  /// under way or has failed): it did not run.
  virtual Outcome<> hold_changes(std::span<const Uuid> luns, std::chrono::milliseconds limit,
                                 const std::function<void()>& body) = 0;
  /// Keeps every host out of the LUN until end_restore(). Errc::in_use: requests do not
  /// end, or a format, sanitize or restore is under way.
  virtual Outcome<> keep_out(const Uuid& lun) = 0;
  /// The same, unless keep_out() has, over restarts: it is being restored from that
  /// snapshot. Once more for the same: success.
  virtual Outcome<> begin_restore(const Uuid& lun, const Uuid& snapshot) = 0;
  /// `changed`: hosts are told that the medium may be another.
  virtual Outcome<> end_restore(const Uuid& lun, bool changed) = 0;
  virtual void note_restore(const Uuid& lun, std::uint64_t done, std::uint64_t of) = 0;

  /// Copies what the catalog says of grants into a LUN's trailer.
  virtual Outcome<> refresh_grants(const Uuid& lun) = 0;
  /// Restores LUN rows from the trailers found in every store (decision 1); with
  /// dry_run only reports what it would do.
  virtual Outcome<RebuildReport> rebuild(bool dry_run) = 0;
};

}  // namespace caisson::object
