// SPDX-License-Identifier: Apache-2.0
// The StorageObject over a stack of BlockDevices, and what the registry does to
// it while it is served.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "storage_object/block/data_layer.hpp"
#include "storage_object/object/container_data.hpp"
#include "storage_object/object/in_flight.hpp"
#include "storage_object/object/per_thread.hpp"
#include "storage_object/object/storage_object.hpp"
#include "storage_object/object/sync_gate.hpp"

namespace caisson::object {

class LunObject;
struct ObjectOp;

/// Makes the failed state of `object` durable where that is possible, on a
/// control thread, then calls `recorded`. Not called again before that; from
/// any thread, and does not block.
using FailureRecorder =
    std::function<void(std::shared_ptr<LunObject> object, std::function<void()> recorded)>;

/// Makes the reservations of an object durable, on a control thread, then calls
/// `kept`. From any thread, and does not block.
using ReservationKeeper =
    std::function<void(const ReservationState& state, std::function<void(Error)> kept)>;

/// Puts modes into force: switches the file the cache mode needs, makes `saved`
/// durable if there is one, then calls `kept`. While nothing is in flight; from any
/// thread; does not block.
using ModeKeeper = std::function<void(ModeValues current, std::optional<ModeValues> saved,
                                      std::function<void(Error)> kept)>;

/// Has the cache mode switched to the saved one, now or later, while nothing is in
/// flight. From any thread; does not block.
using CacheRestorer = std::function<void()>;

/// Makes a state of upkeep durable, on a control thread, then calls `kept`.
using UpkeepKeeper =
    std::function<void(UpkeepState state, bool may_be_left, std::function<void(Error)> kept)>;

/// Keeps an event of the object, on a control thread. From any thread.
using EventNoter = std::function<void(std::string_view kind, std::string text)>;

/// What a LunObject is made of.
struct LunParts {
  Identity identity;
  std::unique_ptr<block::BlockDevice> stack;  ///< top of the stack; owns what is below
  ContainerData* data = nullptr;              ///< bottom of the stack
  block::DataLayer* layer = nullptr;          ///< in the stack, if there is one
  catalog::CacheMode cache = catalog::CacheMode::writeback;
  bool failed = false;  ///< starts in the failed state
  std::uint64_t config_id = 1;
  std::uint64_t owner_epoch = 1;
  FailureRecorder recorder;
  ReservationState reservations{};  ///< that outlived the last stop
  ReservationKeeper keeper{};       ///< none: nothing can be kept
  ModeValues saved_modes{.cache = cache};
  ModeKeeper mode_keeper{};  ///< none: nothing can be saved
  CacheRestorer cache_restorer{};
  UpkeepState upkeep = UpkeepState::none;
  bool upkeep_may_be_left = false;
  UpkeepKeeper upkeep_keeper{};  ///< none: nothing can be kept
  std::uint64_t wipe_rate = 0;   ///< bytes per second of an upkeep; 0: no limit
  EventNoter noter{};            ///< none: events are dropped
};

/// Range locks: see InFlight. A request enters the tables before it is checked,
/// so that whoever holds the whole object and changes what is checked (state,
/// capacity, cache mode) knows that nobody goes on with the old.
class LunObject final : public StorageObject, public std::enable_shared_from_this<LunObject> {
 public:
  explicit LunObject(LunParts parts);
  ~LunObject() override;

  block::Geometry geometry() const noexcept override;
  block::Features features() const noexcept override;
  void submit(block::IoRequest& request) override;

  std::shared_ptr<const Identity> identity() const noexcept override;
  catalog::CacheMode cache_mode() const noexcept override { return mode_.load(); }
  catalog::LunState state() const noexcept override { return state_.load(); }
  Accounting accounting() const noexcept override;
  std::uint64_t config_id() const noexcept override { return config_id_.load(); }
  Result<std::uint64_t> allocated() override;
  void subscribe(ObjectObserver& observer) override;
  void unsubscribe(ObjectObserver& observer) override;
  void recall(block::IoRequest& request, block::BlockErrc why) noexcept override;
  void abandon(block::IoRequest& request) noexcept override;
  Error reset() override;
  Reservations& reservations() noexcept override { return reservations_; }
  void change_reservations(ChangeOrigin origin, ReservationRequest request,
                           std::function<void(ReservationResult)> done) override;
  void recall_change(const void* task, block::BlockErrc why) noexcept override;

  const ModeSettings& modes() const noexcept override { return modes_; }
  void change_modes(ChangeOrigin origin, const ModeChange& change,
                    std::function<void(Error)> done) override;
  void note(std::string_view kind, std::string text) override;
  Medium& medium() noexcept override { return medium_; }
  const Upkeep& upkeep() const noexcept override { return upkeep_; }
  SpaceReport space() const noexcept override { return space_.report(); }
  void start_upkeep(ChangeOrigin origin, UpkeepRequest request, std::function<void(Error)> begun,
                    std::function<void(Error)> done) override;
  void leave_failed_sanitize(std::function<void(Error)> done) override;
  /// A reset of the unit: the saved modes are the current ones again.
  void restore_modes();

  // For the registry; control threads.

  /// A reset took the cache mode back, and that is still to be done.
  bool cache_is_due() const noexcept { return cache_is_due_; }
  /// What was saved, by whoever saved it.
  void set_saved_modes(ModeValues saved) noexcept { modes_.set_saved(saved); }
  /// Nothing is in flight and nothing starts while it lives.
  class Pause {
   public:
    /// Waits as long as that takes.
    explicit Pause(LunObject& object);
    /// Waits for `limit` at most. reached() is false if something still was in flight
    /// then: nothing is held.
    Pause(LunObject& object, std::chrono::milliseconds limit);
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

    bool reached() const noexcept { return reached_; }

   private:
    LunObject& object_;
    InFlightEntry entry_;
    bool reached_;
  };

  /// Nothing that changes data is in flight and nothing of the kind starts while it
  /// lives; reads and flushes go on.
  class ChangeHold {
   public:
    /// reached() is false if something still was in flight after `limit`.
    ChangeHold(LunObject& object, std::chrono::milliseconds limit);
    ~ChangeHold();
    ChangeHold(const ChangeHold&) = delete;
    ChangeHold& operator=(const ChangeHold&) = delete;

    bool reached() const noexcept { return reached_; }

   private:
    LunObject& object_;
    InFlightEntry entry_;
    bool reached_;
  };

  /// What a look at the store found; observers hear of thresholds.
  void publish_space(const SpaceReport& report);
  void announce(ObjectEvent event);
  void set_identity(Identity identity);
  void set_capacity(std::uint64_t capacity, std::uint64_t config_id);
  /// Under a Pause.
  void set_mode(catalog::CacheMode mode, std::shared_ptr<file_store::File> file);
  /// Waits for what is in flight; everything later fails with BlockErrc::offline.
  void withdraw() { (void)withdraw(std::chrono::milliseconds::max()); }
  /// The same within `limit`. False: something still is in flight; nothing has changed,
  /// but what came meanwhile has waited.
  bool withdraw(std::chrono::milliseconds limit);
  /// How often the durability of what was acknowledged was lost.
  std::uint64_t failures() const { return gate_.failures(); }
  /// Ends the failed state, if there was no failure since failures() was
  /// `failure`. Else false: it stays failed, and that is recorded once more.
  bool accept_loss(std::uint64_t failure);
  /// Syncs `file` on behalf of the trailer, counted among the flushes: a failure
  /// fails the object, and every flush beside it. Waits for the flushes beside
  /// it: EIO when one of them, or one since the last call, failed and may have
  /// taken what the trailer wrote with it; what is written anew can be synced
  /// again. One caller at a time.
  Result<> sync_beside(file_store::File& file);
  /// A sync of the container outside this object's own requests failed. The number of
  /// this failure if it is the only one that has not been accepted, else 0.
  std::uint64_t fail();
  ContainerData& data() noexcept { return *data_; }
  /// nullptr: none.
  block::DataLayer* layer() noexcept { return layer_; }
  /// Keeps every host out, once nothing of theirs is in flight. BlockErrc::busy: that did
  /// not end within `limit`, or something else keeps them out; offline, failed.
  Error begin_restore(std::chrono::milliseconds limit);
  /// Lets them in again; `changed`: and tells them that the medium may be another.
  void end_restore(bool changed);
  void note_restore(std::uint64_t done, std::uint64_t of) noexcept { upkeep_.advance(done, of); }

 private:
  struct Counters;
  struct Change;
  struct ReservationChange;
  struct UpkeepStart;
  struct ModeSwitch;

  void announce(std::uint64_t nexus, NexusEvent event);
  void announce_modes(std::uint64_t nexus);
  ModeValues modes_after(const ModeChange& change) const noexcept;
  void end_upkeep(bool failed, std::function<void()> ended);
  void start(ObjectOp& op);
  Error refuse(const block::IoRequest& request) const;
  void hand_down(ObjectOp& op);
  void read_first(ObjectOp& op);
  void submit_child(ObjectOp& op);
  static void on_read_first(block::IoRequest& child) noexcept;
  static void on_child(block::IoRequest& child) noexcept;
  void run_ranges(ObjectOp& op);
  static bool goes_on(ObjectOp& op);
  void conclude(ObjectOp& op);
  void end_durable(ObjectOp& op, bool loss);
  void answer_durable(ObjectOp& op, bool good);
  void answer_failed(ObjectOp& op);
  void begin_failure(std::uint64_t failure);
  bool begin_recording();  // under failure_mutex_; true for the first
  void record();
  void on_recorded();
  void finish(ObjectOp& op, Error error);
  Counters& own_counters();

  std::unique_ptr<block::BlockDevice> stack_;
  ContainerData* data_;
  block::DataLayer* layer_;
  const block::Features features_;
  const std::uint32_t logical_block_;
  std::atomic<catalog::CacheMode> mode_;
  std::atomic<catalog::LunState> state_;
  std::atomic<std::uint64_t> config_id_;
  std::atomic<std::uint64_t> owner_epoch_;
  FailureRecorder recorder_;
  Reservations reservations_;
  ReservationKeeper keeper_;
  ModeSettings modes_;
  ModeKeeper mode_keeper_;
  CacheRestorer cache_restorer_;
  std::atomic<bool> cache_is_due_{false};
  Medium medium_;
  Upkeep upkeep_;
  UpkeepKeeper upkeep_keeper_;
  const std::uint64_t wipe_rate_;
  EventNoter noter_;
  Space space_;

  InFlight in_flight_;
  SyncGate gate_;
  std::atomic<std::uint64_t> trailer_knows_{0};  // failures, as of the last sync_beside
  PerThread<Counters> counters_;
  std::unique_ptr<Counters> shared_counters_;  // of threads that have none of their own

  std::mutex failure_mutex_;  // guards what follows; taken before the gate's
  enum class Recording : std::uint8_t { none, under_way, done } recording_ = Recording::none;
  ObjectOp* awaiting_record_ = nullptr;
  bool record_again_ = false;   // what was recorded may have been cleared meanwhile
  std::uint64_t accepted_ = 0;  // the last failure whose loss was accepted

  mutable std::mutex identity_mutex_;
  std::shared_ptr<const Identity> identity_;
  std::mutex changes_mutex_;      // guards changes_
  std::vector<Change*> changes_;  // that have not begun
  std::mutex observers_mutex_;    // held while observers are called
  std::vector<ObjectObserver*> observers_;
};

}  // namespace caisson::object
