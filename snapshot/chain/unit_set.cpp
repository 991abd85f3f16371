// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/unit_set.hpp"

#include <algorithm>
#include <bit>

namespace caisson::snapshot {
namespace {

constexpr std::uint64_t kAll = ~std::uint64_t{0};

/// Bits [from, to) of a word, 0 <= from < to <= 64.
constexpr std::uint64_t mask(std::uint64_t from, std::uint64_t to) {
  return (to == 64 ? kAll : (std::uint64_t{1} << to) - 1) & ~((std::uint64_t{1} << from) - 1);
}

}  // namespace

UnitSet::UnitSet(std::uint64_t size)
    : size_(size),
      chunks_((size + kChunkUnits - 1) / kChunkUnits),
      slots_(std::make_unique<Slot[]>(chunks_)) {}

UnitSet::~UnitSet() {
  for (std::uint64_t i = 0; i < chunks_; ++i)
    if (auto* chunk = slots_[i].load(std::memory_order_relaxed); chunk != full_chunk())
      delete chunk;
}

/// Stands for every chunk that is full, so that a reader needs no special case. A
/// chunk is never taken away from under a reader: see add_to_chunk().
UnitSet::Chunk* UnitSet::full_chunk() noexcept {
  static Chunk chunk;
  static const bool filled = [] {
    for (auto& word : chunk.words) word.store(kAll, std::memory_order_relaxed);
    return true;
  }();
  (void)filled;
  return &chunk;
}

std::uint64_t UnitSet::word(std::uint64_t index) const noexcept {
  const auto* chunk = slots_[index / kWords].load(std::memory_order_acquire);
  return chunk == nullptr ? 0 : chunk->words[index % kWords].load(std::memory_order_acquire);
}

bool UnitSet::contains(std::uint64_t unit) const noexcept {
  return unit >= size_ || (word(unit / 64) >> unit % 64 & 1) != 0;
}

/// The first unit of [first, end) whose bit is set in wanted(word); whole chunks
/// without any are stepped over.
template <class Wanted>
std::uint64_t UnitSet::search(std::uint64_t first, std::uint64_t end,
                              Wanted wanted) const noexcept {
  while (first < end) {
    const auto* chunk = slots_[first / kChunkUnits].load(std::memory_order_acquire);
    if ((chunk == nullptr && wanted(0) == 0) || (chunk == full_chunk() && wanted(kAll) == 0)) {
      first = (first / kChunkUnits + 1) * kChunkUnits;
      continue;
    }
    auto found = wanted(word(first / 64)) & mask(first % 64, 64);
    if (found != 0)
      return std::min(first / 64 * 64 + static_cast<unsigned>(std::countr_zero(found)), end);
    first = (first / 64 + 1) * 64;
  }
  return end;
}

std::uint64_t UnitSet::first_absent(std::uint64_t first, std::uint64_t end) const noexcept {
  auto limit = std::min(end, size_);
  if (first >= limit) return end;
  auto found = search(first, limit, [](std::uint64_t bits) { return ~bits; });
  return found == limit ? end : found;
}

std::uint64_t UnitSet::first_present(std::uint64_t first, std::uint64_t end) const noexcept {
  auto limit = std::min(end, size_);
  return first >= limit ? std::min(first, end)
                        : search(first, limit, [](std::uint64_t bits) { return bits; });
}

std::optional<Run> UnitSet::next_absent_run(std::uint64_t first, std::uint64_t end) const noexcept {
  auto limit = std::min(end, size_);
  auto begin = first_absent(first, limit);
  if (begin >= limit) return std::nullopt;
  limit = std::min(limit, begin + kMaxRunUnits);
  return Run{begin, first_present(begin, limit) - begin};
}

void UnitSet::absent_runs(std::uint64_t first, std::uint64_t end, std::vector<Run>& runs) const {
  while (auto run = next_absent_run(first, end)) {
    runs.push_back(*run);
    first = run->end();
  }
}

std::optional<Run> UnitSet::next_present_run(std::uint64_t first,
                                             std::uint64_t end) const noexcept {
  auto limit = std::min(end, size_);
  auto begin = first_present(first, limit);
  if (begin >= limit) return std::nullopt;
  limit = std::min(limit, begin + kMaxRunUnits);
  return Run{begin, first_absent(begin, limit) - begin};
}

std::uint64_t UnitSet::memory() const noexcept {
  auto bytes = chunks_ * sizeof(Slot);
  for (std::uint64_t i = 0; i < chunks_; ++i) {
    const auto* chunk = slots_[i].load(std::memory_order_relaxed);
    if (chunk != nullptr && chunk != full_chunk()) bytes += sizeof(Chunk);
  }
  return bytes;
}

void UnitSet::add(Run run) {
  auto end = std::min(run.end(), size_);
  for (auto first = run.first; first < end;) {
    auto index = first / kChunkUnits;
    auto base = index * kChunkUnits;
    auto stop = std::min(end, base + kChunkUnits);
    add_to_chunk(slots_[index], first - base, stop - base);
    first = stop;
  }
}

void UnitSet::add_to_chunk(Slot& slot, std::uint64_t first, std::uint64_t end) {
  auto* chunk = slot.load(std::memory_order_relaxed);
  if (chunk == full_chunk()) return;
  if (chunk == nullptr) {
    // Full at once, which costs nothing. One that becomes full later keeps its
    // memory: somebody may be reading it.
    if (first == 0 && end == kChunkUnits) {
      slot.store(full_chunk(), std::memory_order_release);
      count_.fetch_add(kChunkUnits, std::memory_order_relaxed);
      return;
    }
    chunk = new Chunk;
    slot.store(chunk, std::memory_order_release);
  }
  std::uint64_t added = 0;
  while (first < end) {
    auto stop = std::min(end, (first / 64 + 1) * 64);
    auto bits = mask(first % 64, stop - first / 64 * 64);
    auto before = chunk->words[first / 64].fetch_or(bits, std::memory_order_release);
    added += static_cast<unsigned>(std::popcount(bits & ~before));
    first = stop;
  }
  count_.fetch_add(added, std::memory_order_relaxed);
}

}  // namespace caisson::snapshot
