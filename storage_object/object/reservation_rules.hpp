// SPDX-License-Identifier: Apache-2.0
// The rules of persistent reservations (SPC-4 5.13), as functions over values:
// who may do what, and what a change makes of a state. Who keeps the state, and
// how it survives a power loss, is reservations.hpp's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace caisson::object {

/// Values as SPC-4 6.15.3.3 has them.
enum class ReservationType : std::uint8_t {
  none = 0,
  write_exclusive = 1,
  exclusive_access = 3,
  write_exclusive_registrants_only = 5,
  exclusive_access_registrants_only = 6,
  write_exclusive_all_registrants = 7,
  exclusive_access_all_registrants = 8,
};

/// None is a type that nobody can ask for.
bool is_reservation_type(unsigned value) noexcept;
bool is_registrants_only(ReservationType type) noexcept;
bool is_all_registrants(ReservationType type) noexcept;

/// What a command does, as far as reservations mind (the tables of commands that
/// are allowed in the presence of reservations: SPC-4 5.13.1, SBC-3 4.16).
enum class CommandClass : std::uint8_t {
  always,       ///< never stopped
  status,       ///< asks how the unit is: only a whole-unit reservation stops it
  read,         ///< reads the medium, or settings that belong to one host
  write,        ///< changes the medium or settings, or makes a change durable
  reservation,  ///< asks about or changes persistent reservations
};

/// How a nexus stands to the persistent reservation.
enum class Standing : std::uint8_t { holder, registrant, stranger };

bool permitted(ReservationType type, CommandClass command, Standing standing) noexcept;

/// An I_T nexus as reservations know it: it keeps its name over sessions and
/// restarts.
struct NexusName {
  std::string initiator;   ///< of the initiator port, opaque; compared byte by byte
  std::uint16_t port = 1;  ///< relative identifier of the target port

  bool operator==(const NexusName&) const = default;
};

struct Registration {
  std::uint64_t key = 0;
  NexusName nexus;
  bool all_ports = false;  ///< made through every target port (ALL_TG_PT)
  bool holder = false;     ///< of a reservation that has one holder

  bool matches(const NexusName& name) const noexcept {
    return nexus.initiator == name.initiator && (all_ports || nexus.port == name.port);
  }
  bool operator==(const Registration&) const = default;
};

struct ReservationState {
  std::uint32_t generation = 0;  ///< PRgeneration
  std::vector<Registration> registrations;
  ReservationType type = ReservationType::none;
  bool aptpl = false;  ///< is kept over a power loss

  const Registration* find(const NexusName& name) const noexcept;
  bool holds(const Registration& registration) const noexcept {
    return registration.holder || is_all_registrants(type);
  }
  Standing standing(const NexusName& name) const noexcept;
  bool operator==(const ReservationState&) const = default;
};

/// More registrations than this are refused.
inline constexpr std::size_t kMaxRegistrations = 256;

enum class ReservationAction : std::uint8_t {
  register_key,
  register_and_ignore,
  reserve,
  release,
  clear,
  preempt,
  preempt_and_abort,
  register_and_move,
  reserve_unit,  ///< RESERVE(6) and (10) of SPC-2: the whole unit, for one session
  release_unit,
};

/// True for the two that are not persistent: apply() does not know them.
constexpr bool is_unit_action(ReservationAction action) noexcept {
  return action == ReservationAction::reserve_unit || action == ReservationAction::release_unit;
}

struct ReservationRequest {
  ReservationAction action = ReservationAction::register_key;
  std::uint64_t key = 0;                         ///< the caller's own
  std::uint64_t service_key = 0;                 ///< the new one, or whose it is to be taken
  ReservationType type = ReservationType::none;  ///< of reserve, release, preempt
  bool aptpl = false;                            ///< of the three that register
  bool all_ports = false;                        ///< of register_key, register_and_ignore
  std::vector<std::string> also;                 ///< initiators to register too, register_key only
  NexusName destination;                         ///< of register_and_move
  bool unregister = false;                       ///< of register_and_move: the caller
  /// Told, before the result, of each other session that is no longer registered.
  std::function<void(std::uint64_t nexus)> preempted{};
};

enum class ReservationResult : std::uint8_t {
  done,
  conflict,
  invalid_parameter,  ///< the request contradicts itself or the state
  invalid_release,    ///< of another type than what is held
  no_room,            ///< too many registrations
  not_durable,        ///< could not be made durable; nothing has changed
  offline,            ///< the object is not served
  busy,               ///< taken back before it took effect
  not_kept_yet,       ///< the file that is to keep it hangs; it may take effect when that answers
};

/// What the others must hear of.
enum class NexusEvent : std::uint8_t {
  reservations_preempted,   ///< 2A/03: cleared by another nexus
  reservations_released,    ///< 2A/04
  registrations_preempted,  ///< 2A/05
};

struct Notice {
  Registration whom;
  NexusEvent event = NexusEvent::reservations_preempted;
};

struct ReservationOutcome {
  ReservationResult result = ReservationResult::done;
  ReservationState state;  ///< what comes after; with `done` only
  std::vector<Notice> notices;
};

/// What `caller` asking for `request` makes of `state`. A request that fails
/// changes nothing.
ReservationOutcome apply(const ReservationState& state, const ReservationRequest& request,
                         const NexusName& caller);

}  // namespace caisson::object
