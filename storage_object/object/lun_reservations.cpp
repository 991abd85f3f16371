// SPDX-License-Identifier: Apache-2.0
// How a LunObject changes its reservations: what a nexus sent before that loses its
// rights is fenced where it may still change data, so that it comes before the change
// to all who look; makes the change durable where that was asked for; then tells.
#include <utility>
#include <vector>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/lun_change.hpp"

namespace caisson::object {

struct LunObject::ReservationChange final : Change {
  ReservationRequest request;
  std::function<void(ReservationResult)> done;  ///< none once it was answered
  ReservationOutcome outcome;
  const bool kept_state;  ///< what is kept over a power loss may change

  ReservationChange(std::shared_ptr<LunObject> what, ChangeOrigin who, ReservationRequest asked,
                    std::function<void(ReservationResult)> tell)
      : Change(std::move(what), who),
        request(std::move(asked)),
        done(std::move(tell)),
        kept_state(request.aptpl || object->reservations_.state().aptpl) {
    // What is kept goes to the trailer, whose sync waits for all that is under way.
    if (!kept_state) entry.hold = Hold::rules;
  }

  void refuse(Error) override {
    tell(kept_state ? ReservationResult::not_kept_yet : ReservationResult::busy);
    delete this;
  }

  /// The trailer hangs. What it will say then holds; who asked need not wait for it.
  void hurry() override {
    forget();  // by that name something else may be asked for now
    log::warning("LUN '{}': its reservations cannot be made durable as long as its file hangs",
                 object->identity()->name);
    tell(ReservationResult::not_kept_yet);
  }

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
    announce();
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
    forget();
    leave();
    tell(result);
    delete this;
  }

  void tell(ReservationResult result) {
    if (auto told = std::exchange(done, nullptr)) told(result);
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
