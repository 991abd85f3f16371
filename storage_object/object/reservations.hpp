// SPDX-License-Identifier: Apache-2.0
// Who has reserved an object: the persistent reservation of SPC-4 5.13 and the
// reservation of the whole unit by one session of SPC-2 (RESERVE, RELEASE), and
// which sessions stand for which registrants.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <shared_mutex>
#include <vector>

#include "storage_object/block/io_request.hpp"
#include "storage_object/format/trailer.pb.h"
#include "storage_object/object/reservation_rules.hpp"

namespace caisson::object {

constexpr CommandClass command_class(block::IoOp op) noexcept {
  return op == block::IoOp::read || op == block::IoOp::status ? CommandClass::read
                                                              : CommandClass::write;
}

/// Thread-safe. Changes of persistent reservations come one at a time, while the
/// object is held: see StorageObject::change_reservations().
class Reservations {
 public:
  explicit Reservations(ReservationState restored = {});

  /// May a command of this class of that nexus go on? The gateway itself (nexus
  /// 0) may always. One relaxed load while nobody has reserved anything.
  bool permits(std::uint64_t nexus, CommandClass command) const noexcept {
    return !reserved_.load(std::memory_order_relaxed) || command == CommandClass::always ||
           judge(nexus, command);
  }

  /// Whether anybody has reserved anything, persistently or until a reset.
  bool reserved() const noexcept { return reserved_.load(std::memory_order_relaxed); }

  /// A session that from now on stands for `name`. Again with the same: nothing.
  void attach(std::uint64_t nexus, NexusName name);
  /// It is gone, and with it its reservation of the whole unit.
  void detach(std::uint64_t nexus);
  /// LOGICAL UNIT RESET: nobody has the whole unit any more.
  void reset();

  ReservationState state() const;

  // For the object.

  /// What a persistent action would make of the state.
  ReservationOutcome plan(std::uint64_t nexus, const ReservationRequest& request) const;

  struct Delivery {
    std::uint64_t nexus = 0;
    NexusEvent event = NexusEvent::reservations_preempted;
  };
  /// Takes a planned outcome over; answers which sessions must hear of what.
  std::vector<Delivery> commit(std::uint64_t caller, ReservationOutcome outcome);
  /// Tells the request's `preempted` whom they concern.
  static void tell(const ReservationRequest& request, const std::vector<Delivery>& deliveries);

  /// reserve_unit and release_unit, under the rules for a unit that has
  /// registrants too (SPC-4 5.13.3, compatible reservation handling).
  ReservationResult change_unit(std::uint64_t nexus, ReservationAction action);

 private:
  struct Session {
    NexusName name;
    Standing standing = Standing::stranger;
  };

  bool judge(std::uint64_t nexus, CommandClass command) const noexcept;
  Standing standing_of(std::uint64_t nexus) const noexcept;  // under mutex_
  void refresh();                                            // under mutex_

  std::atomic<bool> reserved_ = false;
  mutable std::shared_mutex mutex_;  // guards what follows
  ReservationState state_;
  std::uint64_t unit_holder_ = 0;  ///< nexus; 0: none
  std::map<std::uint64_t, Session> sessions_;
};

/// Does what is kept over a power loss differ between the two?
bool must_be_kept(const ReservationState& before, const ReservationState& after) noexcept;

/// The record of a trailer; without `aptpl` there is none.
void write_reservations(format::pb::Trailer& message, const ReservationState& state);
/// What a trailer keeps; nothing where it has no record or one that makes no
/// sense. PRgeneration starts at zero again (SPC-4 6.14.2).
ReservationState read_reservations(const format::pb::Trailer& message);

}  // namespace caisson::object
