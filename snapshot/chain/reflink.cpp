// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <chrono>

#include "snapshot/chain/capture.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

using file_store::File;
using file_store::FileExtent;

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
    // The last unit may end behind the capacity; what pads the disk is cloned too.
    auto end = std::min(run.end() * member_.unit(), member_.padded_capacity());
    auto cloned = (*image)->clone_range(source_.innermost(), offset, end - offset, offset);
    if (!cloned)
      return failure(to_errc(cloned.error()), "cannot share blocks with the snapshot '" +
                                                  member_.name() +
                                                  "': " + cloned.error().message());
    append_units(cloned_, run.first, run.count);
    return {};
  }
  void hole(Run run) { append_units(holes_, run.first, run.count); }

  Outcome<> commit() {
    if (!cloned_.empty()) {
      auto image = member_.image();
      if (!image) return image.error();
      if (auto synced = (*image)->sync_all(); !synced)
        return failure(to_errc(synced.error()), "cannot sync the snapshot '" + member_.name() +
                                                    "': " + synced.error().message());
    }
    return member_.record(cloned_, holes_);
  }

 private:
  Member& member_;
  File& source_;
  std::vector<Run> cloned_, holes_;
};

/// The largest aligned window around `unit` that is cheap to clone and in which nothing
/// has been captured; its own unit at least.
Run window_around(const Member& member, File& source, std::uint64_t unit) {
  const auto& set = member.captured()->set;
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
      auto window = window_around(member, source, unit);
      if (window.first < done) window = {done, window.end() - done};
      if (auto cloned = batch.clone(window); !cloned) return cloned;
      done = window.end();
    }
  return batch.commit();
}

Outcome<bool> fill_by_reflink(Member& member, File& source, std::uint64_t& cursor) {
  const auto& set = member.captured()->set;
  Batch batch(member, source);
  auto until = std::chrono::steady_clock::now() + kStep;
  bool any = false;
  for (std::size_t windows = 0; windows < kWindowsOfStep; ++windows) {
    auto missing = set.next_absent_run(cursor, set.size());
    if (!missing) break;
    any = true;
    std::array<FileExtent, 1> extent;
    auto offset = missing->first * member.unit();
    auto found = file_store::extents(source, offset, missing->count * member.unit(), extent);
    auto hole = found && *found == 1 && !extent[0].data ? extent[0].length / member.unit() : 0;
    // Behind the source's end there is nothing: the last unit may be a part of one.
    if (found && *found == 1 && !extent[0].data && extent[0].length >= member.capacity() - offset)
      hole = missing->count;
    if (hole != 0) {
      batch.hole({missing->first, std::min(hole, missing->count)});
      cursor = missing->first + std::min(hole, missing->count);
    } else {
      auto window = window_around(member, source, missing->first);
      if (window.first < missing->first) window = {missing->first, window.end() - missing->first};
      if (auto cloned = batch.clone(window); !cloned) return cloned.error();
      cursor = window.end();
    }
    if (std::chrono::steady_clock::now() >= until) break;
  }
  if (any)
    if (auto done = batch.commit(); !done) return done.error();
  if (any || cursor == 0) return any;
  cursor = 0;  // what was captured in between lies before it
  return !set.full();
}

}  // namespace caisson::snapshot
