// SPDX-License-Identifier: Apache-2.0
// What the harnesses share: an input is read piece by piece, and a broken
// invariant ends the process so that libFuzzer, or the replay, keeps the input.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>

namespace caisson::fuzz {

/// Ends the process with the place and what was to hold.
inline void require(bool holds, const char* what, const char* file = __builtin_FILE(),
                    unsigned line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: broken: %s\n", file, line, what);
  std::abort();
}

/// Hands out an input from front to back; what is used up reads as zeros, or as
/// fewer bytes than asked for.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(std::as_bytes(std::span(data, size))) {}
  explicit Input(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool empty() const noexcept { return rest_.empty(); }
  std::span<const std::byte> rest() const noexcept { return rest_; }

  std::uint8_t byte() noexcept {
    auto one = take(1);
    return one.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(one[0]);
  }
  /// Most significant byte first.
  std::uint16_t pair() noexcept {
    auto high = byte();
    return static_cast<std::uint16_t>(high << 8 | byte());
  }
  std::span<const std::byte> take(std::size_t size) noexcept {
    auto piece = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(piece.size());
    return piece;
  }
  /// Up to the delimiter, which is dropped.
  std::span<const std::byte> until(std::byte delimiter) noexcept {
    auto end = std::ranges::find(rest_, delimiter) - rest_.begin();
    auto piece = take(static_cast<std::size_t>(end));
    take(1);
    return piece;
  }

 private:
  std::span<const std::byte> rest_;
};

inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Fills `to` with the pattern over and over, with zeros if there is none.
inline void repeat(std::span<const std::byte> pattern, std::span<std::byte> to) noexcept {
  if (to.empty()) return;
  std::memset(to.data(), 0, to.size());
  auto done = std::min(pattern.size(), to.size());
  if (done == 0) return;
  std::memcpy(to.data(), pattern.data(), done);
  for (std::size_t n = 0; done < to.size(); done += n) {
    n = std::min(done, to.size() - done);
    std::memcpy(to.data() + done, to.data(), n);
  }
}

/// Lengths of the pieces in which a stream arrives: deterministic from a seed,
/// from single bytes to a good many at once.
class Pieces {
 public:
  explicit Pieces(std::uint32_t seed) : state_(seed * 2654435761u + 1) {}
  std::size_t next() noexcept {
    state_ = state_ * 1664525u + 1013904223u;
    auto value = state_ >> 8;
    return 1 + (value & 3 ? value % 16 : value % 1024);
  }

 private:
  std::uint32_t state_;
};

}  // namespace caisson::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
