// SPDX-License-Identifier: Apache-2.0
// A snapshot that was there before this process.
#include <algorithm>
#include <vector>

#include "snapshot/chain/member.hpp"
#include "snapshot/format/settle.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

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

/// What it captured is all in its image.
bool is_foldable(const MapContents& map) {
  return map.header.primitive == Primitive::copy && map.header.unit == kPreImageBlock &&
         map.cut_ms && !map.given_up && !map.complete;
}

Failure damaged(const Place& place, const std::string& name, const char* how) {
  return failure(Errc::corrupt, place.label(name) + how,
                 "caisson snapshot delete removes the snapshot");
}

}  // namespace

Outcome<std::shared_ptr<Member>> Member::open(const Place& place, const Known& known,
                                              const FolderContents& folder) {
  return open_with(place, known, folder, nullptr, false);
}

Outcome<std::shared_ptr<Member>> Member::open_into(const Place& place, const Known& known,
                                                   const FolderContents& folder,
                                                   MapVisitor& elsewhere, bool durable) {
  return open_with(place, known, folder, &elsewhere, durable);
}

Outcome<std::shared_ptr<Member>> Member::open_folded(const Place& place, const Known& known,
                                                     std::uint64_t units) {
  std::shared_ptr<Member> member(
      new Member(place, known.uuid, known.name, known.sequence, known.capacity));
  member->primitive_ = Primitive::copy;
  member->ghost_ = known.ghost;
  member->cut_ = member->folded_ = true;
  member->captured_units_ = units;
  for (const auto& name : {map_name(known.uuid), hidden_image_name(known.uuid)}) {
    auto found = place.look_up(name);
    if (!found) return place.failed("find", name, found.error());
    if (name != map_name(known.uuid) && found->size < known.capacity)
      return damaged(place, name, " is shorter than the snapshot");
  }
  return member;
}

Outcome<std::shared_ptr<Member>> Member::open_with(const Place& place, const Known& known,
                                                   const FolderContents& folder,
                                                   MapVisitor* elsewhere, bool durable) {
  std::shared_ptr<Member> member(
      new Member(place, known.uuid, known.name, known.sequence, known.capacity));
  member->ghost_ = known.ghost || known.creating;
  member->removed_ = folder.removed.contains(known.uuid);
  if (!known.invalid.empty()) {
    member->spoil(known.invalid);
    member->public_ = known.whole && !place.has(hidden_image_name(known.uuid));
  }
  if (member->removed_ || member->invalid()) return member;
  if (known.creating && !place.has(map_name(known.uuid))) return member;
  if (auto loaded = member->load(known, folder, elsewhere, durable); !loaded) return loaded.error();
  return member;
}

Outcome<> Member::load(const Known& known, const FolderContents& folder, MapVisitor* elsewhere,
                       bool durable) {
  whole_ = cut_ = known.whole;
  if (!known.whole)
    if (auto loaded = load_map(folder, elsewhere, durable); !loaded) return loaded;
  if (whole()) return find_whole_image();
  if (!cut_ && !ghost())
    return damaged(place_, map_name(uuid_), " does not say that the snapshot was cut");
  if (!cut_) return {};  // it goes, whatever else there is of it
  // What a record says was synced before it was written: the image needs no settling.
  auto found = place_.look_up(hidden_image_name(uuid_));
  if (!found) return place_.failed("find", hidden_image_name(uuid_), found.error());
  if (found->size < capacity_)
    return damaged(place_, hidden_image_name(uuid_), " is shorter than the snapshot");
  return {};
}

Outcome<> Member::load_map(const FolderContents& folder, MapVisitor* elsewhere, bool durable) {
  auto name = map_name(uuid_), label = place_.label(name);
  auto file = place_.open(name);
  if (!file) return file.error();
  map_file_ = std::move(*file);
  if (!durable)
    if (auto settled = settle(*map_file_, label); !settled) return settled;
  auto first = read_map(*map_file_, label);
  if (!first) return first.error();
  if (first->header.snapshot != uuid_ || first->header.sequence != sequence_ ||
      first->header.capacity != capacity_)
    return damaged(place_, name, " is the map of something else");
  sealed_by_ = first->sealed_by;
  begun_ = first->next_segment;
  auto segments = folder.segments.find(uuid_);
  if (auto lost = missing_segment(*first, folder); !lost.empty())
    return damaged(place_, lost, " is not there");
  auto folds = elsewhere != nullptr && segments == folder.segments.end() && is_foldable(*first);
  if (folds && read_map(*map_file_, label, *elsewhere)) {
    primitive_ = Primitive::copy;
    cut_ = folded_ = true;
    map_file_.reset();
    return {};
  }
  set_captured(first->header.primitive, first->header.unit);
  Loader loader(captured_->set);
  auto contents = read_map(*map_file_, label, loader);
  if (!contents) return contents.error();
  for (auto number : loader.moved) pre_images_.use_up(number);
  auto writer = MapWriter::open_at(*map_file_, label, *contents);
  if (writer) map_ = std::make_unique<MapWriter>(std::move(*writer));
  // One that a later version wrote can be read, if it says so, and captures nothing.
  if (!writer && writer.error().code != Errc::unsupported) return writer.error();
  cut_ = contents->cut_ms.has_value();
  if (contents->given_up) spoil(*contents->given_up);
  whole_ = contents->complete;
  if (whole()) forget_captured();
  if (primitive_ != Primitive::copy || !cut_ || whole()) return {};
  return segments == folder.segments.end() ? Outcome<>()
                                           : load_segments(segments->second, loader.moved);
}

/// The name of one that must be there; empty: all are.
std::string Member::missing_segment(const MapContents& map, const FolderContents& folder) const {
  if (!map.cut_ms || map.complete || map.given_up) return {};
  auto found = folder.segments.find(uuid_);
  for (auto number : map.segments)
    if (found == folder.segments.end() || !std::ranges::binary_search(found->second, number))
      return segment_name(uuid_, number);
  return {};
}

Outcome<> Member::load_segments(std::span<const std::uint32_t> numbers,
                                std::span<const std::uint32_t> moved) {
  std::vector<std::uint32_t> left;
  for (auto number : numbers) {
    if (std::ranges::find(moved, number) == moved.end()) {
      left.push_back(number);
    } else if (auto gone = place_.remove(segment_name(uuid_, number)); !gone) {
      return gone;
    }
  }
  std::vector<std::uint64_t> blocks;
  if (auto opened = pre_images_.open(left, blocks); !opened) return opened;
  for (auto block : blocks) captured_->set.add({block * kPreImageBlock >> shift_, 1});
  // What ended may have come between a segment and what the map says of it.
  if (auto said = say_begun(); !said)
    log::warning("if a segment of snapshot '{}' were lost, nobody would miss it: {}", name(),
                 said.error().message);
  return {};
}

/// It may not have its public name yet, or still, or bear the one that a rename was about
/// to give it when that was cut short.
Outcome<> Member::find_whole_image() {
  auto is = [&](const std::string& name) {
    auto found = place_.look_up(name);
    if (!found) return to_errc(found.error()) == Errc::io_error;  // who reads it will hear more
    return found->size == capacity_;
  };
  if (is(hidden_image_name(uuid_))) return {};
  public_ = true;
  auto name = image_name(name_);
  if (is(name)) return {};
  auto file = place_.open(map_name(uuid_), {.read_only = true});
  auto map = file ? read_map(**file, place_.label(map_name(uuid_))) : file.error();
  if (!map || map->name == name_ || !is(image_name(map->name)))
    return damaged(place_, name, " is not there, or has not the snapshot's length");
  if (auto renamed = place_.rename(image_name(map->name), name); !renamed) return renamed;
  return place_.sync();
}

Outcome<> Member::unfold() {
  auto units = std::make_shared<CapturedUnits>((capacity_ - 1) / kPreImageBlock + 1, shift_);
  Loader loader(units->set);
  if (auto told = tell(loader); !told) return told;
  for (auto number : loader.moved) pre_images_.use_up(number);
  {
    std::lock_guard lock(units_mutex_);
    captured_ = std::move(units);
  }
  folded_.store(false, std::memory_order_release);
  return {};
}

Outcome<> Member::tell(MapVisitor& visitor) const {
  auto name = map_name(uuid_);
  auto file = place_.open(name, {.read_only = true});
  if (!file) return file.error();
  auto contents = read_map(**file, place_.label(name), visitor);
  if (!contents) return contents.error();
  return {};
}

Outcome<> Member::open_map() {
  if (map_) return {};
  auto name = map_name(uuid_);
  auto file = place_.open(name);
  if (!file) return file.error();
  map_file_ = std::move(*file);
  if (auto settled = settle(*map_file_, place_.label(name)); !settled) return settled;
  auto contents = read_map(*map_file_, place_.label(name));
  if (!contents) return contents.error();
  auto writer = MapWriter::open_at(*map_file_, place_.label(name), *contents);
  if (!writer) return writer.error();
  map_ = std::make_unique<MapWriter>(std::move(*writer));
  return {};
}

}  // namespace caisson::snapshot
