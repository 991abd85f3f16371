// SPDX-License-Identifier: Apache-2.0
// Identity of a storage object: 128 random bits (RFC 4122, version 4).
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace caisson {

struct Uuid {
  std::array<std::byte, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  bool nil() const noexcept { return *this == Uuid{}; }

  /// From the kernel's random generator.
  static Uuid random();
  /// From the form 8-4-4-4-12, either case; nullopt for anything else.
  static std::optional<Uuid> parse(std::string_view text) noexcept;
  /// Lower case, 8-4-4-4-12.
  std::string to_string() const;
};

}  // namespace caisson
