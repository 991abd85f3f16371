// SPDX-License-Identifier: Apache-2.0
// Which of the configured addresses this machine can listen on.
#pragma once

#include <vector>

#include "gateway/config/config.hpp"

namespace caisson::daemon {

/// All of them when somebody wrote them down. Of the defaults only those whose
/// family the machine has.
std::vector<config::IscsiPortal> usable_portals(const std::vector<config::IscsiPortal>& portals,
                                                bool defaults);

}  // namespace caisson::daemon
