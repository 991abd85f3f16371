// SPDX-License-Identifier: Apache-2.0
// How a LunObject changes its reservations: it holds the whole object, so that
// nothing a fenced nexus sent before is still on its way when the change is
// answered; makes the change durable where that was asked for; then tells.
#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/lun_object.hpp"

namespace caisson::object {

struct LunObject::ReservationChange {
  InFlightEntry entry;
  std::shared_ptr<LunObject> object;
  std::uint64_t nexus = 0;
  ReservationRequest request;
  std::function<void(ReservationResult)> done;
  ReservationOutcome outcome;

  static void granted(InFlightEntry& entry) noexcept {
    auto& self = *static_cast<ReservationChange*>(entry.owner);
    self.object->forget(self);
    self.start();
  }

  void start() {
    auto& reservations = object->reservations_;
    if (object->state() == catalog::LunState::offline) return end(ReservationResult::offline);
    if (is_unit_action(request.action)) return end(reservations.change_unit(nexus, request.action));
    auto before = reservations.state();
    outcome = reservations.plan(nexus, request);
    if (outcome.result != ReservationResult::done) return end(outcome.result);
    if (!must_be_kept(before, outcome.state)) return commit();
    if (!object->keeper_) return end(ReservationResult::not_durable);
    object->keeper_(outcome.state, [this](Error error) {
      if (entry.executor == nullptr) return kept(error);
      entry.executor->post([this, error] { kept(error); });
    });
  }

  void kept(Error error) {
    if (!error) return commit();
    switch (to_errc(error)) {
      case Errc::no_space: return end(ReservationResult::no_room);
      case Errc::unsupported: return end(ReservationResult::invalid_parameter);
      case Errc::offline: return end(ReservationResult::offline);
      default: return end(ReservationResult::not_durable);
    }
  }

  void commit() {
    auto deliveries = object->reservations_.commit(nexus, std::move(outcome));
    Reservations::tell(request, deliveries);
    for (const auto& [whom, event] : deliveries) object->announce(whom, event);
    end(ReservationResult::done);
  }

  void end(ReservationResult result) {
    std::unique_ptr<ReservationChange> self(this);
    if (result != ReservationResult::busy) object->in_flight_.leave(entry);
    done(result);
  }
};

void LunObject::change_reservations(std::uint64_t nexus, ReservationRequest request,
                                    std::function<void(ReservationResult)> done) {
  auto* change =
      new ReservationChange{{}, shared_from_this(), nexus, std::move(request), std::move(done), {}};
  change->entry.end = kWholeEnd;
  change->entry.hold = Hold::all;
  change->entry.executor = Executor::current();
  change->entry.owner = change;
  change->entry.granted = ReservationChange::granted;
  {
    std::lock_guard lock(changes_mutex_);
    changes_.push_back(change);
  }
  if (in_flight_.enter(change->entry)) ReservationChange::granted(change->entry);
}

void LunObject::forget(const ReservationChange& change) {
  std::lock_guard lock(changes_mutex_);
  std::erase(changes_, &change);
}

void LunObject::recall_change(std::uint64_t nexus) noexcept {
  auto* here = Executor::current();
  std::vector<ReservationChange*> candidates;  // stay: they are granted on this thread
  {
    std::lock_guard lock(changes_mutex_);
    std::ranges::copy_if(changes_, std::back_inserter(candidates), [&](const auto* change) {
      return change->nexus == nexus && here != nullptr && change->entry.executor == here;
    });
  }
  for (auto* change : candidates) {
    if (!in_flight_.withdraw(change->entry)) continue;
    forget(*change);
    change->end(ReservationResult::busy);
  }
}

void LunObject::announce(std::uint64_t nexus, NexusEvent event) {
  std::lock_guard lock(observers_mutex_);
  for (auto* observer : observers_) observer->on_nexus_event(nexus, event);
}

}  // namespace caisson::object
