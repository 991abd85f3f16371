// SPDX-License-Identifier: Apache-2.0
// Text of login and text requests: key=value pairs, each ended by a NUL
// (RFC 7143 6.1), and the values' forms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage_object/base/result.hpp"

namespace caisson::iscsi {

/// A peer sends at most this many keys in one login or text request.
inline constexpr std::size_t kMaxKeys = 64;
inline constexpr std::size_t kMaxKeyLength = 63;  ///< RFC 7143 6.1
/// The longest value is a challenge of 1024 bytes in hexadecimal.
inline constexpr std::size_t kMaxLongValue = 2 + 2 * 1024;

struct TextPair {
  std::string_view key;
  std::string_view value;
};

/// The pairs, as views into `text`. A Failure says what is malformed: no '=',
/// a key with a forbidden character or too long, no NUL at the end, too many.
Outcome<std::vector<TextPair>> parse_text(std::string_view text);

/// Appends "key=value\0".
void append_text(std::string& text, std::string_view key, std::string_view value);

/// Decimal or 0x-hexadecimal (RFC 7143 6.1, numerical-value); nullopt for
/// anything else or beyond 64 bits.
std::optional<std::uint64_t> parse_number(std::string_view value) noexcept;

/// A large binary value: 0x… or 0b… (base64); nullopt when malformed or longer
/// than `limit` bytes.
std::optional<std::vector<std::byte>> parse_binary(std::string_view value, std::size_t limit);

/// "0x" and lower-case hexadecimal.
std::string format_binary(std::span<const std::byte> bytes);

/// An iSCSI name as it is compared: capitals of ASCII folded (RFC 3722 3.2);
/// what lies beyond ASCII stays as it came.
std::string lower_name(std::string_view name);

/// The items of a comma-separated list.
std::vector<std::string_view> split_list(std::string_view value);

}  // namespace caisson::iscsi
