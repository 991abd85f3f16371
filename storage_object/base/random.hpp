// SPDX-License-Identifier: Apache-2.0
// Randomness fit for secrets and identities, from the kernel.
#pragma once

#include <cstddef>
#include <span>

namespace caisson {

/// Fills from getrandom(2). Throws std::system_error if the kernel has none.
void fill_random(std::span<std::byte> bytes);

}  // namespace caisson
