// SPDX-License-Identifier: Apache-2.0
// The verbs of the noun `snapshot`.
#pragma once

#include "gateway/cli/command.hpp"

namespace caisson::cli {

std::span<const Command> snapshot_commands() noexcept;

}  // namespace caisson::cli
