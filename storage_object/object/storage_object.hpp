// SPDX-License-Identifier: Apache-2.0
// A LUN under I/O: what every front end shares stands here (decision 8).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "storage_object/base/uuid.hpp"
#include "storage_object/block/block_device.hpp"
#include "storage_object/catalog/records.hpp"
#include "storage_object/object/reservations.hpp"

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
  reset,  ///< a LOGICAL UNIT RESET took place: 29/03
};

class ObjectObserver {
 public:
  virtual void on_object_event(ObjectEvent event) noexcept = 0;
  /// For one session alone; of no concern to observers that speak for none.
  virtual void on_nexus_event(std::uint64_t nexus, NexusEvent event) noexcept {
    (void)nexus, (void)event;
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

  /// LOGICAL UNIT RESET: waits for what is in flight, tells every observer.
  /// `done` is called on the calling thread's executor.
  virtual void reset(std::function<void(Error)> done) = 0;

  /// Front ends attach their sessions to it, and ask it about commands that
  /// never become a request; requests are checked here.
  virtual Reservations& reservations() noexcept = 0;

  /// Performs a reservation action for an attached session. Nothing is in flight
  /// while it takes effect: once `done` was told, no request that it forbids
  /// changes the medium any more. Where the state is kept over a power loss
  /// (APTPL) it is durable before that. Does not block; `done` is called on the
  /// calling thread's executor, perhaps before this returns.
  virtual void change_reservations(std::uint64_t nexus, ReservationRequest request,
                                   std::function<void(ReservationResult)> done) = 0;
};

}  // namespace caisson::object
