// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>

#include "snapshot/chain/capture.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

bool is_zero(std::span<const std::byte> block) {
  return std::ranges::all_of(block, [](std::byte b) { return b == std::byte{0}; });
}

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

Outcome<> capture_by_copy(Member& member, block::BlockDevice& live, std::span<const Run> wanted,
                          std::int64_t wall_ms) {
  std::uint64_t bytes = 0;
  for (const auto& run : wanted) bytes += run.count * member.unit();
  Buffer data(bytes);
  std::vector<PreImage> images;
  images.reserve(bytes / kPreImageBlock);
  std::size_t at = 0;
  for (const auto& run : wanted) {
    auto offset = run.first * member.unit();
    auto room = data.span().subspan(at, run.count * member.unit());
    // The last block of a disk may end behind the capacity, in zeros.
    auto length = std::min<std::uint64_t>(room.size(), member.capacity() - offset);
    std::ranges::fill(room.subspan(length), std::byte{0});
    if (auto error = read_live(live, offset, room.first(length)))
      return failure(Errc::io_error,
                     "cannot read what is about to be overwritten: " + error.message());
    for (std::size_t in = 0; in < room.size(); in += kPreImageBlock) {
      auto block = room.subspan(in, kPreImageBlock);
      images.push_back(
          {(offset + in) / kPreImageBlock, is_zero(block) ? std::span<const std::byte>() : block});
    }
    at += room.size();
  }
  return member.add_pre_images(images, wall_ms);
}

}  // namespace caisson::snapshot
