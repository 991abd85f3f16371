// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/trailer_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "storage_object/base/errc.hpp"

namespace caisson::object {

using format::Slot;
using format::SlotDefect;
using format::SlotReading;

Failure TrailerFile::failed(const char* doing, const Error& error) const {
  return failure(to_errc(error), fmt::format("{}: cannot {}: {}", label_, doing, error.message()),
                 "check the store's file system");
}

SlotReading TrailerFile::read(std::uint64_t position) {
  Buffer buffer(format::kSlotSize);
  auto first = buffer.span().first(format::kPadding);
  if (!file_store::read_at(file_, position, first)) return {SlotDefect::damaged, {}};
  auto header = caisson::load<format::SlotHeader>(first);
  std::size_t length = std::size_t{header.header_length} + header.payload_length;
  if (length <= first.size() || length > format::kSlotSize)
    return format::parse_slot(first, position);
  if (!file_store::read_at(file_, position, buffer.span())) return {SlotDefect::damaged, {}};
  return format::parse_slot(buffer.span(), position);
}

Outcome<> TrailerFile::load(const TrailerPlace& place) {
  std::optional<Slot> newest;
  std::array<SlotDefect, format::kSlots> defects{};
  for (unsigned i = 0; i < format::kSlots; ++i) {
    if (!place.slots[i]) continue;
    auto reading = read(format::slot_position(place.position, i));
    defects[i] = reading.defect;
    if (reading.defect == SlotDefect::version)
      return failure(Errc::unsupported,
                     fmt::format("{}: a later version wrote its trailer", label_),
                     "serve it with that version");
    if (reading.defect != SlotDefect::none) continue;
    if (newest && newest->generation >= reading.slot.generation) continue;
    newest = std::move(reading.slot);
    ruling_ = i;
  }
  if (!newest)
    return failure(
        Errc::corrupt,
        fmt::format("{}: no valid trailer at offset {} (slots: {}, {})", label_, place.position,
                    format::to_string(defects[0]), format::to_string(defects[1])),
        "restore the file, or adopt it with the capacity it had");
  if (place.uuid && newest->uuid != *place.uuid)
    return failure(Errc::corrupt,
                   fmt::format("{}: its trailer is of object {}, not of {}", label_,
                               newest->uuid.to_string(), place.uuid->to_string()),
                   "put the right file back, or adopt this one");
  if (place.capacities[0] != 0 && std::ranges::count(place.capacities, newest->capacity) == 0)
    return failure(Errc::corrupt,
                   fmt::format("{}: its trailer says {} bytes, the catalog {}", label_,
                               newest->capacity, place.capacities[0]),
                   "adopt it to take what the trailer says");
  slot_ = std::move(*newest);
  position_ = place.position;
  anchored_ = false;
  return {};
}

Outcome<> TrailerFile::write(const Slot& slot, unsigned index) {
  auto bytes = format::encode_slot(slot, index);
  if (!bytes) return bytes.error();
  auto at = format::slot_position(format::trailer_position(slot.capacity), index);
  if (auto done = file_store::write_at(file_, at, bytes->span()); !done)
    return failed("write its trailer", done.error());
  return {};
}

Outcome<> TrailerFile::sync() {
  if (auto done = file_.sync_all(); !done) {
    sync_failed_ = true;
    anchored_ = false;
    return failed("make its trailer durable", done.error());
  }
  return {};
}

Outcome<> TrailerFile::begin(Slot slot) {
  slot.generation = 1;
  if (auto done = write(slot, 0); !done) return done.error();
  slot_ = std::move(slot);
  position_ = format::trailer_position(slot_.capacity);
  ruling_ = 0;
  anchored_ = false;
  return {};
}

// Before anything else that is valid is overwritten, perhaps the only durable
// slot, the ruling one is written once more where it stands and synced.
Outcome<> TrailerFile::anchor() {
  if (anchored_) return {};
  if (auto done = write(slot_, ruling_); !done) return done.error();
  if (auto done = sync(); !done) return done.error();
  anchored_ = true;
  return {};
}

// A sync fails once for what others lost before it; what is written anew is in
// the hands of the next one.
Outcome<> TrailerFile::update(const std::function<void(Slot&)>& change) {
  auto done = replace_older(change);
  return done || anchored_ ? done : replace_older(change);
}

Outcome<> TrailerFile::replace_older(const std::function<void(Slot&)>& change) {
  if (auto done = anchor(); !done) return done.error();
  auto next = slot_;
  change(next);
  next.generation = slot_.generation + 1;
  auto older = 1 - ruling_;
  if (auto done = write(next, older); !done) return done.error();
  if (auto done = sync(); !done) return done.error();
  slot_ = std::move(next);
  ruling_ = older;
  return {};
}

Outcome<> TrailerFile::settle_in(unsigned index) {
  if (ruling_ == index) return anchor();
  return update([](Slot&) {});
}

Outcome<> TrailerFile::move_to(std::uint64_t capacity, unsigned index) {
  auto next = slot_;
  next.capacity = capacity;
  next.generation = slot_.generation + 1;
  if (auto done = write(next, index); !done) return done.error();
  if (auto done = sync(); !done) return done.error();
  slot_ = std::move(next);
  position_ = format::trailer_position(capacity);
  ruling_ = index;
  anchored_ = true;
  return {};
}

}  // namespace caisson::object
