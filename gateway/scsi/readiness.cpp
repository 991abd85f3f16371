// SPDX-License-Identifier: Apache-2.0
// Why a unit that is there does not serve a command now, the gravest reason
// first: one row each.
#include "gateway/scsi/command.hpp"
#include "gateway/scsi/senses.hpp"

namespace caisson::scsi {
namespace {

using object::UpkeepState;

Sense offline(const LogicalUnit& unit) noexcept {
  if (unit.object().state() == catalog::LunState::offline) return kManualIntervention;
  return {};
}

Sense standby(const LogicalUnit& unit) noexcept {
  if (unit.access_state() == AccessState::standby) return kPathStandby;
  return {};
}

Sense unavailable(const LogicalUnit& unit) noexcept {
  switch (unit.access_state()) {
    case AccessState::unavailable: return kPathUnavailable;
    case AccessState::transitioning: return kPathTransition;
    default: return {};
  }
}

Sense upkeep(const LogicalUnit& unit) noexcept {
  const auto& upkeep = unit.object().upkeep();
  auto under_way = [&](Sense sense) {
    sense.progress = upkeep.progress();
    return sense;
  };
  switch (upkeep.state()) {
    case UpkeepState::none: return {};
    case UpkeepState::formatting: return under_way(kFormatInProgress);
    case UpkeepState::sanitizing: return under_way(kSanitizeInProgress);
    case UpkeepState::format_failed: return kFormatCorrupted;
    case UpkeepState::sanitize_failed: return kSanitizeFailed;
    case UpkeepState::restoring: return kNotReady;
  }
  return {};
}

Sense no_medium(const LogicalUnit& unit) noexcept {
  if (!unit.object().medium().present()) return kMediumNotPresent;
  return {};
}

struct Reason {
  std::uint8_t unless;  ///< rows with this bit are served all the same
  Sense (*applies)(const LogicalUnit&) noexcept;
};

constexpr Reason kReasons[] = {
    {kWhenOffline, offline}, {kInStandby, standby},       {kWhenUnavailable, unavailable},
    {kDuringUpkeep, upkeep}, {kWithoutMedium, no_medium},
};

Sense first_reason(const LogicalUnit& unit, std::uint8_t allow) noexcept {
  for (const auto& reason : kReasons)
    if ((allow & reason.unless) == 0)
      if (auto sense = reason.applies(unit); sense.present()) return sense;
  return {};
}

}  // namespace

Sense not_ready(const Command& command) noexcept {
  return first_reason(command.unit(), command.spec().allow);
}

Sense readiness(const LogicalUnit& unit) noexcept { return first_reason(unit, kNever); }

}  // namespace caisson::scsi
