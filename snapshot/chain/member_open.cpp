// SPDX-License-Identifier: Apache-2.0
// A snapshot that was there before this process, and one whose space goes back.
#include <algorithm>
#include <vector>

#include "snapshot/chain/member.hpp"
#include "snapshot/format/settle.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::uint64_t kSlice = std::uint64_t{4} << 20;  // punched at once

/// Puts what a map says into a set.
class Loader final : public MapVisitor {
 public:
  explicit Loader(UnitSet& set) : set_(set) {}
  Outcome<> on_runs(RecordKind, std::span<const Run> runs) override {
    for (const auto& run : runs) set_.add(run);
    return {};
  }
  Outcome<> on_moved(std::uint32_t segment) override {
    moved.push_back(segment);
    return {};
  }
  std::vector<std::uint32_t> moved;

 private:
  UnitSet& set_;
};

Failure contradicts(const Place& place, const Uuid& uuid) {
  return failure(Errc::corrupt, place.label(map_name(uuid)) + " is the map of something else",
                 "caisson snapshot delete removes the snapshot");
}

}  // namespace

Outcome<std::shared_ptr<Member>> Member::open(const Place& place, const Known& known,
                                              bool distrust) {
  std::shared_ptr<Member> member(
      new Member(place, known.uuid, known.name, known.sequence, known.capacity));
  member->ghost_ = known.ghost;
  if (!known.invalid.empty()) {
    member->spoil(known.invalid);
    return member;
  }
  if (known.whole) {
    member->whole_ = member->cut_ = true;
    member->public_ = !known.ghost;
    auto found = place.store->look_up(place.path(member->image_file_name()));
    if (!found) return place.failed("find", member->image_file_name(), found.error());
    if (found->size == known.capacity) return member;
    return failure(Errc::corrupt,
                   place.label(member->image_file_name()) + " has not the snapshot's length",
                   "caisson snapshot delete removes the snapshot");
  }
  if (auto loaded = member->load(known, distrust); !loaded) return loaded.error();
  return member;
}

Outcome<> Member::load(const Known& known, bool distrust) {
  auto name = map_name(uuid_);
  auto file = place_.open(name);
  if (!file) return file.error();
  map_file_ = std::move(*file);
  auto label = place_.label(name);
  if (distrust)
    if (auto settled = settle(*map_file_, label); !settled) return settled;
  auto first = read_map(*map_file_, label);
  if (!first) return first.error();
  if (first->header.snapshot != uuid_ || first->header.sequence != sequence_ ||
      first->header.capacity != capacity_)
    return contradicts(place_, uuid_);
  set_captured(first->header.primitive, first->header.unit);
  Loader loader(captured_->set);
  auto contents = read_map(*map_file_, label, loader);
  if (!contents) return contents.error();
  auto writer = MapWriter::open_at(*map_file_, label, *contents);
  if (!writer) return writer.error();
  map_ = std::make_unique<MapWriter>(std::move(*writer));
  cut_ = contents->cut_ms.has_value();
  if (contents->given_up) spoil(*contents->given_up);
  whole_ = contents->complete;
  // A rename of the public file may not have reached the catalog, nor the other way round.
  if (whole() && !known.ghost)
    public_ = place_.store->look_up(place_.path(hidden_image_name(uuid_))).has_error();
  if (auto opened = image(); !opened) return opened.error();
  if (distrust && !whole())
    if (auto settled = settle(*image_, place_.label(image_file_name())); !settled) return settled;
  for (auto segment : loader.moved)
    if (auto gone = place_.remove(segment_name(uuid_, segment)); !gone) return gone;
  return cut_ ? load_segments(distrust) : Outcome<>();
}

Outcome<> Member::load_segments(bool distrust) {
  if (primitive_ != Primitive::copy) return {};
  auto entries = place_.store->list(place_.folder);
  if (!entries) return place_.failed("list", "", entries.error());
  std::vector<std::uint32_t> numbers;
  for (const auto& entry : *entries)
    if (auto parsed = parse_entry_name(entry.name);
        parsed && parsed->kind == EntryKind::segment && parsed->snapshot == uuid_)
      numbers.push_back(parsed->number);
  std::ranges::sort(numbers);
  std::vector<std::uint64_t> blocks;
  if (auto opened = pre_images_.open(numbers, distrust, blocks); !opened) return opened;
  for (auto block : blocks) captured_->set.add({block * kPreImageBlock >> shift_, 1});
  return {};
}

Outcome<bool> Member::reclaim_some() {
  auto name = hidden_image_name(uuid_);
  if (reclaimed_ == 0) {
    if (auto gone = pre_images_.remove(); !gone) return gone.error();
    std::lock_guard lock(mutex_);
    image_.reset();
    if (auto opened = place_.open(name, {.read_only = true}); opened)
      (void)(*opened)->set_writable();
    if (auto opened = place_.open(name); opened) image_ = std::move(*opened);
  }
  while (image_ && image_->traits().punch && reclaimed_ < capacity_) {
    std::array<file_store::FileExtent, 16> extents;
    auto found = file_store::extents(*image_, reclaimed_, padded_capacity() - reclaimed_, extents);
    if (!found || *found == 0) break;
    for (const auto& extent : std::span(extents).first(*found)) {
      reclaimed_ = extent.offset + extent.length;
      if (!extent.data) continue;
      auto length = std::min(extent.length, kSlice);
      reclaimed_ = extent.offset + length;
      if (!file_store::apply(*image_, file_store::FileOp::punch, extent.offset, length)) break;
      return true;
    }
  }
  for (const auto& gone : {name, map_name(uuid_)})
    if (auto removed = place_.remove(gone); !removed) return removed.error();
  if (auto synced = place_.sync(); !synced) return synced.error();
  return false;
}

}  // namespace caisson::snapshot
