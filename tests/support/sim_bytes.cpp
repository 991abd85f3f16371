// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_bytes.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace caisson::tests {
namespace {

using file_store::MapState;

constexpr auto kPage = SimBytes::kPage;

/// Calls `part(page index, offset in page, bytes done before, length)` for each
/// page that the range touches.
template <class Part>
void for_pages(std::uint64_t offset, std::uint64_t length, Part part) {
  for (std::uint64_t done = 0; done < length;) {
    auto in_page = (offset + done) % kPage;
    auto n = std::min(kPage - in_page, length - done);
    part((offset + done) / kPage, in_page, done, n);
    done += n;
  }
}

/// An address that nothing had before, next to the last one. Unique in the process:
/// stores that come from one another know the same addresses.
std::uint64_t new_address() {
  static std::atomic<std::uint64_t> last = 0;
  return (last.fetch_add(1, std::memory_order_relaxed) + 1) * kPage;
}

std::uint64_t first_page(std::uint64_t offset) { return offset / kPage; }
std::uint64_t end_page(std::uint64_t end) { return (end + kPage - 1) / kPage; }

}  // namespace

std::byte* SimBytes::writable(std::uint64_t index) {
  auto& slot = pages_[index];
  auto is_new = slot.page == nullptr;
  if (is_new)
    slot.page = std::make_shared<Page>();
  else if (slot.page.use_count() != 1)
    slot.page = std::make_shared<Page>(*slot.page);
  if (is_new || slot.cloned) slot.address = new_address();
  slot.cloned = slot.unwritten = false;
  return slot.page->data();
}

void SimBytes::read(std::uint64_t offset, std::span<std::byte> into) const {
  for_pages(offset, into.size(), [&](auto index, auto at, auto done, auto n) {
    auto found = pages_.find(index);
    if (found == pages_.end())
      std::memset(into.data() + done, 0, n);
    else
      std::memcpy(into.data() + done, found->second.page->data() + at, n);
  });
}

void SimBytes::write(std::uint64_t offset, std::span<const std::byte> from) {
  for_pages(offset, from.size(), [&](auto index, auto at, auto done, auto n) {
    std::memcpy(writable(index) + at, from.data() + done, n);
  });
}

void SimBytes::punch(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  auto end = offset + length;
  auto first_whole = (offset + kPage - 1) / kPage;
  auto last_whole = end / kPage;
  auto clear = [this](std::uint64_t from, std::uint64_t to) {
    if (from < to && pages_.contains(from / kPage))
      std::memset(writable(from / kPage) + from % kPage, 0, to - from);
  };
  if (first_whole > last_whole) return clear(offset, end);
  clear(offset, first_whole * kPage);
  pages_.erase(pages_.lower_bound(first_whole), pages_.lower_bound(last_whole));
  clear(last_whole * kPage, end);
}

void SimBytes::zero(std::uint64_t offset, std::uint64_t length) {
  for_pages(offset, length, [&](auto index, auto at, auto, auto n) {
    std::memset(writable(index) + at, 0, n);
    pages_[index].unwritten = n == kPage;
  });
}

void SimBytes::allocate(std::uint64_t offset, std::uint64_t length) {
  for_pages(offset, length, [&](auto index, auto, auto, auto) {
    if (pages_.contains(index)) return;
    writable(index);
    pages_[index].unwritten = true;
  });
}

void SimBytes::truncate(std::uint64_t size) {
  auto first_whole = (size + kPage - 1) / kPage;
  if (size % kPage != 0 && pages_.contains(size / kPage))
    std::memset(writable(size / kPage) + size % kPage, 0, kPage - size % kPage);
  pages_.erase(pages_.lower_bound(first_whole), pages_.end());
}

SimBytes SimBytes::share(std::uint64_t offset, std::uint64_t length, SimBytes& disk) {
  SimBytes shared;
  auto stop = pages_.lower_bound(end_page(offset + length));
  for (auto at = pages_.lower_bound(first_page(offset)); at != stop; ++at) {
    auto& slot = at->second;
    auto found = disk.pages_.find(at->first);
    auto alike = found != disk.pages_.end() && found->second.page == slot.page &&
                 found->second.address == slot.address;
    if (alike)
      found->second.cloned = true;
    else if (!slot.cloned)
      slot.address = new_address();
    slot.cloned = true;
    shared.pages_.emplace_hint(shared.pages_.end(), at->first, slot);
  }
  return shared;
}

void SimBytes::copy(const SimBytes& from, std::uint64_t from_at, std::uint64_t length,
                    std::uint64_t to) {
  for_pages(to, length, [&](auto index, auto at, auto done, auto n) {
    auto source = from_at + done;
    auto found = from.pages_.find(source / kPage);
    auto hole = found == from.pages_.end();
    if (n == kPage && source % kPage == 0) {
      hole ? void(pages_.erase(index)) : void(pages_[index] = found->second);
    } else if (!hole || source % kPage + n > kPage || pages_.contains(index)) {
      std::array<std::byte, kPage> part;
      from.read(source, std::span(part).first(n));
      std::memcpy(writable(index) + at, part.data(), n);
    }
  });
}

void SimBytes::adopt(const SimBytes& other, std::uint64_t offset, std::uint64_t length) {
  auto first = first_page(offset), end = end_page(offset + length);
  pages_.erase(pages_.lower_bound(first), pages_.lower_bound(end));
  pages_.insert(other.pages_.lower_bound(first), other.pages_.lower_bound(end));
}

/// The part of one page, or of the hole, from `at` on.
file_store::MapExtent SimBytes::run_at(std::uint64_t at, std::uint64_t end) const {
  auto found = pages_.lower_bound(at / kPage);
  if (found == pages_.end() || found->first != at / kPage) {
    auto stop = found == pages_.end() ? end : std::min(end, found->first * kPage);
    return {.offset = at, .length = stop - at};
  }
  const auto& slot = found->second;
  auto length = std::min(end, (at / kPage + 1) * kPage) - at;
  if (slot.unwritten)
    return {.offset = at, .length = length, .state = MapState::unwritten, .shared = slot.cloned};
  return {.offset = at,
          .length = length,
          .address = slot.address + at % kPage,
          .state = MapState::placed,
          .shared = slot.cloned};
}

file_store::MapPage SimBytes::map(std::uint64_t offset, std::uint64_t length,
                                  std::span<file_store::MapExtent> room) const {
  const auto end = offset + length;
  std::size_t count = 0;
  auto at = offset;
  while (at < end) {
    auto run = run_at(at, end);
    auto* last = count == 0 ? nullptr : &room[count - 1];
    auto follows = last != nullptr && last->state == run.state && last->shared == run.shared &&
                   (run.state != MapState::placed || last->address + last->length == run.address);
    if (follows)
      last->length += run.length;
    else if (count < room.size())
      room[count++] = run;
    else
      break;
    at = run.end();
  }
  return {count, at};
}

std::uint64_t SimBytes::missing(std::uint64_t offset, std::uint64_t length) const {
  if (length == 0) return 0;
  auto first = offset / kPage;
  auto end = (offset + length - 1) / kPage + 1;
  auto present = std::distance(pages_.lower_bound(first), pages_.lower_bound(end));
  return end - first - static_cast<std::uint64_t>(present);
}

std::size_t SimBytes::extents(std::uint64_t offset, std::uint64_t length, std::uint64_t size,
                              std::span<file_store::FileExtent> out) const {
  std::size_t count = 0;
  auto end = offset + length;
  auto data_end = std::min(end, size);
  auto is_data = [&](std::uint64_t at) { return at < data_end && pages_.contains(at / kPage); };
  for (auto at = offset; at < end && count < out.size();) {
    auto data = is_data(at);
    auto stop = at;
    if (data) {
      while (is_data(stop)) stop = std::min((stop / kPage + 1) * kPage, data_end);
    } else {
      auto next = at < data_end ? pages_.lower_bound(at / kPage) : pages_.end();
      stop = next == pages_.end() || next->first * kPage >= data_end ? end : next->first * kPage;
    }
    out[count++] = {at, stop - at, data};
    at = stop;
  }
  return count;
}

}  // namespace caisson::tests
