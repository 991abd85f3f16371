// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/pre_images.hpp"

#include <algorithm>
#include <utility>

#include "snapshot/format/settle.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::size_t kSliceBlocks = 256;  // 1 MiB: a step that hosts hardly feel

/// What read_pre_images() tells.
class Collector final : public PreImageVisitor {
 public:
  Outcome<> on_entries(std::span<const PreImageEntry> entries) override {
    found.insert(found.end(), entries.begin(), entries.end());
    return {};
  }
  std::vector<PreImageEntry> found;
};

}  // namespace

PreImages::PreImages(Place place, Uuid snapshot) : place_(std::move(place)), snapshot_(snapshot) {}

Outcome<> PreImages::open(std::span<const std::uint32_t> numbers,
                          std::vector<std::uint64_t>& blocks) {
  for (auto number : numbers)
    if (auto opened = open_one(number, number == numbers.back(), blocks); !opened) return opened;
  return {};
}

Outcome<> PreImages::open_one(std::uint32_t number, bool last, std::vector<std::uint64_t>& blocks) {
  auto name = segment_name(snapshot_, number);
  auto file = place_.open(name);
  if (!file) return file.error();
  auto label = place_.label(name);
  if (auto settled = settle(**file, label); !settled) return settled;
  Collector collector;
  auto contents = read_pre_images(**file, label, snapshot_, number, collector);
  if (!contents) return contents.error();
  auto segment = std::make_shared<Segment>();
  segment->number = number;
  segment->file = std::move(*file);
  segment->entries = std::move(collector.found);
  if (last && contents->entries < kMaxPreImages) {
    auto writer = PreImageWriter::open_at(*segment->file, label, *contents);
    if (!writer) return writer.error();
    segment->writer = std::make_unique<PreImageWriter>(std::move(*writer));
  }
  std::lock_guard lock(mutex_);
  for (const auto& entry : segment->entries)
    if (where_.try_emplace(entry.block, Where{segment.get(), entry.offset}).second)
      blocks.push_back(entry.block);
  use_up(number);
  segments_.push_back(std::move(segment));
  return {};
}

Outcome<PreImages::Segment*> PreImages::growing() {
  if (!segments_.empty())
    if (const auto& writer = segments_.back()->writer;
        writer && writer->usable() && writer->fit() != 0)
      return segments_.back().get();
  auto name = segment_name(snapshot_, next_);
  auto file = place_.store->create_unnamed();
  if (!file) return place_.failed("make", name, file.error());
  auto number = next_;
  auto writer = PreImageWriter::create(**file, place_.label(name), snapshot_, number);
  if (!writer) return writer.error();
  if (auto named = place_.publish(**file, name); !named) return named.error();
  ++next_;  // whatever comes now, the name is taken
  if (auto synced = place_.sync(); !synced) return synced.error();
  auto segment = std::make_shared<Segment>();
  segment->number = number;
  segment->file = std::move(*file);
  segment->writer = std::make_unique<PreImageWriter>(std::move(*writer));
  std::lock_guard lock(mutex_);
  if (!segments_.empty()) segments_.back()->writer.reset();
  segments_.push_back(std::move(segment));
  return segments_.back().get();
}

Outcome<> PreImages::add(std::span<PreImage> images) {
  while (!images.empty()) {
    auto segment = growing();
    if (!segment) return segment.error();
    auto fit = std::min<std::size_t>(images.size(), (*segment)->writer->fit());
    if (auto added = add_to(**segment, images.first(fit)); !added) return added;
    images = images.subspan(fit);
  }
  return {};
}

Outcome<> PreImages::add_to(Segment& segment, std::span<PreImage> images) {
  if (auto written = segment.writer->append(images); !written) return written;
  if (auto durable = segment.writer->flush(); !durable) return durable;
  std::lock_guard lock(mutex_);
  for (const auto& image : images) {
    segment.entries.push_back({image.block, image.offset, image.data.empty()});
    where_.try_emplace(image.block, Where{&segment, image.offset});
  }
  return {};
}

Outcome<bool> PreImages::read(std::uint64_t block, std::span<std::byte> into) const {
  std::shared_ptr<const Segment> segment;
  std::uint64_t offset = 0;
  {
    std::lock_guard lock(mutex_);
    auto found = where_.find(block);
    if (found == where_.end()) return false;
    segment = found->second.segment->shared_from_this();
    offset = found->second.offset;
  }
  PreImageReader reader(*segment->file, place_.label(segment_name(snapshot_, segment->number)));
  if (auto got = reader.read(offset, block, into); !got) return got.error();
  return true;
}

std::uint64_t PreImages::absent_run(std::uint64_t block, std::uint64_t count) const {
  std::lock_guard lock(mutex_);
  if (where_.empty()) return count;
  std::uint64_t length = 0;
  while (length < count && !where_.contains(block + length)) ++length;
  return length;
}

std::uint64_t PreImages::size() const {
  std::lock_guard lock(mutex_);
  return where_.size();
}

bool PreImages::may_move(std::size_t index) const noexcept {
  const auto& writer = segments_[index]->writer;
  return sealed_ || index + 1 < segments_.size() || !writer || writer->fit() == 0;
}

std::size_t PreImages::movable_segments() const noexcept {
  if (segments_.empty()) return 0;
  return segments_.size() - (may_move(segments_.size() - 1) ? 0 : 1);
}

std::vector<std::uint32_t> PreImages::begun_from(std::uint32_t number) const {
  std::vector<std::uint32_t> numbers;
  for (const auto& segment : segments_)
    if (segment->number >= number && !segment->entries.empty()) numbers.push_back(segment->number);
  return numbers;
}

PreImages::Segment* PreImages::find(std::uint32_t number) const {
  for (const auto& segment : segments_)
    if (segment->number == number) return segment.get();
  return nullptr;
}

Outcome<PreImages::Slice> PreImages::move_some(file_store::File& image) {
  if (segments_.empty() || !may_move(0)) return Slice{};
  auto* segment = segments_.front().get();
  if (!std::exchange(segment->sorted, true)) {
    std::ranges::stable_sort(segment->entries, {}, &PreImageEntry::block);
    auto& entries = segment->entries;
    auto same = [](const auto& a, const auto& b) { return a.block == b.block; };
    entries.erase(std::unique(entries.begin(), entries.end(), same), entries.end());
  }
  std::span all(segment->entries);
  auto end = std::min(all.size(), segment->moved + kSliceBlocks);
  for (auto at = segment->moved; at < end;) {
    auto last = at + 1;
    while (last < end && all[last].block == all[last - 1].block + 1 && !all[last].zeros) ++last;
    if (!all[at].zeros)
      if (auto written = write_run(*segment, all.subspan(at, last - at), image); !written)
        return written.error();
    at = all[at].zeros ? at + 1 : last;
  }
  segment->moved = end;
  if (end < all.size()) return Slice{true, std::nullopt};
  return Slice{true, segment->number};
}

/// Of blocks that follow each other.
Outcome<> PreImages::write_run(const Segment& segment, std::span<const PreImageEntry> entries,
                               file_store::File& image) const {
  Buffer data(entries.size() * kPreImageBlock);
  PreImageReader reader(*segment.file, place_.label(segment_name(snapshot_, segment.number)));
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (auto got = reader.read(entries[i].offset, entries[i].block,
                               data.span().subspan(i * kPreImageBlock, kPreImageBlock));
        !got)
      return got;
  auto written = file_store::write_at(image, entries[0].block * kPreImageBlock, data.span());
  if (!written) return place_.failed("write", hidden_image_name(snapshot_), written.error());
  return {};
}

std::vector<Run> PreImages::blocks_of(std::uint32_t number) const {
  std::vector<std::uint64_t> blocks;
  if (const auto* segment = find(number))
    for (const auto& entry : segment->entries) blocks.push_back(entry.block);
  std::ranges::sort(blocks);
  return coalesce(blocks);
}

Outcome<> PreImages::moved(std::uint32_t number) {
  auto at = std::ranges::find(segments_, number, [](const auto& s) { return s->number; });
  if (at == segments_.end()) return {};
  {
    std::lock_guard lock(mutex_);
    for (const auto& entry : (*at)->entries) {
      auto found = where_.find(entry.block);
      if (found != where_.end() && found->second.segment == at->get()) where_.erase(found);
    }
    segments_.erase(at);
  }
  return place_.remove(segment_name(snapshot_, number));
}

void PreImages::close() {
  std::lock_guard lock(mutex_);
  where_.clear();
  segments_.clear();
}

}  // namespace caisson::snapshot
