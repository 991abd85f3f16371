// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/member.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "snapshot/format/settle.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::uint64_t kBlock = 4096;

}  // namespace

Member::Member(Place place, Uuid uuid, std::string name, std::uint64_t sequence,
               std::uint64_t capacity)
    : place_(std::move(place)),
      uuid_(uuid),
      sequence_(sequence),
      capacity_(capacity),
      pre_images_(place_, uuid),
      name_(std::move(name)) {}

Outcome<std::shared_ptr<Member>> Member::create(const Place& place, const MapHeader& header) {
  std::shared_ptr<Member> member(
      new Member(place, header.snapshot, header.name, header.sequence, header.capacity));
  member->set_captured(header.primitive, header.unit);
  auto made = place.make();
  if (made) made = member->make_files(header);
  if (made) return member;
  for (const auto& name : {map_name(header.snapshot), hidden_image_name(header.snapshot)})
    (void)place.remove(name);
  return made.error();
}

void Member::set_captured(Primitive primitive, std::uint64_t unit) {
  primitive_ = primitive;
  shift_ = static_cast<unsigned>(std::countr_zero(unit));
  captured_ = std::make_shared<CapturedUnits>((capacity_ - 1) / unit + 1, shift_);
}

Outcome<> Member::make_files(const MapHeader& header) {
  auto image_name = hidden_image_name(uuid_), name = map_name(uuid_);
  auto image = place_.store->create_unnamed();
  if (!image) return place_.failed("make", image_name, image.error());
  if (auto sized = (*image)->resize(padded_capacity()); !sized)
    return place_.failed("size", image_name, sized.error());
  if (auto synced = (*image)->sync_all(); !synced)
    return place_.failed("sync", image_name, synced.error());
  auto map = place_.store->create_unnamed();
  if (!map) return place_.failed("make", name, map.error());
  auto writer = MapWriter::create(**map, place_.label(name), header);
  if (!writer) return writer.error();
  if (auto named = place_.publish(**image, image_name); !named) return named;
  if (auto named = place_.publish(**map, name); !named) return named;
  if (auto synced = place_.sync(); !synced) return synced;
  image_ = std::move(*image);
  map_file_ = std::move(*map);
  map_ = std::make_unique<MapWriter>(std::move(*writer));
  return {};
}

std::string Member::image_file_name() const {
  return public_ ? image_name(name_) : hidden_image_name(uuid_);
}

Outcome<std::shared_ptr<file_store::File>> Member::image() const {
  std::lock_guard lock(mutex_);
  if (image_) return image_;
  auto opened = place_.open(image_file_name(), {.read_only = whole()});
  if (!opened) return opened.error();
  image_ = std::move(*opened);
  return image_;
}

std::string Member::name() const {
  std::lock_guard lock(mutex_);
  return name_;
}

std::string Member::why_invalid() const {
  std::lock_guard lock(mutex_);
  return why_invalid_;
}

bool Member::has(std::uint64_t offset) const noexcept {
  return whole() || (captured_ && captured_->set.contains(offset >> shift_));
}

std::uint64_t Member::same_until(std::uint64_t offset, std::uint64_t limit) const noexcept {
  if (whole() || !captured_) return limit;
  auto first = offset >> shift_, end = ((limit - 1) >> shift_) + 1;
  const auto& set = captured_->set;
  auto until = set.contains(first) ? set.first_absent(first, end) : set.first_present(first, end);
  return std::min(limit, until << shift_);
}

Outcome<> Member::read(std::uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    auto block = offset / kBlock, within = offset % kBlock;
    auto blocks = (within + into.size() + kBlock - 1) / kBlock;
    auto plain = pre_images_.absent_run(block, blocks);
    auto length = std::min<std::uint64_t>(into.size(), (plain != 0 ? plain : 1) * kBlock - within);
    auto part = into.first(length);
    if (plain == 0) {
      std::array<std::byte, kBlock> whole_block;
      auto found = pre_images_.read(block, whole_block);
      if (!found) return found.error();
      if (!*found) continue;  // moved meanwhile
      std::ranges::copy(std::span(whole_block).subspan(within, length), part.begin());
    } else {
      auto file = image();
      if (!file) return file.error();
      if (auto got = file_store::read_at(**file, offset, part); !got)
        return place_.failed("read", image_file_name(), got.error());
    }
    offset += length;
    into = into.subspan(length);
  }
  return {};
}

Outcome<> Member::append(const Record& record) {
  if (!map_)
    return failure(Errc::io_error,
                   fmt::format("{} is not open for writing", place_.label(map_name(uuid_))));
  return map_->append(record);
}

Outcome<> Member::flush_map() {
  auto flushed = map_->flush();
  if (!flushed) map_->discard();
  return flushed;
}

Outcome<> Member::begin(std::int64_t wall_ms) {
  if (cut_) return {};
  if (auto added = append(Cut{wall_ms}); !added) return added;
  if (auto flushed = flush_map(); !flushed) return flushed;
  cut_ = true;
  return {};
}

Outcome<> Member::record(std::span<const Run> in_image, std::span<const Run> holes) {
  if (!in_image.empty())
    if (auto added = append(Captured{in_image}); !added) return added;
  if (!holes.empty())
    if (auto added = append(Hole{holes}); !added) return added;
  if (auto flushed = flush_map(); !flushed) return flushed;
  for (const auto& run : in_image) captured_->set.add(run);
  for (const auto& run : holes) captured_->set.add(run);
  return {};
}

Outcome<> Member::add_pre_images(std::span<PreImage> images, std::int64_t wall_ms) {
  if (auto begun = begin(wall_ms); !begun) return begun;
  if (auto added = pre_images_.add(images); !added) return added;
  for (const auto& image : images)
    captured_->set.add({image.block >> (shift_ - std::countr_zero(kBlock)), 1});
  return {};
}

Outcome<bool> Member::move_some() {
  auto file = image();
  if (!file) return file.error();
  auto slice = pre_images_.move_some(**file);
  if (!slice) return slice.error();
  if (!slice->any) return false;
  if (auto synced = file_store::sync(**file); !synced)
    return place_.failed("sync", hidden_image_name(uuid_), synced.error());
  if (!slice->ended) return true;
  auto number = *slice->ended;
  auto runs = pre_images_.blocks_of(number);
  if (auto added = append(Moved{number, runs}); !added) return added.error();
  if (auto flushed = flush_map(); !flushed) return flushed.error();
  if (auto gone = pre_images_.moved(number); !gone) return gone.error();
  return true;
}

Outcome<std::uint64_t> Member::take_from(const Member& newer, std::uint64_t from,
                                         std::uint64_t most) {
  auto file = image();
  if (!file) return file.error();
  const auto& theirs = newer.captured_->set;
  auto end = std::min(theirs.size(), captured_->set.size());
  std::vector<Run> taken;
  auto unit = from;
  for (auto left = std::max<std::uint64_t>(1, most / this->unit()); left != 0 && unit < end;) {
    auto run = theirs.next_present_run(unit, end);
    if (!run) {
      unit = end;
      break;
    }
    auto missing =
        captured_->set.next_absent_run(run->first, std::min(run->end(), run->first + left));
    unit = missing ? missing->end() : std::min(run->end(), run->first + left);
    if (!missing) continue;
    auto offset = missing->first * this->unit();
    Buffer data(std::min(missing->count * this->unit(), padded_capacity() - offset));
    if (auto got = newer.read(offset, data.span()); !got) return got.error();
    if (auto put = file_store::write_at(**file, offset, data.span()); !put)
      return place_.failed("write", hidden_image_name(uuid_), put.error());
    append_units(taken, missing->first, missing->count);
    left -= missing->count;
  }
  if (!taken.empty()) {
    if (auto synced = file_store::sync(**file); !synced)
      return place_.failed("sync", hidden_image_name(uuid_), synced.error());
    if (auto recorded = record(taken, {}); !recorded) return recorded.error();
  }
  return unit >= end ? theirs.size() : unit;
}

Outcome<> Member::complete() {
  auto file = image();
  if (!file) return file.error();
  auto name = hidden_image_name(uuid_);
  if (auto sized = (*file)->resize(capacity_); !sized)
    return place_.failed("size", name, sized.error());
  if (auto sealed = (*file)->set_read_only(); !sealed)
    return place_.failed("make read-only", name, sealed.error());
  if (auto synced = (*file)->sync_all(); !synced)
    return place_.failed("sync", name, synced.error());
  if (auto added = append(Complete{}); !added) return added;
  if (auto flushed = flush_map(); !flushed) return flushed;
  whole_.store(true, std::memory_order_release);
  std::lock_guard lock(mutex_);
  image_.reset();  // opened for reading only when it is next asked for
  return {};
}

Outcome<> Member::publish() {
  std::lock_guard lock(mutex_);
  if (public_ || ghost()) return {};
  if (auto renamed = place_.rename(hidden_image_name(uuid_), image_name(name_)); !renamed)
    return renamed;
  public_ = true;
  return place_.sync();
}

Outcome<> Member::rename(const std::string& name) {
  std::lock_guard lock(mutex_);
  if (name == name_) return {};
  if (public_) {
    if (auto renamed = place_.rename(image_name(name_), image_name(name)); !renamed) return renamed;
    name_ = name;
    if (auto synced = place_.sync(); !synced) return synced;
  }
  name_ = name;
  if (!map_) return {};
  if (auto added = append(Named{name}); !added) return added;
  return flush_map();
}

Outcome<> Member::hide() {
  ghost_.store(true, std::memory_order_release);
  std::lock_guard lock(mutex_);
  if (std::exchange(public_, false)) {
    auto renamed = place_.rename(image_name(name_), hidden_image_name(uuid_));
    if (renamed) renamed = place_.sync();
    if (!renamed && renamed.error().code != Errc::not_found) return renamed;
  }
  if (!map_) return {};
  if (auto added = append(Ghost{}); !added) return added;
  return flush_map();
}

Outcome<> Member::give_up(const std::string& why) {
  spoil(why);
  if (map_) map_->discard();
  if (auto added = append(GivenUp{why}); !added) return added;
  return flush_map();
}

void Member::spoil(const std::string& why) {
  {
    std::lock_guard lock(mutex_);
    if (why_invalid_.empty()) why_invalid_ = why;
  }
  invalid_.store(true, std::memory_order_release);
}

void Member::seal(const Uuid& by) {
  pre_images_.seal();
  if (map_ && !append(Sealed{by})) return;
  if (map_ && !flush_map())
    log::info("{} does not say by which it was superseded", place_.label(map_name(uuid_)));
}

}  // namespace caisson::snapshot
