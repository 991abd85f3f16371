// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/reservations.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "storage_object/base/log.hpp"

namespace caisson::object {

Reservations::Reservations(ReservationState restored) : state_(std::move(restored)) { refresh(); }

void Reservations::refresh() {
  for (auto& [id, session] : sessions_) session.standing = state_.standing(session.name);
  reserved_.store(state_.type != ReservationType::none || unit_holder_ != 0,
                  std::memory_order_relaxed);
}

void Reservations::attach(std::uint64_t nexus, NexusName name) {
  std::lock_guard lock(mutex_);
  auto standing = state_.standing(name);
  sessions_.try_emplace(nexus, Session{std::move(name), standing});
}

void Reservations::detach(std::uint64_t nexus) {
  std::lock_guard lock(mutex_);
  sessions_.erase(nexus);
  if (unit_holder_ != nexus) return;
  unit_holder_ = 0;
  refresh();
}

void Reservations::reset() {
  std::lock_guard lock(mutex_);
  unit_holder_ = 0;
  refresh();
}

ReservationState Reservations::state() const {
  std::shared_lock lock(mutex_);
  return state_;
}

Standing Reservations::standing_of(std::uint64_t nexus) const noexcept {
  auto at = sessions_.find(nexus);
  return at == sessions_.end() ? Standing::stranger : at->second.standing;
}

bool Reservations::judge(std::uint64_t nexus, CommandClass command) const noexcept {
  if (nexus == 0) return true;
  std::shared_lock lock(mutex_);
  if (unit_holder_ != 0) return nexus == unit_holder_ && command != CommandClass::reservation;
  return permitted(state_.type, command, standing_of(nexus));
}

ReservationOutcome Reservations::plan(std::uint64_t nexus,
                                      const ReservationRequest& request) const {
  std::shared_lock lock(mutex_);
  auto at = sessions_.find(nexus);
  if (unit_holder_ != 0 || at == sessions_.end()) return {ReservationResult::conflict, state_, {}};
  return apply(state_, request, at->second.name);
}

std::vector<Reservations::Delivery> Reservations::commit(std::uint64_t caller,
                                                         ReservationOutcome outcome) {
  std::lock_guard lock(mutex_);
  state_ = std::move(outcome.state);
  refresh();
  std::vector<Delivery> deliveries;
  for (const auto& notice : outcome.notices)
    for (const auto& [id, session] : sessions_)
      if (id != caller && notice.whom.matches(session.name))
        deliveries.push_back({id, notice.event});
  return deliveries;
}

void Reservations::tell(const ReservationRequest& request,
                        const std::vector<Delivery>& deliveries) {
  if (!request.preempted) return;
  for (const auto& [nexus, event] : deliveries)
    if (event == NexusEvent::registrations_preempted) request.preempted(nexus);
}

ReservationResult Reservations::change_unit(std::uint64_t nexus, ReservationAction action) {
  std::lock_guard lock(mutex_);
  if (!state_.registrations.empty()) {
    // Whom the persistent reservation lets through needs no other.
    bool through = state_.type != ReservationType::none && sessions_.contains(nexus) &&
                   permitted(state_.type, CommandClass::write, standing_of(nexus));
    return through ? ReservationResult::done : ReservationResult::conflict;
  }
  if (action == ReservationAction::reserve_unit) {
    if (!sessions_.contains(nexus)) return ReservationResult::conflict;  // gone while it waited
    if (unit_holder_ != 0 && unit_holder_ != nexus) return ReservationResult::conflict;
    unit_holder_ = nexus;
  } else if (unit_holder_ == nexus) {
    unit_holder_ = 0;
  }
  refresh();
  return ReservationResult::done;
}

// The trailer's record.

bool must_be_kept(const ReservationState& before, const ReservationState& after) noexcept {
  return (before.aptpl || after.aptpl) && before != after;
}

void write_reservations(format::pb::Trailer& message, const ReservationState& state) {
  message.clear_reservations();
  if (!state.aptpl) return;
  auto& record = *message.mutable_reservations();
  record.set_aptpl(true);
  record.set_generation(state.generation);
  record.set_type(static_cast<std::uint32_t>(state.type));
  for (const auto& one : state.registrations) {
    if (one.holder) record.set_holder(static_cast<std::uint32_t>(record.registrations_size()));
    auto& entry = *record.add_registrations();
    entry.set_key(one.key);
    entry.set_transport_id(one.nexus.initiator);
    entry.set_relative_port(one.nexus.port);
    entry.set_all_target_ports(one.all_ports);
  }
}

ReservationState read_reservations(const format::pb::Trailer& message) {
  const auto& record = message.reservations();
  if (!record.aptpl()) return {};
  ReservationState state;
  state.aptpl = true;
  for (const auto& entry : record.registrations())
    state.registrations.push_back(
        {entry.key(),
         {entry.transport_id(), static_cast<std::uint16_t>(entry.relative_port())},
         entry.all_target_ports(),
         false});
  bool sound = state.registrations.size() <= kMaxRegistrations &&
               (record.type() == 0 || is_reservation_type(record.type()));
  if (sound) state.type = static_cast<ReservationType>(record.type());
  bool one_holder = state.type != ReservationType::none && !is_all_registrants(state.type);
  sound = sound && record.has_holder() == one_holder &&
          (!one_holder || record.holder() < state.registrations.size());
  if (!sound) {
    log::error("LUN '{}': the reservations in its trailer make no sense and are dropped",
               message.name());
    return {};
  }
  if (one_holder) state.registrations[record.holder()].holder = true;
  return state;
}

}  // namespace caisson::object
