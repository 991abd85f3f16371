// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/reservation_rules.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace caisson::object {
namespace {

using Type = ReservationType;
using Result = ReservationResult;

struct TypeRow {
  Type type;
  bool reads_pass;  ///< of those who are neither holder nor a registrant that counts
  bool registrants_only;
  bool all_registrants;
};

constexpr TypeRow kTypes[] = {
    {Type::none, true, false, false},
    {Type::write_exclusive, true, false, false},
    {Type::exclusive_access, false, false, false},
    {Type::write_exclusive_registrants_only, true, true, false},
    {Type::exclusive_access_registrants_only, false, true, false},
    {Type::write_exclusive_all_registrants, true, false, true},
    {Type::exclusive_access_all_registrants, false, false, true},
};

const TypeRow& row_of(Type type) noexcept {
  const auto* row = std::ranges::find(kTypes, type, &TypeRow::type);
  return row == std::end(kTypes) ? kTypes[0] : *row;
}

bool shared(Type type) noexcept { return is_registrants_only(type) || is_all_registrants(type); }

/// One request on its way through the rules.
class Change {
 public:
  Change(const ReservationState& state, const ReservationRequest& request, const NexusName& caller)
      : request_(request), caller_(caller) {
    outcome_.state = state;
  }

  ReservationOutcome run();

 private:
  ReservationState& state() { return outcome_.state; }
  Registration* own() { return const_cast<Registration*>(state().find(caller_)); }
  bool own_key_right() {
    auto* mine = own();
    return mine != nullptr && mine->key == request_.key;
  }

  Result register_key();
  Result register_and_ignore();
  Result enroll();
  Result add(const NexusName& name, bool all_ports);
  Result reserve();
  Result release();
  Result clear();
  Result preempt();
  Result preempt_reservation();
  Result remove_key();
  Result move();

  void unregister_own();
  void release_held();
  bool release_if_unheld();
  void tell_others(NexusEvent event);
  void registered() {
    ++state().generation;
    state().aptpl = request_.aptpl;
  }

  const ReservationRequest& request_;
  const NexusName& caller_;
  ReservationOutcome outcome_;
};

ReservationOutcome Change::run() {
  using Step = Result (Change::*)();
  static constexpr std::pair<ReservationAction, Step> kSteps[] = {
      {ReservationAction::register_key, &Change::register_key},
      {ReservationAction::register_and_ignore, &Change::register_and_ignore},
      {ReservationAction::reserve, &Change::reserve},
      {ReservationAction::release, &Change::release},
      {ReservationAction::clear, &Change::clear},
      {ReservationAction::preempt, &Change::preempt},
      {ReservationAction::preempt_and_abort, &Change::preempt},
      {ReservationAction::register_and_move, &Change::move},
  };
  outcome_.result = Result::invalid_parameter;
  for (auto [action, step] : kSteps)
    if (action == request_.action) outcome_.result = (this->*step)();
  return std::move(outcome_);
}

void Change::tell_others(NexusEvent event) {
  for (const auto& one : state().registrations)
    if (!one.matches(caller_)) outcome_.notices.push_back({one, event});
}

/// Nobody holds it any more; who relied on being a registrant hears of it.
void Change::release_held() {
  if (shared(state().type)) tell_others(NexusEvent::reservations_released);
  state().type = Type::none;
  for (auto& one : state().registrations) one.holder = false;
}

/// After registrations were removed.
bool Change::release_if_unheld() {
  if (state().type == Type::none) return false;
  auto held = std::ranges::any_of(state().registrations,
                                  [this](const auto& one) { return state().holds(one); });
  if (!held) state().type = Type::none;
  return !held;
}

void Change::unregister_own() {
  auto was_registrants_only = is_registrants_only(state().type);
  std::erase_if(state().registrations, [this](const auto& one) { return one.matches(caller_); });
  if (release_if_unheld() && was_registrants_only) tell_others(NexusEvent::reservations_released);
}

Result Change::add(const NexusName& name, bool all_ports) {
  if (const auto* known = state().find(name))
    return known->key == request_.service_key ? Result::done : Result::invalid_parameter;
  if (state().registrations.size() >= kMaxRegistrations) return Result::no_room;
  state().registrations.push_back({request_.service_key, name, all_ports, false});
  return Result::done;
}

/// A caller that is not registered yet, and those it names.
Result Change::enroll() {
  if (request_.service_key == 0) return Result::done;
  if (auto added = add(caller_, request_.all_ports); added != Result::done) return added;
  for (const auto& initiator : request_.also)
    if (auto added = add({initiator, caller_.port}, request_.all_ports); added != Result::done)
      return added;
  registered();
  return Result::done;
}

Result Change::register_key() {
  auto* mine = own();
  if (request_.key != (mine == nullptr ? 0 : mine->key)) return Result::conflict;
  if (mine == nullptr) return enroll();
  return request_.also.empty() ? register_and_ignore() : Result::invalid_parameter;
}

Result Change::register_and_ignore() {
  auto* mine = own();
  if (!request_.also.empty()) return Result::invalid_parameter;
  if (mine == nullptr) return enroll();
  if (request_.service_key == 0) {
    unregister_own();
  } else {
    mine->key = request_.service_key;
    mine->all_ports = mine->all_ports || request_.all_ports;
  }
  registered();
  return Result::done;
}

Result Change::reserve() {
  if (!own_key_right()) return Result::conflict;
  if (request_.type == Type::none) return Result::invalid_parameter;
  auto& mine = *own();
  if (state().type != Type::none)
    return state().holds(mine) && state().type == request_.type ? Result::done : Result::conflict;
  state().type = request_.type;
  mine.holder = !is_all_registrants(request_.type);
  return Result::done;
}

Result Change::release() {
  if (!own_key_right()) return Result::conflict;
  if (state().type == Type::none || !state().holds(*own())) return Result::done;
  if (state().type != request_.type) return Result::invalid_release;
  release_held();
  return Result::done;
}

Result Change::clear() {
  if (!own_key_right()) return Result::conflict;
  tell_others(NexusEvent::reservations_preempted);
  state().registrations.clear();
  state().type = Type::none;
  ++state().generation;
  return Result::done;
}

/// The key's registrations go, whatever is reserved stays unless its holder went.
Result Change::remove_key() {
  if (request_.service_key == 0) return Result::invalid_parameter;
  auto& all = state().registrations;
  auto named = [this](const Registration& one) { return one.key == request_.service_key; };
  if (std::ranges::none_of(all, named)) return Result::conflict;
  for (const auto& one : all)
    if (named(one) && !one.matches(caller_))
      outcome_.notices.push_back({one, NexusEvent::registrations_preempted});
  std::erase_if(all, named);
  release_if_unheld();
  ++state().generation;
  return Result::done;
}

/// The reservation itself is taken over.
Result Change::preempt_reservation() {
  auto everyone = is_all_registrants(state().type);
  auto loses = [&](const Registration& one) {
    return !one.matches(caller_) && (everyone || one.key == request_.service_key);
  };
  auto& all = state().registrations;
  auto changed = state().type != request_.type;
  for (const auto& one : all) {
    if (loses(one))
      outcome_.notices.push_back({one, NexusEvent::registrations_preempted});
    else if (changed && !one.matches(caller_))
      outcome_.notices.push_back({one, NexusEvent::reservations_released});
  }
  std::erase_if(all, loses);
  for (auto& one : all) one.holder = false;
  state().type = request_.type;
  own()->holder = !is_all_registrants(request_.type);
  ++state().generation;
  return Result::done;
}

Result Change::preempt() {
  if (!own_key_right()) return Result::conflict;
  if (request_.type == Type::none) return Result::invalid_parameter;
  if (state().type == Type::none) return remove_key();
  if (is_all_registrants(state().type))
    return request_.service_key == 0 ? preempt_reservation() : remove_key();
  auto holder = std::ranges::find_if(state().registrations, &Registration::holder);
  auto taken = holder != state().registrations.end() && holder->key == request_.service_key;
  return taken ? preempt_reservation() : remove_key();
}

Result Change::move() {
  if (!own_key_right()) return Result::conflict;
  if (!own()->holder) return Result::conflict;
  if (request_.service_key == 0 || own()->matches(request_.destination))
    return Result::invalid_parameter;
  if (const auto* known = state().find(request_.destination))
    const_cast<Registration*>(known)->key = request_.service_key;
  else if (auto added = add(request_.destination, false); added != Result::done)
    return added;
  for (auto& one : state().registrations) one.holder = one.matches(request_.destination);
  if (request_.unregister)
    std::erase_if(state().registrations, [this](const auto& one) { return one.matches(caller_); });
  registered();
  return Result::done;
}

}  // namespace

bool is_reservation_type(unsigned value) noexcept {
  return value != 0 && std::ranges::any_of(kTypes, [value](const TypeRow& row) {
           return static_cast<unsigned>(row.type) == value;
         });
}

bool is_registrants_only(Type type) noexcept { return row_of(type).registrants_only; }
bool is_all_registrants(Type type) noexcept { return row_of(type).all_registrants; }

bool permitted(Type type, CommandClass command, Standing standing) noexcept {
  if (type == Type::none || standing == Standing::holder) return true;
  if (standing == Standing::registrant && shared(type)) return true;
  switch (command) {
    case CommandClass::always:
    case CommandClass::status:
    case CommandClass::reservation: return true;
    case CommandClass::read: return row_of(type).reads_pass;
    case CommandClass::write: return false;
  }
  return false;
}

const Registration* ReservationState::find(const NexusName& name) const noexcept {
  auto at = std::ranges::find_if(registrations, [&](const auto& one) { return one.matches(name); });
  return at == registrations.end() ? nullptr : &*at;
}

Standing ReservationState::standing(const NexusName& name) const noexcept {
  const auto* own = find(name);
  if (own == nullptr) return Standing::stranger;
  return holds(*own) ? Standing::holder : Standing::registrant;
}

ReservationOutcome apply(const ReservationState& state, const ReservationRequest& request,
                         const NexusName& caller) {
  return Change(state, request, caller).run();
}

}  // namespace caisson::object
