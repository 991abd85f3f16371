// SPDX-License-Identifier: Apache-2.0
// A snapshot on a store that copies becomes a whole image, because somebody asks for it.
#include <algorithm>
#include <vector>

#include "snapshot/chain/capture.hpp"
#include "snapshot/chain/lane.hpp"
#include "storage_object/base/buffer.hpp"

namespace caisson::snapshot {
namespace {

/// Bytes copied in one step, so that hosts' writes between two do not wait long.
constexpr std::uint64_t kCopied = std::uint64_t{1} << 20;

Failure cannot(const Member& member, const char* doing, const Error& error) {
  return failure(to_errc(error),
                 "cannot " + std::string(doing) + " the image of snapshot '" + member.name() +
                     "': " + error.message(),
                 "make room in its store, or look after its file system; then ask again");
}

/// Puts `data`, which stands for all units from `first` on, into the image: what is not
/// zeros is written, and durable.
Outcome<> put(Member& member, std::uint64_t first, std::span<const std::byte> data) {
  auto image = member.image();
  if (!image) return image.error();
  std::vector<Run> taken, holes;
  for (std::uint64_t at = 0; at < data.size(); at += member.unit()) {
    auto unit = data.subspan(at, std::min(member.unit(), data.size() - at));
    append_units(all_zero(unit) ? holes : taken, first + at / member.unit(), 1);
  }
  for (const auto& run : taken) {
    auto from = (run.first - first) * member.unit();
    auto part = data.subspan(from, std::min(run.count * member.unit(), data.size() - from));
    if (auto put = file_store::write_at(**image, run.first * member.unit(), part); !put)
      return cannot(member, "write", put.error());
  }
  if (!taken.empty())
    if (auto synced = file_store::sync(**image); !synced)
      return cannot(member, "sync", synced.error());
  return member.record(taken, holes);
}

}  // namespace

Outcome<std::uint64_t> Chain::complete_some(const Uuid& snapshot) {
  std::uint64_t left = 0;
  auto done = on_lane([&]() -> Outcome<> {
    auto member = find(snapshot);
    if (!member || member->ghost())
      return failure(Errc::not_found, "there is no snapshot " + snapshot.to_string());
    if (member->invalid())
      return failure(Errc::corrupt, "snapshot '" + member->name() +
                                        "' is no image any more: " + member->why_invalid());
    if (member->whole()) return member->publish();
    exported_ = snapshot;
    if (auto unfolded = unfold(*member); !unfolded) return unfolded;
    auto worked = member->primitive() == Primitive::copy ? complete_by_copy(member)
                                                         : complete_by_reflink(*member);
    if (!worked) return worked;
    if (member->whole()) return {};
    const auto& set = member->set();
    left = std::max<std::uint64_t>(1, (set.size() - set.count()) * member->unit());
    return {};
  });
  if (!done) return done.error();
  return left;
}

/// The background does the same, only later.
Outcome<> Chain::complete_by_reflink(const Member& member) {
  if (complete_next() == Step::worked) return {};
  return failure(Errc::io_error,
                 "the image of snapshot '" + member.name() + "' cannot be completed now",
                 "look after the file system of its store; the log says what fails");
}

Outcome<> Chain::complete_by_copy(const std::shared_ptr<Member>& member) {
  if (auto begun = member->begin(wall_ms()); !begun) return begun;
  const auto& set = member->set();
  if (auto missing = set.next_absent_run(0, set.size())) return take_missing(*member, *missing);
  member->pre_images().seal();  // nothing is added to what has everything
  auto moved = member->move_some();
  if (!moved) return moved.error();
  if (*moved) return {};
  if (auto done = member->complete(); !done) return done;
  need_no_more(*member);
  member->forget_captured();
  auto named = member->publish();
  parts_.observer->on_whole(parts_.lun, *member);
  return named;
}

/// From newer ones, or the container. Nobody overwrites there what no snapshot has
/// captured while this is on the lane.
Outcome<> Chain::take_missing(Member& member, Run run) {
  auto all = members();
  auto at = std::ranges::find(*all, member.uuid(), [](const auto& one) { return one->uuid(); });
  auto offset = run.first * member.unit();
  auto end = std::min(run.end() * member.unit(), member.capacity());
  auto holder = holder_at(*all, static_cast<std::size_t>(at - all->begin()), offset, end);
  if (!holder) return holder.error();
  if (!holder->member) {
    Run held{run.first, (holder->until - offset) / member.unit()};
    if (auto hole = hole_units(member, *parts_.source, held, kCopied); hole != 0)
      return member.record({}, std::vector<Run>{{run.first, hole}});
  }
  run.count = std::min(run.count, std::max<std::uint64_t>(1, kCopied / member.unit()));
  Buffer data(std::min(run.count * member.unit(), member.padded_capacity() - offset));
  // The last block of a disk may end behind the capacity, in zeros.
  auto length = std::min<std::uint64_t>(data.size(), member.capacity() - offset);
  std::ranges::fill(data.span().subspan(length), std::byte{0});
  if (auto got = read(member.uuid(), offset, data.span().first(length)); !got) return got;
  return put(member, run.first, data.span());
}

}  // namespace caisson::snapshot
