// SPDX-License-Identifier: Apache-2.0
// Most blocks of a disk have been captured by nobody: says so without a question to the
// index.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

namespace caisson::snapshot {

/// A set that sometimes takes a stranger for a member, and never the other way round: two
/// bits of 2^24 a block, 2 % strangers with a million members. Of no use before ready().
class BlockFilter {
 public:
  void add(std::uint64_t block) noexcept {
    for (auto bit : {first(block), second(block)})
      words_[bit / 64].fetch_or(std::uint64_t{1} << bit % 64, std::memory_order_relaxed);
  }
  /// All members have been added, before; those that come are.
  void set_ready() noexcept { ready_.store(true, std::memory_order_release); }
  bool ready() const noexcept { return ready_.load(std::memory_order_acquire); }

  bool may_have(std::uint64_t block) const noexcept {
    return has(first(block)) && has(second(block));
  }
  /// The first one in [block, end) that may be a member; `end`: there is none.
  std::uint64_t next(std::uint64_t block, std::uint64_t end) const noexcept {
    while (block < end && !may_have(block)) ++block;
    return block;
  }

 private:
  static constexpr std::uint64_t kBits = std::uint64_t{1} << 24;

  static std::uint64_t mix(std::uint64_t block) noexcept {
    block = (block ^ block >> 31) * 0x9e3779b97f4a7c15;
    return block ^ block >> 29;
  }
  static std::uint64_t first(std::uint64_t block) noexcept { return mix(block) % kBits; }
  static std::uint64_t second(std::uint64_t block) noexcept { return mix(block) >> 40; }
  bool has(std::uint64_t bit) const noexcept {
    return (words_[bit / 64].load(std::memory_order_relaxed) >> bit % 64 & 1) != 0;
  }

  std::unique_ptr<std::atomic<std::uint64_t>[]> words_ =
      std::make_unique<std::atomic<std::uint64_t>[]>(kBits / 64);
  std::atomic<bool> ready_{false};
};

}  // namespace caisson::snapshot
