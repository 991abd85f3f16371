// SPDX-License-Identifier: Apache-2.0
// Which units of a disk have been captured: a set that many threads ask and one
// thread fills, without a lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "snapshot/format/runs.hpp"

namespace caisson::snapshot {

/// Units from 0 to size(). Two levels: a chunk of 4 KiB of bits comes into being
/// with its first member, and one that is full costs nothing. Units are only ever
/// added, by one thread at a time; whoever sees one added (acquire) sees what was
/// written before it was (release).
class UnitSet {
 public:
  explicit UnitSet(std::uint64_t size);
  ~UnitSet();
  UnitSet(const UnitSet&) = delete;
  UnitSet& operator=(const UnitSet&) = delete;

  // From any thread. What lies beyond size() counts as a member.

  bool contains(std::uint64_t unit) const noexcept;
  bool contains_all(std::uint64_t first, std::uint64_t end) const noexcept {
    return first_absent(first, end) == end;
  }
  /// The first unit in [first, end) that is not (is) a member; `end` if there is none.
  std::uint64_t first_absent(std::uint64_t first, std::uint64_t end) const noexcept;
  std::uint64_t first_present(std::uint64_t first, std::uint64_t end) const noexcept;
  /// The first run of units in [first, end) that are no members (are members), of
  /// kMaxRunUnits at most.
  std::optional<Run> next_absent_run(std::uint64_t first, std::uint64_t end) const noexcept;
  /// Adds all runs of units in [first, end) that are no members behind `runs`.
  void absent_runs(std::uint64_t first, std::uint64_t end, std::vector<Run>& runs) const;
  std::optional<Run> next_present_run(std::uint64_t first, std::uint64_t end) const noexcept;

  std::uint64_t size() const noexcept { return size_; }
  /// How many are members.
  std::uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
  bool full() const noexcept { return count() == size_; }
  /// Bytes of memory it takes.
  std::uint64_t memory() const noexcept;

  // One thread at a time.

  /// Adds the run, cut to size(). Members in it stay what they are.
  void add(Run run);

 private:
  static constexpr std::uint64_t kWords = 512;
  static constexpr std::uint64_t kChunkUnits = kWords * 64;
  struct Chunk {
    std::atomic<std::uint64_t> words[kWords]{};
  };
  using Slot = std::atomic<Chunk*>;

  static Chunk* full_chunk() noexcept;
  std::uint64_t word(std::uint64_t index) const noexcept;
  template <class Wanted>
  std::uint64_t search(std::uint64_t first, std::uint64_t end, Wanted wanted) const noexcept;
  void add_to_chunk(Slot& slot, std::uint64_t first, std::uint64_t end);

  const std::uint64_t size_;
  const std::uint64_t chunks_;
  std::unique_ptr<Slot[]> slots_;
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace caisson::snapshot
