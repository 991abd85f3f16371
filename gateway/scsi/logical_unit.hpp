// SPDX-License-Identifier: Apache-2.0
// A storage object as SCSI sees it. Translates; owns no state of the LUN. It
// knows which nexuses look at it, so that they all hear of changes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gateway/scsi/task_set.hpp"
#include "storage_object/object/storage_object.hpp"

namespace caisson::scsi {

class Nexus;

/// Unit attentions, in the order in which they are reported (SPC-4 5.14, SAM-5
/// 5.14). One bit each per nexus and LUN: raising one twice reports it once.
enum class UnitAttention : std::uint8_t {
  power_on_or_reset,        ///< 29/00: also what a new nexus hears first
  logical_unit_reset,       ///< 29/03
  commands_cleared,         ///< 2F/00: by a task management function of another nexus
  mode_parameters_changed,  ///< 2A/01
  access_state_changed,     ///< 2A/06
  reservations_preempted,   ///< 2A/03
  reservations_released,    ///< 2A/04
  registrations_preempted,  ///< 2A/05
  capacity_changed,         ///< 2A/09
  inquiry_data_changed,     ///< 3F/03
  reported_luns_changed,    ///< 3F/0E
  medium_may_have_changed,  ///< 28/00: served again after it was offline
  space_low,                ///< 38/07: the store reached a soft threshold
  count_,
};

/// Asymmetric access states of the paths through this gateway (SPC-4 5.15.2.4).
enum class AccessState : std::uint8_t {
  active_optimized = 0x0,
  active_non_optimized = 0x1,
  standby = 0x2,
  unavailable = 0x3,
  transitioning = 0xf,
};

class LogicalUnit final : public object::ObjectObserver {
 public:
  explicit LogicalUnit(std::shared_ptr<object::StorageObject> object);
  ~LogicalUnit();
  LogicalUnit(const LogicalUnit&) = delete;
  LogicalUnit& operator=(const LogicalUnit&) = delete;

  object::StorageObject& object() const noexcept { return *object_; }

  TaskSet& tasks() noexcept { return tasks_; }

  /// TAS of the control mode page: commands that another nexus aborts are
  /// answered TASK ABORTED; else nothing is said.
  bool task_aborted_status() const noexcept { return modes_.task_aborted(); }

  /// A nexus that sees this unit; from any thread. Reservations of the object
  /// know it from the first to the last time it is attached.
  void attach(Nexus& nexus);
  void detach(Nexus& nexus);

  /// Raises it on every attached nexus but `except`. From any thread.
  void raise(UnitAttention attention, const Nexus* except = nullptr);

  /// The same by the id of the nexus that is left out, which may be gone.
  void raise_except(UnitAttention attention, std::uint64_t nexus);

  /// D_SENSE of the control mode page: sense goes out in descriptor format.
  bool descriptor_sense() const noexcept { return modes_.descriptor_sense(); }
  /// SWP of the control mode page: no host may write.
  bool software_write_protect() const noexcept { return modes_.write_protect(); }

  /// What hosts may do over the paths through this gateway, whatever the object
  /// itself is like. Set by who decides which of several gateways serves a LUN;
  /// every nexus hears of a change. From any thread.
  AccessState access_state() const noexcept { return access_.load(std::memory_order_relaxed); }
  void set_access_state(AccessState state);

  void on_object_event(object::ObjectEvent event) noexcept override;
  void on_modes_changed(std::uint64_t nexus) noexcept override;
  void on_nexus_event(std::uint64_t nexus, object::NexusEvent event) noexcept override;

 private:
  std::shared_ptr<object::StorageObject> object_;
  const object::ModeSettings& modes_;  // of the object
  TaskSet tasks_;
  std::atomic<AccessState> access_ = AccessState::active_optimized;
  std::mutex mutex_;  // guards nexuses_
  std::vector<Nexus*> nexuses_;
};

}  // namespace caisson::scsi
