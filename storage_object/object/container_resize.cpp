// SPDX-License-Identifier: Apache-2.0
// Growing and shrinking a container. The order of the steps, and why no moment
// of them can be misread after a crash: docs/format/container.md, "Resizing".
#include <algorithm>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/container.hpp"

namespace caisson::object {

using catalog::ResizeIntent;
using file_store::FileOp;
using format::container_length;
using format::kPadding;
using format::kTrailerSize;
using format::slot_position;
using format::trailer_position;

Outcome<> Container::write_zeros(std::uint64_t begin, std::uint64_t end) {
  Buffer zeros(std::min<std::uint64_t>(end - std::min(begin, end), kTrailerSize));
  std::ranges::fill(zeros.span(), std::byte{0});
  while (begin < end) {
    auto length = std::min<std::uint64_t>(end - begin, zeros.size());
    if (auto done = file_store::write_at(file_, begin, zeros.span().first(length)); !done)
      return failed("write zeros", done.error());
    begin += length;
  }
  return {};
}

/// Zeros from `begin` to `end`, durably; up to `hole_end` they may be a hole.
Outcome<> Container::clear(std::uint64_t begin, std::uint64_t end, std::uint64_t hole_end) {
  if (auto done = write_zeros(begin, end); !done) return done.error();
  if (hole_end > begin && file_.traits().punch)  // an economy: the zeros are what counts
    (void)file_store::apply(file_, FileOp::punch, begin, hole_end - begin);
  return sync();
}

namespace {

/// The part of the file, in whole pages, that the steps of a resize write to beyond
/// the trailer that rules now, which has its room.
struct Room {
  std::uint64_t begin = 0, end = 0;
};

Room room_of(const ResizeIntent& intent, bool thick) {
  const auto old_place = trailer_position(intent.from);
  const auto place = trailer_position(intent.to);
  const auto end = place == old_place ? place : place + kTrailerSize;
  if (intent.to < intent.from) return {intent.to / kPadding * kPadding, end};
  if (place == old_place) return {};
  return {thick ? old_place + kTrailerSize : place, end};
}

}  // namespace

// Where space cannot be allocated a full store is met later, and the resize is
// taken back as after any other failure.
Outcome<> Container::prepare_resize(const ResizeIntent& intent, bool thick) {
  std::lock_guard lock(mutex_);
  moving_in_ = false;
  const auto room = room_of(intent, thick);
  if (room.begin == room.end || !file_.traits().allocate) return {};
  if (auto done = allocate(room.begin, room.end); !done) return done.error();
  return sync();
}

Outcome<> Container::resize(const ResizeIntent& intent, bool thick) {
  std::lock_guard lock(mutex_);
  if (trailer_position(intent.from) == trailer_position(intent.to)) return within_padding(intent);
  return intent.to > intent.from ? grow(intent, thick) : shrink(intent);
}

// The trailer stays where it is. What a shrink leaves of the last padded block
// becomes padding, which is zero.
Outcome<> Container::within_padding(const ResizeIntent& intent) {
  if (intent.to < intent.from)
    if (auto done = write_zeros(intent.to, trailer_position(intent.to)); !done) return done.error();
  return trailer_.update([&](format::Slot& slot) { slot.capacity = intent.to; });
}

Outcome<> Container::grow(const ResizeIntent& intent, bool thick) {
  const auto old_place = trailer_position(intent.from);
  const auto new_place = trailer_position(intent.to);
  const auto old_end = old_place + kTrailerSize;
  if (trailer_.slot().capacity != intent.to) {
    if (auto done = trailer_.settle_in(0); !done) return done.error();
    // Slot 1 of the new trailer may begin inside the old slot 1, and bytes of an
    // earlier life of this file may stand there.
    if (slot_position(new_place, 1) < old_end) {
      auto header = slot_position(new_place, 1);
      if (auto done = clear(header, header + kPadding, header); !done) return done.error();
    }
    if (auto done = set_length(container_length(intent.to)); !done) return done.error();
    if (thick)
      if (auto done = allocate(old_end, container_length(intent.to)); !done) return done.error();
    if (!file_.traits().allocate)
      if (auto done = write_zeros(std::max(new_place, old_end), new_place + kTrailerSize); !done)
        return done.error();
    if (auto done = trailer_.move_to(intent.to, 1); !done) return done.error();
  }
  // One found at a start may not be durable, though it can be read.
  if (auto done = trailer_.anchor(); !done) return done.error();
  // The old trailer, and the header of the new slot 0 where it lies inside it, which
  // keeps its room.
  auto end = std::min(new_place + kPadding, old_end);
  return clear(old_place, end, thick ? old_place : std::min(new_place, old_end));
}

Outcome<> Container::abandon_resize(const ResizeIntent& intent) {
  std::lock_guard lock(mutex_);
  const auto old_place = trailer_position(intent.from);
  const bool stays = trailer_.slot().capacity == intent.from;
  // A slot with the other capacity may have been written beside the ruling one.
  if (stays && old_place == trailer_position(intent.to)) return trailer_.update([](auto&) {});
  auto attributes = file_.attributes();
  if (!attributes) return failed("read its length", attributes.error());
  bool shrinks = intent.to < intent.from;
  if (shrinks && attributes->size == container_length(intent.from)) {
    if (!stays)
      if (auto found = trailer_.load({.position = old_place,
                                      .slots = {false, true},  // see shrink()
                                      .capacities = {intent.from, intent.from},
                                      .uuid = trailer_.slot().uuid});
          !found)
        return found.error();
    if (!moving_in_) return {};  // hosts' data stand there still
    // What a trailer says of other hosts is not for those who read there again.
    const auto place = trailer_position(intent.to);
    (void)write_zeros(place, std::min(place + kTrailerSize, intent.from));
    return {};
  }
  if (shrinks || !stays)
    return failure(Errc::in_use, label_ + ": the new trailer already stands",
                   "take the LUN offline and online to finish the resize");
  // Gives back what was allocated behind the end, too.
  auto cut = set_length(container_length(intent.from));
  if (!cut && attributes->size != container_length(intent.from)) return cut.error();
  return sync();
}

// Until the length is set, the old trailer stands in its slot 1: the new slot 0
// reaches no further than the old one.
Outcome<> Container::shrink(const ResizeIntent& intent) {
  const auto new_place = trailer_position(intent.to);
  if (trailer_.slot().capacity != intent.to) {
    if (auto done = trailer_.settle_in(1); !done) return done.error();
    if (auto done = write_zeros(intent.to, new_place); !done) return done.error();
    auto header = slot_position(new_place, 1);  // host data, perhaps made to look like a slot
    if (auto done = write_zeros(header, header + kPadding); !done) return done.error();
    moving_in_ = true;
    if (auto done = trailer_.move_to(intent.to, 0); !done) return done.error();
  }
  if (auto done = trailer_.anchor(); !done) return done.error();
  if (auto done = set_length(container_length(intent.to)); !done) return done.error();
  return sync();
}

}  // namespace caisson::object
