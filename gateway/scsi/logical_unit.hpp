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

#include "storage_object/object/storage_object.hpp"

namespace caisson::scsi {

class Nexus;

/// Unit attentions, in the order in which they are reported (SPC-4 5.14, SAM-5
/// 5.14). One bit each per nexus and LUN: raising one twice reports it once.
enum class UnitAttention : std::uint8_t {
  power_on_or_reset,        ///< 29/00: also what a new nexus hears first
  logical_unit_reset,       ///< 29/03
  mode_parameters_changed,  ///< 2A/01
  reservations_preempted,   ///< 2A/03
  reservations_released,    ///< 2A/04
  registrations_preempted,  ///< 2A/05
  capacity_changed,         ///< 2A/09
  inquiry_data_changed,     ///< 3F/03
  reported_luns_changed,    ///< 3F/0E
  medium_may_have_changed,  ///< 28/00: served again after it was offline
  count_,
};

class LogicalUnit final : public object::ObjectObserver {
 public:
  explicit LogicalUnit(std::shared_ptr<object::StorageObject> object);
  ~LogicalUnit();
  LogicalUnit(const LogicalUnit&) = delete;
  LogicalUnit& operator=(const LogicalUnit&) = delete;

  object::StorageObject& object() const noexcept { return *object_; }

  /// A nexus that sees this unit; from any thread. Reservations of the object
  /// know it from the first to the last time it is attached.
  void attach(Nexus& nexus);
  void detach(Nexus& nexus);

  /// Raises it on every attached nexus but `except`. From any thread.
  void raise(UnitAttention attention, const Nexus* except = nullptr);

  /// D_SENSE of the control mode page: sense goes out in descriptor format.
  bool descriptor_sense() const noexcept {
    return descriptor_sense_.load(std::memory_order_relaxed);
  }
  void set_descriptor_sense(bool on) noexcept {
    descriptor_sense_.store(on, std::memory_order_relaxed);
  }

  /// SWP of the control mode page: no host may write.
  bool software_write_protect() const noexcept {
    return software_write_protect_.load(std::memory_order_relaxed);
  }
  void set_software_write_protect(bool on) noexcept {
    software_write_protect_.store(on, std::memory_order_relaxed);
  }

  void on_object_event(object::ObjectEvent event) noexcept override;
  void on_nexus_event(std::uint64_t nexus, object::NexusEvent event) noexcept override;

 private:
  std::shared_ptr<object::StorageObject> object_;
  std::atomic<bool> descriptor_sense_ = false;
  std::atomic<bool> software_write_protect_ = false;
  std::mutex mutex_;  // guards nexuses_
  std::vector<Nexus*> nexuses_;
};

}  // namespace caisson::scsi
