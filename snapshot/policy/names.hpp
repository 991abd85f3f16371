// SPDX-License-Identifier: Apache-2.0
// Names of the snapshots that a schedule makes.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace caisson::snapshot {

/// "auto-20260701-100000" in UTC, the time of the cut; "-2", "-3", … behind it for
/// as long as `taken` says yes. Always a valid name (storage_object/base/names.hpp).
std::string automatic_name(std::chrono::sys_seconds cut,
                           const std::function<bool(std::string_view)>& taken);

}  // namespace caisson::snapshot
