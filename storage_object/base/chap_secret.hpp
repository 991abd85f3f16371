// SPDX-License-Identifier: Apache-2.0
// What may be a CHAP secret: one rule for whoever takes, stores or uses one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace caisson {

/// Characters (decision 10; RFC 7143 12.1.3 demands at least 96 bits).
inline constexpr std::size_t kMinChapSecret = 12;
inline constexpr std::size_t kMaxChapSecret = 16;

/// True for 12 to 16 printable ASCII characters without blanks.
inline bool valid_chap_secret(std::string_view secret) noexcept {
  return secret.size() >= kMinChapSecret && secret.size() <= kMaxChapSecret &&
         std::ranges::all_of(secret, [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace caisson
