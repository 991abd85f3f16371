// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace caisson::cli {

/// Name and version of this program, as `--version` prints and HELLO tells it.
inline constexpr std::string_view kSoftware = "caisson " CAISSON_VERSION;

}  // namespace caisson::cli
