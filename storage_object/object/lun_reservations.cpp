// SPDX-License-Identifier: Apache-2.0
// How a LunObject changes its reservations: it holds the whole object, so that
// nothing a fenced nexus sent before is still on its way when the change is
// answered; makes the change durable where that was asked for; then tells.
#include <utility>
#include <vector>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/lun_change.hpp"

namespace caisson::object {

struct LunObject::ReservationChange final : Change {
  ReservationRequest request;
  std::function<void(ReservationResult)> done;
  ReservationOutcome outcome;

  ReservationChange(std::shared_ptr<LunObject> what, ChangeOrigin who, ReservationRequest asked,
                    std::function<void(ReservationResult)> tell)
      : Change(std::move(what), who), request(std::move(asked)), done(std::move(tell)) {
    // What is kept goes to the trailer, whose sync waits for those that were given up.
    if (!request.aptpl && !object->reservations_.state().aptpl) entry.hold = Hold::rules;
  }

  void refuse(Error) override { answer(ReservationResult::busy); }

  void start() override {
    auto& reservations = object->reservations_;
    if (object->state() == catalog::LunState::offline) return end(ReservationResult::offline);
    if (is_unit_action(request.action))
      return end(reservations.change_unit(origin.nexus, request.action));
    auto before = reservations.state();
    outcome = reservations.plan(origin.nexus, request);
    if (outcome.result != ReservationResult::done) return end(outcome.result);
    if (!must_be_kept(before, outcome.state)) return commit();
    if (!object->keeper_) return end(ReservationResult::not_durable);
    object->keeper_(outcome.state, [this](Error error) { resume([this, error] { kept(error); }); });
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
    auto deliveries = object->reservations_.commit(origin.nexus, std::move(outcome));
    Reservations::tell(request, deliveries);
    for (const auto& [whom, event] : deliveries) object->announce(whom, event);
    end(ReservationResult::done);
  }

  void end(ReservationResult result) {
    leave();
    answer(result);
  }

  void answer(ReservationResult result) {
    std::unique_ptr<ReservationChange> self(this);
    done(result);
  }
};

void LunObject::change_reservations(ChangeOrigin origin, ReservationRequest request,
                                    std::function<void(ReservationResult)> done) {
  auto* change =
      new ReservationChange(shared_from_this(), origin, std::move(request), std::move(done));
  change->announce();
  change->queue();
}

void LunObject::announce(std::uint64_t nexus, NexusEvent event) {
  std::lock_guard lock(observers_mutex_);
  for (auto* observer : observers_) observer->on_nexus_event(nexus, event);
}

}  // namespace caisson::object
