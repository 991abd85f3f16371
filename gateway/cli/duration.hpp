// SPDX-License-Identifier: Apache-2.0
// Lengths of time as administrators type and read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage_object/base/result.hpp"

namespace caisson::cli {

/// Seconds of "7d", "12h", "1d12h"; w, d, h, m and s, each once and in this order. From one
/// second to a hundred years; Errc::invalid_argument otherwise.
Outcome<std::uint64_t> parse_duration(std::string_view text);

/// "7d", "6d 23h", "59s": the two largest units, rounded down.
std::string format_duration(std::uint64_t seconds);

}  // namespace caisson::cli
