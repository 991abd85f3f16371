// SPDX-License-Identifier: Apache-2.0
// Verified I/O on one part of one LUN, through a session that others reset, that
// is cut with commands in flight and that comes back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/support/iscsi_client.hpp"

namespace caisson::tests {

struct Place {
  std::uint16_t port = 0;
  std::string target;
};

/// Counted over all regions; a soak in which one of them stays 0 has shown nothing.
struct RegionCounts {
  std::uint64_t writes = 0, reads = 0, unmaps = 0, flushes = 0;
  std::uint64_t vanished = 0;  ///< commands that a reset took away without an answer
  std::uint64_t cuts = 0;      ///< connections closed under a command
  RegionCounts& operator+=(const RegionCounts& other);
};

/// Not thread-safe: each region belongs to one thread. Throws std::runtime_error,
/// with the block's number and what it held, on the first mismatch.
class Region {
 public:
  static constexpr std::uint32_t kBlock = 4096;

  /// `number` is the region's place in its LUN and the seed of what it does.
  Region(Place place, std::uint32_t number, std::uint32_t blocks);

  /// One random operation.
  void step();
  /// Reads all of it back.
  void verify();
  const RegionCounts& counts() const noexcept { return counts_; }

 private:
  /// What a block may hold: the last write that was answered, or any later one
  /// that was not. 0 is an unmapped block.
  using Candidates = std::vector<std::uint64_t>;
  enum class End { good, vanished, refused };
  struct Answer {
    End end = End::vanished;
    std::vector<std::byte> data;
  };

  void connect();
  void leave();
  void write(std::uint32_t first, std::uint32_t count);
  void read(std::uint32_t first, std::uint32_t count);
  void unmap(std::uint32_t first, std::uint32_t count);
  void flush();
  void cut_while_writing(std::uint32_t first, std::uint32_t count);
  std::vector<std::byte> fill(std::uint32_t first, std::uint32_t count, std::uint64_t generation);
  /// The command ended in this way: what the blocks may hold now.
  void note(std::uint32_t first, std::uint32_t count, std::uint64_t value, End end);
  void check(std::uint32_t block, std::span<const std::byte> held);

  Answer run(std::span<const std::byte> cdb, std::byte flags, std::uint32_t expected,
             std::span<const std::byte> out);
  std::uint32_t send(std::span<const std::byte> cdb, std::byte flags, std::uint32_t expected,
                     std::span<const std::byte> out);
  Answer await(std::uint32_t tag, std::span<const std::byte> out);
  std::uint64_t lba(std::uint32_t block) const noexcept { return (first_ + block) * 8; }

  Place place_;
  std::uint64_t first_;  ///< in blocks of 4 KiB
  std::uint32_t number_;
  std::vector<Candidates> may_hold_;
  std::uint64_t generation_ = 0;
  std::mt19937 random_;
  std::unique_ptr<IscsiClient> session_;
  RegionCounts counts_;
};

}  // namespace caisson::tests
