// SPDX-License-Identifier: Apache-2.0
// A snapshot's files made and read.
#include "snapshot/chain/member.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::uint64_t kBlock = kPreImageBlock;

}  // namespace

Member::Member(Place place, const Uuid& uuid, std::string name, std::uint64_t sequence,
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
  (void)clean_up(place, header.snapshot);
  return made.error();
}

Outcome<> Member::clean_up(const Place& place, const Uuid& snapshot) {
  for (const auto& name : {map_name(snapshot), hidden_image_name(snapshot)})
    if (auto gone = place.remove(name); !gone) return gone;
  auto synced = place.sync();
  return synced || synced.error().code == Errc::not_found ? Outcome<>() : synced;
}

void Member::set_captured(Primitive primitive, std::uint64_t unit) {
  primitive_ = primitive;
  shift_ = static_cast<unsigned>(std::countr_zero(unit));
  std::lock_guard lock(units_mutex_);
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
  bool rests = whole() || folded();  // of those there may be thousands
  if (auto file = rests ? place_.open_files->find(uuid_) : nullptr) return file;
  auto opened = open_image(image_file_name());
  if (!opened) return opened.error();
  std::shared_ptr<file_store::File> file = std::move(*opened);
  if (rests)
    place_.open_files->keep(uuid_, file);
  else
    image_ = file;
  return file;
}

/// One that was made read-only, and then not recorded as whole, is written to again.
Outcome<std::unique_ptr<file_store::File>> Member::open_image(const std::string& name) const {
  if (whole()) return place_.open(name, {.read_only = true});
  auto opened = place_.open(name);
  if (opened || opened.error().code != Errc::permission_denied) return opened;
  auto closed = place_.open(name, {.read_only = true});
  if (!closed) return opened;
  if (auto unsealed = (*closed)->set_writable(); !unsealed)
    return place_.failed("make writable", name, unsealed.error());
  return place_.open(name);
}

std::string Member::name() const {
  std::lock_guard lock(mutex_);
  return name_;
}

std::string Member::why_invalid() const {
  std::lock_guard lock(mutex_);
  return why_invalid_;
}

std::shared_ptr<const CapturedUnits> Member::captured() const {
  std::lock_guard lock(units_mutex_);
  return captured_;
}

std::uint64_t Member::captured_units() const {
  auto units = captured();
  return units ? units->set.count() : captured_units_.load(std::memory_order_relaxed);
}

bool Member::self_contained() const {
  if (whole()) return true;
  auto units = captured();
  return units && units->set.full();
}

Member::Own Member::own(std::uint64_t offset, std::uint64_t limit) const {
  auto units = captured();  // first: it is whole before these are forgotten
  if (whole()) return {true, limit};
  if (!units && !folded()) units = captured();  // unfolded in between
  if (!units) return {false, limit, folded()};
  auto first = offset >> shift_, end = ((limit - 1) >> shift_) + 1;
  bool has = units->set.contains(first);
  auto until = has ? units->set.first_absent(first, end) : units->set.first_present(first, end);
  return {has, std::min(limit, until << shift_)};
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
        return place_.failed("read", hidden_image_name(uuid_), got.error());
    }
    offset += length;
    into = into.subspan(length);
  }
  return {};
}

void Member::spoil(const std::string& why) {
  {
    std::lock_guard lock(mutex_);
    if (why_invalid_.empty()) why_invalid_ = why;
  }
  invalid_.store(true, std::memory_order_release);
}

Outcome<> Member::append(const Record& record) {
  if (auto opened = open_map(); !opened) return opened;
  return map_->append(record);
}

Outcome<> Member::flush_map() {
  auto flushed = map_->flush();
  if (!flushed) map_->discard();
  return flushed;
}

/// Where the catalog rules and the map only helps those who have no catalog.
void Member::note_in_map(const Record& record) {
  auto noted = append(record);
  if (noted) noted = flush_map();
  if (!noted)
    log::info("the map of snapshot '{}' is not up to date: {}", name(), noted.error().message);
}

}  // namespace caisson::snapshot
