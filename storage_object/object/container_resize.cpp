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
using format::kSlotSize;
using format::kTrailerSize;
using format::slot_position;
using format::trailer_position;

Outcome<> Container::write_zeros(std::uint64_t begin, std::uint64_t end) {
  Buffer zeros(std::min<std::uint64_t>(end - std::min(begin, end), kTrailerSize));
  std::ranges::fill(zeros.span(), std::byte{0});
  while (begin < end) {
    auto length = std::min<std::uint64_t>(end - begin, zeros.size());
    if (auto done = file_store::write_at(file_, begin, zeros.span().first(length)); !done)
      return failed("clear its old trailer", done.error());
    begin += length;
  }
  return {};
}

Outcome<> Container::clear(std::uint64_t begin, std::uint64_t end, bool thick) {
  if (auto done = write_zeros(begin, end); !done) return done.error();
  if (!thick && file_.traits().punch)  // an economy: the zeros are what counts
    (void)file_store::apply(file_, FileOp::punch, begin, end - begin);
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
      if (auto done = clear(header, header + kPadding, true); !done) return done.error();
    }
    if (auto done = set_length(container_length(intent.to)); !done) return done.error();
    if (thick)
      if (auto done = file_store::apply(file_, FileOp::allocate, old_end,
                                        container_length(intent.to) - old_end);
          !done)
        return failed("allocate its space", done.error());
    if (auto done = trailer_.move_to(intent.to, 1); !done) return done.error();
  }
  // One found at a start may not be durable, though it can be read.
  if (auto done = trailer_.anchor(); !done) return done.error();
  // The old trailer, and the header of the new slot 0 where it lies inside it.
  auto end = std::min(new_place + kPadding, old_end);
  return clear(old_place, end, thick);
}

Outcome<> Container::abandon_grow(const ResizeIntent& intent) {
  std::lock_guard lock(mutex_);
  if (trailer_.slot().capacity != intent.from)
    return failure(Errc::in_use, label_ + ": the new trailer already stands",
                   "take the LUN offline and online to finish the resize");
  if (auto done = set_length(container_length(intent.from)); !done) return done.error();
  return sync();
}

Outcome<> Container::shrink(const ResizeIntent& intent) {
  const auto new_place = trailer_position(intent.to);
  if (trailer_.slot().capacity != intent.to) {
    if (auto done = trailer_.settle_in(1); !done) return done.error();
    if (auto done = write_zeros(intent.to, new_place); !done) return done.error();
    auto header = slot_position(new_place, 1);  // host data, perhaps made to look like a slot
    if (auto done = write_zeros(header, header + kPadding); !done) return done.error();
    if (auto done = trailer_.move_to(intent.to, 0); !done) return done.error();
  }
  if (auto done = trailer_.anchor(); !done) return done.error();
  if (auto done = set_length(container_length(intent.to)); !done) return done.error();
  return sync();
}

}  // namespace caisson::object
