// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>

#include "snapshot/chain/capture.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

using file_store::File;

// A clone stops all I/O of the source for as long as its extents take: 16 to 48 µs
// each on xfs.
constexpr std::uint64_t kWindow = std::uint64_t{1} << 20;
constexpr std::size_t kExtents = 64;
constexpr auto kStep = std::chrono::milliseconds(3);
/// What the writes of one round may wait for all its clones; who comes just behind its
/// beginning waits for two.
constexpr auto kRound = std::chrono::milliseconds(10);
constexpr std::size_t kWindowsOfStep = 64;

/// Captures of one batch: cloned one by one, made durable together.
class Batch {
 public:
  Batch(Member& member, File& source, CloneCost& cost)
      : member_(member), source_(source), cost_(cost) {}

  void clone(Run window) { windows_.push_back(window); }
  void hole(Run run) { append_units(holes_, run.first, run.count); }

  /// A clone writes back what is cached of its range while it stops the file, so that is
  /// done before, of all ranges at once.
  Outcome<> commit() {
    if (windows_.empty()) return member_.record({}, holes_);
    auto image = member_.image();
    if (!image) return image.error();
    write_back();
    std::vector<Run> cloned;
    for (const auto& window : windows_) {
      if (auto done = clone_now(**image, window); !done) return done;
      append_units(cloned, window.first, window.count);
    }
    if (auto synced = (*image)->sync_all(); !synced) return failed("sync", synced.error());
    return member_.record(cloned, holes_);
  }

 private:
  Failure failed(const char* what, const Error& error) const {
    return failure(to_errc(error), fmt::format("cannot {} the image of snapshot '{}': {}", what,
                                               member_.name(), error.message()));
  }

  void write_back() {
    std::vector<file_store::ByteRange> ranges;
    for (const auto& run : windows_)
      ranges.push_back({run.first * member_.unit(), run.count * member_.unit()});
    source_.write_back(ranges);
  }

  Outcome<> clone_now(File& image, Run run) {
    auto offset = run.first * member_.unit();
    auto end = std::min(run.end() * member_.unit(), member_.padded_capacity());
    if (run.end() * member_.unit() >= member_.capacity())
      if (auto ready = prepare_end(image, end); !ready) return ready;
    auto began = std::chrono::steady_clock::now();
    auto cloned = image.clone_range(source_.innermost(), offset, end - offset, offset);
    cost_.note(std::chrono::steady_clock::now() - began, run.count);
    if (!cloned) return failed("share blocks with", cloned.error());
    return {};
  }

  /// What pads the disk is cloned too; an image that is whole ends without it, and then
  /// the clone must end where both do.
  Outcome<> prepare_end(File& image, std::uint64_t& end) {
    auto there = source_.attributes();
    if (!there) return failed("find what it is to share with", there.error());
    if (there->size >= end) return {};
    end = there->size;
    if (end < member_.capacity())
      return failure(Errc::corrupt, fmt::format("what snapshot '{}' takes its blocks from is too "
                                                "short",
                                                member_.name()));
    if (auto sized = image.resize(end); !sized) return failed("size", sized.error());
    return {};
  }

  Member& member_;
  File& source_;
  CloneCost& cost_;
  std::vector<Run> windows_, holes_;
};

/// The largest aligned window around `unit`, of at most `most` units, that is cheap to clone
/// and in which nothing has been captured; its own unit at least.
Run window_around(Member& member, File& source, std::uint64_t unit, std::uint64_t most) {
  const auto& set = member.set();
  most = std::bit_floor(std::min(most, kWindow / member.unit()));
  for (auto units = most; units > 1; units /= 2) {
    auto first = unit / units * units, end = std::min(first + units, set.size());
    if (set.first_present(first, end) != end) continue;
    auto count =
        source.count_extents(first * member.unit(), (end - first) * member.unit(), kExtents + 1);
    if (count && *count <= kExtents) return {first, end - first};
    if (!count) break;  // it cannot tell: as little as possible
  }
  return {unit, 1};
}

}  // namespace

Outcome<> capture_by_reflink(Member& member, File& source, std::span<const Run> wanted,
                             CloneCost& cost) {
  Batch batch(member, source, cost);
  std::uint64_t done = 0;  // units before it are taken care of
  const auto affordable = cost.units_within(kRound, wanted.size());
  for (const auto& run : wanted)
    for (auto unit = std::max(run.first, done); unit < run.end(); unit = done) {
      if (auto hole = hole_units(member, source, {unit, run.end() - unit}, kWindow); hole != 0) {
        batch.hole({unit, hole});
        done = unit + hole;
        continue;
      }
      auto window = window_around(member, source, unit, std::max(affordable, run.end() - unit));
      if (window.first < done) window = {done, window.end() - done};
      batch.clone(window);
      done = window.end();
    }
  return batch.commit();
}

Outcome<> fill_by_reflink(Member& member, File& source, std::uint64_t& cursor, CloneCost& cost) {
  const auto& set = member.set();
  Batch batch(member, source, cost);
  auto left = cost.units_within(kStep, 1);
  for (std::size_t windows = 0; windows < kWindowsOfStep && left != 0; ++windows) {
    auto missing = set.next_absent_run(cursor, set.size());
    if (!missing) break;
    if (auto hole = hole_units(member, source, *missing, 1); hole != 0) {
      batch.hole({missing->first, hole});
      cursor = missing->first + hole;
    } else {
      auto window = window_around(member, source, missing->first, left);
      // What comes before the cursor is in this batch already.
      window = {missing->first, window.end() - missing->first};
      batch.clone(window);
      cursor = window.end();
      left -= std::min(left, window.count);
    }
  }
  if (!set.next_absent_run(cursor, set.size())) cursor = 0;
  return batch.commit();
}

}  // namespace caisson::snapshot
