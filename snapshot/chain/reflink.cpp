// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
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
constexpr std::size_t kWindowsOfStep = 64;

/// Captures of one batch: cloned one by one, made durable together.
class Batch {
 public:
  Batch(Member& member, File& source) : member_(member), source_(source) {}

  Outcome<> clone(Run run) {
    auto image = member_.image();
    if (!image) return image.error();
    auto offset = run.first * member_.unit();
    auto end = std::min(run.end() * member_.unit(), member_.padded_capacity());
    if (run.end() * member_.unit() >= member_.capacity())
      if (auto ready = prepare_end(**image, end); !ready) return ready;
    auto cloned = (*image)->clone_range(source_.innermost(), offset, end - offset, offset);
    if (!cloned) return failed("share blocks with", cloned.error());
    append_units(cloned_, run.first, run.count);
    return {};
  }
  void hole(Run run) { append_units(holes_, run.first, run.count); }

  Outcome<> commit() {
    if (!cloned_.empty()) {
      auto image = member_.image();
      if (!image) return image.error();
      if (auto synced = (*image)->sync_all(); !synced) return failed("sync", synced.error());
    }
    return member_.record(cloned_, holes_);
  }

 private:
  Failure failed(const char* what, const Error& error) const {
    return failure(to_errc(error), fmt::format("cannot {} the image of snapshot '{}': {}", what,
                                               member_.name(), error.message()));
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
  std::vector<Run> cloned_, holes_;
};

/// The largest aligned window around `unit` that is cheap to clone and in which nothing
/// has been captured; its own unit at least.
Run window_around(Member& member, File& source, std::uint64_t unit) {
  const auto& set = member.set();
  for (auto units = std::max<std::uint64_t>(1, kWindow / member.unit()); units > 1; units /= 2) {
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

Outcome<> capture_by_reflink(Member& member, File& source, std::span<const Run> wanted) {
  Batch batch(member, source);
  std::uint64_t done = 0;  // units before it are taken care of
  for (const auto& run : wanted)
    for (auto unit = std::max(run.first, done); unit < run.end(); unit = done) {
      if (auto hole = hole_units(member, source, {unit, run.end() - unit}, kWindow); hole != 0) {
        batch.hole({unit, hole});
        done = unit + hole;
        continue;
      }
      auto window = window_around(member, source, unit);
      if (window.first < done) window = {done, window.end() - done};
      if (auto cloned = batch.clone(window); !cloned) return cloned;
      done = window.end();
    }
  return batch.commit();
}

Outcome<> fill_by_reflink(Member& member, File& source, std::uint64_t& cursor) {
  const auto& set = member.set();
  Batch batch(member, source);
  auto until = std::chrono::steady_clock::now() + kStep;
  for (std::size_t windows = 0; windows < kWindowsOfStep; ++windows) {
    auto missing = set.next_absent_run(cursor, set.size());
    if (!missing) break;
    if (auto hole = hole_units(member, source, *missing, 1); hole != 0) {
      batch.hole({missing->first, hole});
      cursor = missing->first + hole;
    } else {
      auto window = window_around(member, source, missing->first);
      // What comes before the cursor is in this batch already.
      window = {missing->first, window.end() - missing->first};
      if (auto cloned = batch.clone(window); !cloned) return cloned;
      cursor = window.end();
    }
    if (std::chrono::steady_clock::now() >= until) break;
  }
  if (!set.next_absent_run(cursor, set.size())) cursor = 0;
  return batch.commit();
}

}  // namespace caisson::snapshot
