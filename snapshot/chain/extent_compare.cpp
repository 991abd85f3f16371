// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/extent_compare.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace caisson::snapshot {
namespace {

using file_store::MapExtent;
using file_store::MapPage;
using file_store::MapState;

constexpr std::size_t kLeast = 64, kMost = 4096;  // extents of a page

bool unsupported(const Error& error) {
  return error == Error(EOPNOTSUPP, boost::system::system_category());
}

/// The part of an extent that lies in [offset, end).
MapExtent part(MapExtent extent, std::uint64_t offset, std::uint64_t end) {
  auto begin = std::max(extent.offset, offset);
  if (extent.state == MapState::placed) extent.address += begin - extent.offset;
  extent.length = std::min(extent.end(), end) - begin;
  extent.offset = begin;
  return extent;
}

bool same_place(const MapExtent& a, const MapExtent& b) {
  return a.state == MapState::placed && b.state == MapState::placed && a.address == b.address;
}

}  // namespace

MapView::MapView(std::shared_ptr<file_store::File> file, std::uint64_t limit, bool by_map)
    : file_(std::move(file)), limit_(limit), by_map_(by_map) {}

Result<MapExtent> MapView::at(std::uint64_t offset, std::uint64_t end) {
  if (!holds(offset))
    if (auto loaded = load(offset); !loaded) return loaded.error();
  return on_page(offset, end);
}

Result<> MapView::load(std::uint64_t offset) {
  // One that lies about where the next page would is the next page.
  bool follows = end_ != begin_ && offset >= begin_ && offset <= end_ + (end_ - begin_);
  auto room = follows ? std::min(page_.capacity() * 2, kMost) : kLeast;
  aged_ = true;
  page_.clear();
  page_.shrink_to_fit();
  page_.reserve(room);
  page_.resize(room);
  auto page = read(offset, limit_, page_);
  if (!page) return page.error();
  if (page->count == 0 || page->end <= offset) return Error(EIO, boost::system::system_category());
  page_.resize(page->count);
  at_ = 0;
  begin_ = offset;
  end_ = page->end;
  aged_ = false;
  return {};
}

MapExtent MapView::on_page(std::uint64_t offset, std::uint64_t end) {
  if (page_[at_].offset > offset) at_ = 0;
  if (page_[at_].end() <= offset) {
    auto found = std::ranges::upper_bound(page_.begin() + static_cast<std::ptrdiff_t>(at_),
                                          page_.end(), offset, {}, &MapExtent::end);
    at_ = static_cast<std::size_t>(found - page_.begin());
  }
  return part(page_[at_], offset, end);
}

Result<MapPage> MapView::read(std::uint64_t offset, std::uint64_t end, std::span<MapExtent> room) {
  if (by_map_) {
    auto page = file_->extent_map(offset, end - offset, room);
    if (page || !unsupported(page.error())) return page;
    by_map_ = false;
  }
  return read_data(offset, end, room);
}

Result<MapPage> MapView::read_data(std::uint64_t offset, std::uint64_t end,
                                   std::span<MapExtent> room) {
  data_.resize(room.size());
  auto found = file_store::extents(*file_, offset, end - offset, data_);
  if (!found) return found.error();
  MapPage page{*found, offset};
  for (std::size_t i = 0; i < page.count; ++i) {
    room[i] = {.offset = data_[i].offset,
               .length = data_[i].length,
               .state = data_[i].data ? MapState::untrusted : MapState::hole};
    page.end = room[i].end();
  }
  return page;
}

Result<std::uint64_t> MapView::stands(std::uint64_t offset, std::uint64_t end) {
  Extents again(kMost);
  while (offset < end) {
    auto page = read(offset, end, again);
    if (!page) return page.error();
    if (page->end <= offset) return offset;
    for (const auto& now : std::span(again).first(page->count))
      for (auto at = now.offset; at < now.end();) {
        auto was = on_page(at, now.end());
        auto is = part(now, at, was.end());
        if (is.state != was.state || is.address != was.address) return at;
        at = was.end();
      }
    offset = page->end;
  }
  return end;
}

Result<Judged> judge(MapView* from, MapView& to, std::uint64_t offset, std::uint64_t end) {
  MapExtent old{.offset = offset, .length = end - offset};
  if (from != nullptr) {
    auto found = from->at(offset, end);
    if (!found) return found.error();
    old = *found;
  }
  auto now = to.at(offset, old.end());
  if (!now) return now.error();
  Judged judged{.end = now->end(), .verdict = Verdict::changed};
  if (old.state == MapState::untrusted || now->state == MapState::untrusted)
    judged.verdict = Verdict::unknown;
  else if (old.zeros() && now->zeros())
    judged.verdict = Verdict::equal;
  else if (same_place(old, *now))
    judged = {now->end(), Verdict::equal, true};
  return judged;
}

}  // namespace caisson::snapshot
