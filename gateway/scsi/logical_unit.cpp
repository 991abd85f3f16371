// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/logical_unit.hpp"

#include <algorithm>
#include <utility>

#include "gateway/scsi/nexus.hpp"

namespace caisson::scsi {
namespace {

using object::ObjectEvent;

struct EventRow {
  ObjectEvent event;
  UnitAttention attention;
};

/// Events that initiators hear of. The rest shows in the sense of their commands.
constexpr EventRow kEvents[] = {
    {ObjectEvent::capacity_changed, UnitAttention::capacity_changed},
    {ObjectEvent::mode_changed, UnitAttention::mode_parameters_changed},
    {ObjectEvent::identity_changed, UnitAttention::inquiry_data_changed},
    {ObjectEvent::online, UnitAttention::medium_may_have_changed},
    {ObjectEvent::reset, UnitAttention::logical_unit_reset},
    {ObjectEvent::space_low, UnitAttention::space_low},
};

struct NexusEventRow {
  object::NexusEvent event;
  UnitAttention attention;
};

constexpr NexusEventRow kNexusEvents[] = {
    {object::NexusEvent::reservations_preempted, UnitAttention::reservations_preempted},
    {object::NexusEvent::reservations_released, UnitAttention::reservations_released},
    {object::NexusEvent::registrations_preempted, UnitAttention::registrations_preempted},
};

}  // namespace

LogicalUnit::LogicalUnit(std::shared_ptr<object::StorageObject> object)
    : object_(std::move(object)), modes_(object_->modes()) {
  object_->subscribe(*this);
}

LogicalUnit::~LogicalUnit() { object_->unsubscribe(*this); }

void LogicalUnit::attach(Nexus& nexus) {
  std::lock_guard lock(mutex_);
  const auto& identity = nexus.identity();
  object_->reservations().attach(identity.id, {nexus.transport_id(), identity.relative_port});
  nexuses_.push_back(&nexus);
}

void LogicalUnit::detach(Nexus& nexus) {
  std::lock_guard lock(mutex_);
  if (auto at = std::ranges::find(nexuses_, &nexus); at != nexuses_.end()) nexuses_.erase(at);
  if (std::ranges::find(nexuses_, &nexus) != nexuses_.end()) return;
  object_->reservations().detach(nexus.identity().id);
  object_->medium().allow(nexus.identity().id);
}

void LogicalUnit::raise(UnitAttention attention, const Nexus* except) {
  std::lock_guard lock(mutex_);
  for (auto* nexus : nexuses_)
    if (nexus != except) nexus->raise(*this, attention);
}

void LogicalUnit::set_access_state(AccessState state) {
  if (access_.exchange(state) != state) raise(UnitAttention::access_state_changed);
}

void LogicalUnit::raise_except(UnitAttention attention, std::uint64_t nexus) {
  std::lock_guard lock(mutex_);
  for (auto* one : nexuses_)
    if (one->identity().id != nexus) one->raise(*this, attention);
}

void LogicalUnit::on_modes_changed(std::uint64_t nexus) noexcept {
  raise_except(UnitAttention::mode_parameters_changed, nexus);
}

void LogicalUnit::on_object_event(ObjectEvent event) noexcept {
  if (event == ObjectEvent::reset) object_->medium().reset();
  const auto* row = std::ranges::find(kEvents, event, &EventRow::event);
  if (row != std::end(kEvents)) raise(row->attention);
}

void LogicalUnit::on_nexus_event(std::uint64_t nexus, object::NexusEvent event) noexcept {
  const auto* row = std::ranges::find(kNexusEvents, event, &NexusEventRow::event);
  if (row == std::end(kNexusEvents)) return;
  std::lock_guard lock(mutex_);
  for (auto* one : nexuses_)
    if (one->identity().id == nexus) one->raise(*this, row->attention);
}

}  // namespace caisson::scsi
