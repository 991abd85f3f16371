// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_node.hpp"

#include <algorithm>
#include <limits>

namespace caisson::tests {
namespace {
constexpr auto kForever = std::numeric_limits<std::uint64_t>::max();
}

void SimData::write(std::uint64_t offset, std::span<const std::byte> from) {
  // The size changes first: an fdatasync that covers the data covers it too.
  if (offset + from.size() > size_) {
    size_ = offset + from.size();
    changes_.push_back({.kind = Kind::size, .offset = size_});
  }
  live_.write(offset, from);
  changes_.push_back(
      {.kind = Kind::write,
       .offset = offset,
       .length = from.size(),
       .data = std::make_shared<const std::vector<std::byte>>(from.begin(), from.end())});
}

void SimData::punch(std::uint64_t offset, std::uint64_t length) {
  live_.punch(offset, length);
  changes_.push_back({.kind = Kind::punch, .offset = offset, .length = length});
}

void SimData::zero(std::uint64_t offset, std::uint64_t length) {
  live_.zero(offset, length);
  changes_.push_back({.kind = Kind::zero, .offset = offset, .length = length});
}

void SimData::allocate(std::uint64_t offset, std::uint64_t length) {
  live_.allocate(offset, length);
  changes_.push_back({.kind = Kind::allocate, .offset = offset, .length = length});
}

void SimData::resize(std::uint64_t size) {
  if (size < size_) live_.truncate(size);
  size_ = size;
  changes_.push_back({.kind = Kind::size, .offset = size});
}

std::shared_ptr<const SimBytes> SimData::share(std::uint64_t offset, std::uint64_t length) {
  if (!lost_) return std::make_shared<const SimBytes>(live_.share(offset, length, durable_));
  SimBytes none;
  return std::make_shared<const SimBytes>(on_disk().share(offset, length, none));
}

void SimData::clone(std::shared_ptr<const SimBytes> pages, std::uint64_t from, std::uint64_t length,
                    std::uint64_t to) {
  if (to + length > size_) {
    size_ = to + length;
    changes_.push_back({.kind = Kind::size, .offset = size_});
  }
  length = (length + SimBytes::kPage - 1) / SimBytes::kPage * SimBytes::kPage;
  live_.copy(*pages, from, length, to);
  changes_.push_back({.kind = Kind::clone,
                      .offset = to,
                      .length = length,
                      .pages = std::move(pages),
                      .data_offset = from});
}

void SimData::apply(SimBytes& bytes, const Change& change) {
  switch (change.kind) {
    case Kind::write:
      return bytes.write(change.offset,
                         std::span(*change.data).subspan(change.data_offset, change.length));
    case Kind::punch: return bytes.punch(change.offset, change.length);
    case Kind::zero: return bytes.zero(change.offset, change.length);
    case Kind::clone:
      return bytes.copy(*change.pages, change.data_offset, change.length, change.offset);
    case Kind::allocate: return bytes.allocate(change.offset, change.length);
    case Kind::size: return;
  }
}

/// The part of a data change that lies in [from, to).
SimData::Change SimData::part(const Change& change, std::uint64_t from, std::uint64_t to) {
  auto begin = std::max(from, change.offset);
  auto end = std::min(to, change.offset + change.length);
  auto piece = change;
  piece.offset = begin;
  piece.length = end > begin ? end - begin : 0;
  piece.data_offset = change.data_offset + (begin - change.offset);
  return piece;
}

void SimData::set_durable_size(std::uint64_t size) {
  if (size < durable_size_) durable_.truncate(size);
  durable_size_ = size;
}

std::size_t SimData::last_data() const noexcept {
  auto count = changes_.size();
  while (count != 0 && !is_data(changes_[count - 1])) --count;
  return count;
}

/// Pages of a change just made durable are from now on the very ones that programs
/// see, with their addresses, unless there is more to come for them.
void SimData::adopt(const Change& change) {
  if (lost_ || change.kind == Kind::size) return;
  auto begin = change.offset / SimBytes::kPage * SimBytes::kPage;
  auto end = change.offset + change.length + SimBytes::kPage;
  auto meets = [&](const Change& left) {
    return left.kind == Kind::size || (left.offset < end && left.offset + left.length > begin);
  };
  if (std::ranges::none_of(changes_, meets)) durable_.adopt(live_, change.offset, change.length);
}

/// Makes the first `count` changes durable.
void SimData::commit(std::size_t count) {
  auto end = changes_.begin() + static_cast<std::ptrdiff_t>(count);
  Changes done(std::make_move_iterator(changes_.begin()), std::make_move_iterator(end));
  changes_.erase(changes_.begin(), end);
  for (const auto& change : done)
    if (change.kind == Kind::size)
      set_durable_size(change.offset);
    else
      apply(durable_, change);
  for (const auto& change : done) adopt(change);
}

/// What programs would read if nothing clean were cached.
SimBytes SimData::on_disk() const {
  auto bytes = durable_;
  for (const auto& change : changes_)
    if (change.kind == Kind::size)
      bytes.truncate(change.offset);
    else
      apply(bytes, change);
  return bytes;
}

void SimData::drop_clean() {
  live_ = on_disk();
  lost_ = false;
}

void SimData::sync_data() { commit(last_data()); }
void SimData::sync_all() {
  commit(changes_.size());
  durable_read_only_ = read_only_;
}

/// Takes [from, to) out of the data changes among the first `count`: something
/// newer is durable there.
void SimData::clip(std::size_t count, std::uint64_t from, std::uint64_t to) {
  Changes kept;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    auto& change = changes_[i];
    auto meets =
        i < count && is_data(change) && change.offset < to && change.offset + change.length > from;
    if (!meets) {
      kept.push_back(std::move(change));
      continue;
    }
    for (auto piece : {part(change, 0, from), part(change, to, kForever)})
      if (piece.length != 0) kept.push_back(std::move(piece));
  }
  changes_ = std::move(kept);
}

/// Makes the changes of the size among the first `count` durable, and what
/// truncation did to older data.
void SimData::commit_sizes(std::size_t count) {
  for (std::size_t i = 0; i < count;) {
    if (changes_[i].kind != Kind::size) {
      ++i;
      continue;
    }
    auto size = changes_[i].offset;
    set_durable_size(size);
    auto before = changes_.size();
    changes_.erase(changes_.begin() + static_cast<std::ptrdiff_t>(i));
    clip(i, size, kForever);
    auto gone = before - changes_.size();
    count -= gone;
    i -= gone - 1;
  }
}

void SimData::sync_last_write() {
  auto write = changes_.back();
  changes_.pop_back();
  commit_sizes(changes_.size());
  clip(changes_.size(), write.offset, write.offset + write.length);
  apply(durable_, write);
  adopt(write);
}

void SimData::lose_data() { lost_ |= std::erase_if(changes_, &SimData::is_data) != 0; }
void SimData::lose_last_write() {
  changes_.pop_back();
  lost_ = true;
}

void SimData::apply_torn(SimBytes& bytes, const Change& change, SimRandom& random,
                         std::uint64_t tear_size) {
  constexpr std::uint64_t kMostPieces = 16;
  // Blocks are shared entirely or not at all.
  if (change.kind == Kind::clone) tear_size = std::max(tear_size, SimBytes::kPage);
  auto units = change.length / tear_size + 2;
  auto end = change.offset + change.length;
  // Long changes are torn at few places, short ones anywhere.
  auto step = std::max<std::uint64_t>(1, units / kMostPieces);
  for (auto at = change.offset; at < end;) {
    auto run = units <= kMostPieces ? 1 : 1 + random.below(2 * step);
    auto stop = std::min(end, (at / tear_size + run) * tear_size);
    if (random.chance(50)) apply(bytes, part(change, at, stop));
    at = stop;
  }
}

SimData SimData::after_cut(SimRandom& random, const CutPolicy& policy) const {
  SimData left;
  left.durable_ = durable_;
  left.durable_size_ = durable_size_;
  // Sizes are journalled in order, so a prefix of them survives; data does not
  // wait for them, nor they for data.
  auto sizes_survive = true;
  for (const auto& change : changes_) {
    if (change.kind == Kind::allocate) {
      if (random.chance(policy.keep_percent)) apply(left.durable_, change);
      continue;
    }
    if (change.kind == Kind::size) {
      sizes_survive = sizes_survive && random.chance(policy.keep_percent);
      if (sizes_survive) left.set_durable_size(change.offset);
      continue;
    }
    if (random.chance(policy.tear_percent))
      apply_torn(left.durable_, change, random, policy.tear_size);
    else if (random.chance(policy.keep_percent))
      apply(left.durable_, change);
  }
  left.durable_read_only_ = durable_read_only_;
  if (read_only_ != durable_read_only_ && random.chance(policy.keep_percent))
    left.durable_read_only_ = read_only_;
  left.read_only_ = left.durable_read_only_;
  left.durable_.truncate(left.durable_size_);
  left.live_ = left.durable_;
  left.size_ = left.durable_size_;
  return left;
}

}  // namespace caisson::tests
