// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_bytes.hpp"

#include <algorithm>
#include <cstring>

namespace caisson::tests {
namespace {

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

}  // namespace

std::byte* SimBytes::writable(std::uint64_t index) {
  auto& page = pages_[index];
  if (page == nullptr)
    page = std::make_shared<Page>();
  else if (page.use_count() != 1)
    page = std::make_shared<Page>(*page);
  return page->data();
}

void SimBytes::read(std::uint64_t offset, std::span<std::byte> into) const {
  for_pages(offset, into.size(), [&](auto index, auto at, auto done, auto n) {
    auto found = pages_.find(index);
    if (found == pages_.end())
      std::memset(into.data() + done, 0, n);
    else
      std::memcpy(into.data() + done, found->second->data() + at, n);
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
  for_pages(offset, length,
            [&](auto index, auto at, auto, auto n) { std::memset(writable(index) + at, 0, n); });
}

void SimBytes::allocate(std::uint64_t offset, std::uint64_t length) {
  for_pages(offset, length, [&](auto index, auto, auto, auto) {
    if (!pages_.contains(index)) writable(index);
  });
}

void SimBytes::truncate(std::uint64_t size) {
  auto first_whole = (size + kPage - 1) / kPage;
  if (size % kPage != 0 && pages_.contains(size / kPage))
    std::memset(writable(size / kPage) + size % kPage, 0, kPage - size % kPage);
  pages_.erase(pages_.lower_bound(first_whole), pages_.end());
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
