// SPDX-License-Identifier: Apache-2.0
// What a snapshot holds, wherever in the chain that stands.
#include <algorithm>

#include "snapshot/chain/lane.hpp"

namespace caisson::snapshot {
namespace {

Error read_live(block::BlockDevice& live, std::uint64_t offset, std::span<std::byte> into) {
  IoVec memory{into.data(), into.size()};
  block::IoRequest request;
  request.op = block::IoOp::read;
  request.offset = offset;
  request.length = into.size();
  request.buffers = {&memory, 1};
  return block::perform(live, request);
}

}  // namespace

Outcome<Holder> Chain::holder_at(const Members& members, std::size_t index, std::uint64_t offset,
                                 std::uint64_t end) const {
  while (index < members.size()) {
    const auto& member = members[index];
    auto resident = members.next_resident[index];
    if (resident == index) {
      auto capacity = member->capacity();
      auto own = offset < capacity ? member->own(offset, std::min(end, capacity))
                                   : Member::Own{false, end};  // the disk was smaller then
      if (own.has) return Holder{member, index, own.until};
      end = own.until;
      resident = index + 1;
      if (!own.elsewhere) {
        index = resident;
        continue;
      }
    }
    auto found = folded_holder(members, index, resident, offset, end);
    if (!found || found->member) return found;
    end = found->until;
    index = resident;
  }
  return Holder{nullptr, index, end};
}

/// Among members [first, stop), by the index.
Outcome<Holder> Chain::folded_holder(const Members& members, std::size_t first, std::size_t stop,
                                     std::uint64_t offset, std::uint64_t end) const {
  std::shared_ptr<CaptureIndex> index;
  {
    std::lock_guard lock(members_mutex_);
    index = index_;
  }
  if (!index || index_broken_.load())
    return failure(Errc::io_error, "the index of the snapshots is being made anew", "try again");
  constexpr auto kBlock = kPreImageBlock;
  auto from = members[first]->sequence(), to = members[stop - 1]->sequence();
  for (;;) {
    auto found = index->find(offset / kBlock, (end - 1) / kBlock + 1, from, to);
    if (!found) {
      distrust_index();
      return found.error();
    }
    end = std::min(end, found->until * kBlock);
    if (!found->sequence) return Holder{nullptr, stop, end};
    auto at = members.find_sequence(*found->sequence);
    const auto* member = at < stop ? &members[at] : nullptr;
    if (member != nullptr && (*member)->sequence() == *found->sequence &&
        offset < (*member)->capacity())
      return Holder{*member, at, std::min(end, (*member)->capacity())};
    from = *found->sequence + 1;  // it has gone, or the disk was smaller then
    if (from > to) return Holder{nullptr, stop, end};
  }
}

/// Where to look again after the container was read: only who was not superseded by then
/// can have captured anything meanwhile.
std::uint64_t Chain::first_that_captures(const Members& members) {
  return members.empty() ? 0 : members.back()->sequence();
}

Outcome<> Chain::read(const Uuid& snapshot, std::uint64_t offset, std::span<std::byte> into) const {
  Use use(*this);
  if (!use) return Use::refused();
  while (!into.empty()) {
    auto got = read_some(snapshot, offset, into);
    if (!got) return got.error();
    offset += *got;
    into = into.subspan(*got);
  }
  return {};
}

/// The index of the snapshot, if it has the range.
Outcome<std::size_t> Chain::readable(const Members& members, const Uuid& snapshot,
                                     std::uint64_t offset, std::uint64_t length) const {
  auto index = members.find(snapshot);
  if (index == members.size())
    return failure(Errc::not_found, "there is no snapshot " + snapshot.to_string());
  const auto& own = *members[index];
  if (own.invalid())
    return failure(Errc::corrupt,
                   "snapshot '" + own.name() + "' is no image any more: " + own.why_invalid());
  if (offset >= own.capacity() || length > own.capacity() - offset)
    return failure(Errc::invalid_argument,
                   "snapshot '" + own.name() + "' ends before what is to be read");
  return index;
}

/// Of the container what was found is believed only if afterwards still nobody had
/// captured the range: a capture is known before anything is overwritten.
Outcome<bool> Chain::still_live(const Members& before, const Uuid& snapshot, std::uint64_t offset,
                                std::uint64_t end) const {
  auto now = members();
  auto at = now->find(snapshot);
  if (at == now->size() || (*now)[at]->invalid()) return false;
  auto again = now->find_sequence(first_that_captures(before));
  auto found = holder_at(*now, again, offset, end);
  if (!found) return found.error();
  return !found->member && found->until == end;
}

Outcome<std::uint64_t> Chain::read_some(const Uuid& snapshot, std::uint64_t offset,
                                        std::span<std::byte> into) const {
  for (;;) {
    auto all = members();
    auto index = readable(*all, snapshot, offset, into.size());
    if (!index) return index.error();
    auto holder = holder_at(*all, *index, offset, offset + into.size());
    if (!holder) return holder.error();
    auto part = into.first(holder->until - offset);
    if (holder->member) {
      auto got = holder->member->read(offset, part);
      if ((*all)[*index]->invalid()) continue;  // its space is being given back
      if (!got) return got.error();
      return part.size();
    }
    if (auto error = read_live(*parts_.live, offset, part))
      return failure(Errc::io_error, "cannot read the container: " + error.message());
    auto live = still_live(*all, snapshot, offset, holder->until);
    if (!live) return live.error();
    if (*live) return part.size();
  }
}

Outcome<file_store::FileExtent> Chain::extent_of(const Holder& holder, std::uint64_t offset) const {
  file_store::FileExtent extent{offset, holder.until - offset, true};
  std::shared_ptr<file_store::File> file = parts_.source;
  if (holder.member) {
    if (holder.member->pre_images().size() != 0) return extent;  // some may not be in the image
    auto image = holder.member->image();
    if (!image) return image.error();
    file = *image;
  }
  auto found = file_store::extents(*file, offset, extent.length, {&extent, 1});
  if (!found || *found == 0) return file_store::FileExtent{offset, holder.until - offset, true};
  return extent;
}

Outcome<file_store::FileExtent> Chain::extent(const Uuid& snapshot, std::uint64_t offset,
                                              std::uint64_t length) const {
  Use use(*this);
  if (!use) return Use::refused();
  for (;;) {
    auto all = members();
    auto index = readable(*all, snapshot, offset, length);
    if (!index) return index.error();
    auto holder = holder_at(*all, *index, offset, offset + length);
    if (!holder) return holder.error();
    auto extent = extent_of(*holder, offset);
    if (!extent) return extent.error();
    if ((*all)[*index]->invalid()) continue;
    if (holder->member) return extent;
    auto live = still_live(*all, snapshot, offset, extent->offset + extent->length);
    if (!live) return live.error();
    if (*live) return extent;
  }
}

std::shared_ptr<file_store::File> Chain::whole_image(const Uuid& snapshot) const {
  Use use(*this);
  if (!use) return nullptr;
  auto member = find(snapshot);
  if (!member || !member->whole() || member->invalid()) return nullptr;
  auto image = member->image();
  return image ? *image : nullptr;
}

}  // namespace caisson::snapshot
