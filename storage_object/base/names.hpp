// SPDX-License-Identifier: Apache-2.0
// Names and sizes as administrators type them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage_object/base/result.hpp"

namespace caisson {

/// True for names of LUNs, snapshots, stores and hosts:
/// [a-z0-9][a-z0-9.-]{0,63} without "..".
bool valid_name(std::string_view name) noexcept;

/// `name` if valid; else a Failure that says the rule. `what` is the noun
/// ("LUN", "store") for the message.
Outcome<std::string> checked_name(std::string_view what, std::string_view name);

/// Bytes from "512", "4K", "10G", "1.5T" (powers of 1024; K, M, G, T, P, with
/// or without "iB"/"B"). Fractions must come out as whole bytes. Range 0 to
/// 2^63-1; Errc::invalid_argument otherwise.
Outcome<std::uint64_t> parse_size(std::string_view text);

/// "10G", "1.5T", "512": the shortest form with at most two decimals, for
/// people; programs get raw bytes.
std::string format_size(std::uint64_t bytes);

}  // namespace caisson
