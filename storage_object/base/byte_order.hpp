// SPDX-License-Identifier: Apache-2.0
// Integers as a wire or a disk holds them: bytes inside, native value outside.
// Alignment 1, no padding, so layouts can be plain structs with size checks.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace caisson {

template <std::unsigned_integral T, std::size_t N = sizeof(T)>
class Big {  // most significant byte first
 public:
  constexpr Big() = default;
  constexpr Big(T value) {  // NOLINT(google-explicit-constructor): it is the value
    std::uint64_t v = value;
    for (auto i = N; i-- > 0; v >>= 8) raw_[i] = static_cast<std::byte>(v);
  }
  constexpr operator T() const {  // NOLINT(google-explicit-constructor)
    std::uint64_t v = 0;
    for (auto b : raw_) v = v << 8 | std::to_integer<std::uint64_t>(b);
    return static_cast<T>(v);
  }

 private:
  std::array<std::byte, N> raw_{};
};

template <std::unsigned_integral T, std::size_t N = sizeof(T)>
class Little {  // least significant byte first
 public:
  constexpr Little() = default;
  constexpr Little(T value) {  // NOLINT(google-explicit-constructor)
    std::uint64_t v = value;
    for (std::size_t i = 0; i < N; ++i, v >>= 8) raw_[i] = static_cast<std::byte>(v);
  }
  constexpr operator T() const {  // NOLINT(google-explicit-constructor)
    std::uint64_t v = 0;
    for (auto i = N; i-- > 0;) v = v << 8 | std::to_integer<std::uint64_t>(raw_[i]);
    return static_cast<T>(v);
  }

 private:
  std::array<std::byte, N> raw_{};
};

using be16 = Big<std::uint16_t>;
using be24 = Big<std::uint32_t, 3>;
using be32 = Big<std::uint32_t>;
using be48 = Big<std::uint64_t, 6>;
using be64 = Big<std::uint64_t>;
using le16 = Little<std::uint16_t>;
using le32 = Little<std::uint32_t>;
using le64 = Little<std::uint64_t>;

template <class T>
concept WireLayout = std::is_trivially_copyable_v<T> && alignof(T) == 1;

/// Copies a layout out of bytes. The caller has checked the length:
/// `bytes.size() >= sizeof(T)`.
template <WireLayout T>
T load(std::span<const std::byte> bytes) noexcept {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

/// Copies a layout into bytes; `bytes.size() >= sizeof(T)`.
template <WireLayout T>
void store(std::span<std::byte> bytes, const T& value) noexcept {
  std::memcpy(bytes.data(), &value, sizeof value);
}

/// The bytes of a layout, for checksums and sends.
template <WireLayout T>
std::span<const std::byte> bytes_of(const T& value) noexcept {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

}  // namespace caisson
