// SPDX-License-Identifier: Apache-2.0
// A LUN under I/O: what every front end shares stands here (decision 8).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "storage_object/base/uuid.hpp"
#include "storage_object/block/block_device.hpp"
#include "storage_object/block/block_errc.hpp"
#include "storage_object/catalog/records.hpp"
#include "storage_object/object/medium.hpp"
#include "storage_object/object/mode_settings.hpp"
#include "storage_object/object/reservations.hpp"
#include "storage_object/object/space.hpp"
#include "storage_object/object/upkeep.hpp"

namespace caisson::object {

/// What a disk tells of itself; copied out of the trailer, changes seldom.
struct Identity {
  Uuid uuid;
  std::string name;
  std::string naa;  ///< hex digits, upper nibble 3 or 6
  std::string serial;
  std::string target_name;
  std::uint64_t target_lun = 0;
  bool removable = false;
};

/// What front ends must tell their clients. Delivered on the thread that caused
/// it, which may be any; receivers post to their own and never block.
enum class ObjectEvent : std::uint8_t {
  capacity_changed,  ///< 2A/09 to every nexus, an NBS event
  mode_changed,      ///< cache mode: 2A/01
  identity_changed,  ///< renamed: 3F/03 where it shows
  failed,            ///< from now on writes and flushes fail
  offline,           ///< from now on everything fails, until online
  online,
  reset,      ///< a LOGICAL UNIT RESET took place: 29/03
  space_low,  ///< its store reached a soft threshold: 38/07; thin objects only
};

class ObjectObserver {
 public:
  virtual void on_object_event(ObjectEvent event) noexcept = 0;
  /// For one session alone; of no concern to observers that speak for none.
  virtual void on_nexus_event(std::uint64_t nexus, NexusEvent event) noexcept {
    (void)nexus, (void)event;
  }
  /// One session changed the modes: all others must hear of it.
  virtual void on_modes_changed(std::uint64_t nexus) noexcept {
    (void)nexus;
    on_object_event(ObjectEvent::mode_changed);
  }

 protected:
  ~ObjectObserver() = default;
};

/// I/O since the object was opened. Relaxed counters, per thread, summed when read.
struct Accounting {
  std::uint64_t reads = 0, read_bytes = 0, writes = 0, written_bytes = 0, flushes = 0, unmaps = 0,
                errors = 0;
};

/// The disk that front ends see: BlockDevice plus identity, state and events.
/// Thread rules as BlockDevice. Checks range, alignment, write permission,
/// owner epoch, reservations and state of every request; serialises sub-block writes where
/// the file below needs it; keeps the in-flight tables; turns a failed flush
/// into the failed state before it answers (decision 3).
class StorageObject : public block::BlockDevice {
 public:
  virtual std::shared_ptr<const Identity> identity() const noexcept = 0;
  virtual catalog::CacheMode cache_mode() const noexcept = 0;
  virtual catalog::LunState state() const noexcept = 0;  // online, offline or failed
  virtual Accounting accounting() const noexcept = 0;
  virtual std::uint64_t config_id() const noexcept = 0;

  /// Bytes of space the container occupies; asks the file system (may block
  /// briefly; control threads).
  virtual Result<std::uint64_t> allocated() = 0;

  virtual void subscribe(ObjectObserver& observer) = 0;
  /// After it returns the observer is not called again.
  virtual void unsubscribe(ObjectObserver& observer) = 0;

  /// Takes back a request that has not begun, because it waits for its range: it
  /// ends with `why` (`busy` or `aborted`), perhaps before this returns. What has
  /// begun goes on, but with `aborted` begins no further step. Between submit and
  /// completion, on the I/O thread that submitted.
  virtual void recall(block::IoRequest& request, block::BlockErrc why) noexcept = 0;

  /// Nobody speaks for the request any more: its sender was told that it has
  /// ended. Until it completes, as it will, what overlaps a change that it may
  /// still make waits; so an old write never lands on a newer one's data. Thread
  /// and time as recall().
  virtual void abandon(block::IoRequest& request) noexcept = 0;

  /// What a LOGICAL UNIT RESET means to an object: nobody has it reserved for a
  /// session, every observer hears of it. Ending commands is their front ends' part.
  virtual Error reset() = 0;

  /// Front ends attach their sessions to it, and ask it about commands that
  /// never become a request; requests are checked here.
  virtual Reservations& reservations() noexcept = 0;

  /// Who asks for a change: a session, 0: the gateway itself; and something of the
  /// caller's by which recall_change() finds it.
  struct ChangeOrigin {
    std::uint64_t nexus = 0;
    const void* task = nullptr;
  };

  /// A change that has not begun, because it waits for what is in flight, does not
  /// begin: it ends with `why` (`busy` or `aborted`; of reservations always with
  /// ReservationResult::busy or not_kept_yet), perhaps before this returns. What has begun
  /// goes on, but with `busy` reservations that cannot be made durable are answered. On
  /// the thread that asked for it.
  virtual void recall_change(const void* task, block::BlockErrc why) noexcept = 0;

  /// Performs a reservation action for an attached session. It does not wait for
  /// requests: those that are under way and change data are fenced, so that once `done`
  /// was told, no request that it forbids changes what anybody could have read or written
  /// since. Where the state is kept over a power loss (APTPL) nothing is in flight while it
  /// takes effect, and it is durable before that. Does not block; `done` is called on the
  /// calling thread's executor, perhaps before this returns.
  virtual void change_reservations(ChangeOrigin origin, ReservationRequest request,
                                   std::function<void(ReservationResult)> done) = 0;

  /// Settings that hosts change by change_modes().
  virtual const ModeSettings& modes() const noexcept = 0;

  /// Performs a change; all of it or, with an error, nothing that the next restart
  /// would not take back. What is saved, and the cache mode, change while nothing is
  /// in flight. BlockErrc::busy while an administrator changes the object. Does
  /// not block; `done` is called on the calling thread's executor, perhaps before
  /// this returns.
  virtual void change_modes(ChangeOrigin origin, const ModeChange& change,
                            std::function<void(Error)> done) = 0;

  /// An event for administrators: what a host did to all of the object. Kept in
  /// the catalog soon, or lost with a line in the log. From any thread; does not block.
  virtual void note(std::string_view kind, std::string text) = 0;

  virtual Medium& medium() noexcept = 0;

  virtual const Upkeep& upkeep() const noexcept = 0;

  /// Of its store, as the last look found it, some seconds ago. Does not block.
  virtual SpaceReport space() const noexcept = 0;

  /// Keeps every host out, then changes all of the disk. `begun` is called once
  /// nothing of theirs is in flight and the state is durable that must be, or
  /// with the reason why it does not begin: BlockErrc::busy while another is
  /// under way, conflict with a reservation as it is then, aborted by
  /// recall_change(), write_protected, Errc::in_use while other images share blocks
  /// with it (sanitize only). `done`, if it has begun, when it has ended, which a
  /// restart prevents. Both on the calling thread's executor.
  virtual void start_upkeep(ChangeOrigin origin, UpkeepRequest request,
                            std::function<void(Error)> begun, std::function<void(Error)> done) = 0;
  /// Ends UpkeepState::sanitize_failed where that is allowed, durably; else
  /// Errc::invalid_argument. `done` as above.
  virtual void leave_failed_sanitize(std::function<void(Error)> done) = 0;
};

}  // namespace caisson::object
