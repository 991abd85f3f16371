// SPDX-License-Identifier: Apache-2.0
// Which of the configured addresses this machine can listen on.
#pragma once

#include <vector>

#include "gateway/config/address.hpp"

namespace caisson::daemon {

/// All of them when somebody wrote them down. Of the defaults only those whose
/// family the machine has.
std::vector<config::Address> usable_addresses(const std::vector<config::Address>& addresses,
                                              bool defaults);

}  // namespace caisson::daemon
