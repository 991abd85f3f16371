// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/refusals.hpp"

#include <algorithm>
#include <utility>

namespace caisson::service {

std::optional<std::uint64_t> Refusals::take(const std::string& caller, Clock::time_point now) {
  std::lock_guard lock(mutex_);
  auto known = callers_.find(caller);
  if (known == callers_.end() && callers_.size() >= kCallers)
    std::erase_if(callers_, [now](const auto& entry) {
      return entry.second.full <= now && entry.second.unheard == 0;
    });
  if (known == callers_.end() && callers_.size() < kCallers)
    known = callers_.try_emplace(caller).first;
  auto& allowance = known == callers_.end() ? others_ : known->second;
  auto next = std::max(allowance.full, now) + kInterval;
  if (next > now + kBurst * kInterval) {
    ++allowance.unheard;
    return std::nullopt;
  }
  allowance.full = next;
  return std::exchange(allowance.unheard, 0);
}

}  // namespace caisson::service
