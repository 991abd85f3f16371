// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <deque>
#include <vector>

#include "snapshot/chain/capture.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::uint64_t kWorthAsking = std::uint64_t{1} << 20;

Error read_live(block::BlockDevice& live, std::uint64_t offset, std::span<std::byte> into) {
  IoVec memory{into.data(), into.size()};
  block::IoRequest request;
  request.op = block::IoOp::read;
  request.offset = offset;
  request.length = into.size();
  request.buffers = {&memory, 1};
  return block::perform(live, request);
}

/// What is about to be overwritten of one run, as it is now.
class OldBlocks {
 public:
  OldBlocks(const Member& member, block::BlockDevice& live) : member_(member), live_(live) {}

  Outcome<> read(const Run& run) {
    auto offset = run.first * member_.unit();
    auto& data = buffers_.emplace_back(run.count * member_.unit());
    // The last block of a disk may end behind the capacity, in zeros.
    auto length = std::min<std::uint64_t>(data.size(), member_.capacity() - offset);
    std::ranges::fill(data.span().subspan(length), std::byte{0});
    if (auto error = read_live(live_, offset, data.span().first(length)))
      return failure(Errc::io_error,
                     "cannot read what is about to be overwritten: " + error.message());
    for (std::size_t in = 0; in < data.size(); in += kPreImageBlock) {
      auto block = data.span().subspan(in, kPreImageBlock);
      images.push_back(
          {(offset + in) / kPreImageBlock, all_zero(block) ? std::span<std::byte>() : block});
    }
    return {};
  }

  std::vector<PreImage> images;

 private:
  const Member& member_;
  block::BlockDevice& live_;
  std::deque<Buffer> buffers_;
};

}  // namespace

Outcome<> capture_by_copy(Member& member, block::BlockDevice& live, file_store::File& source,
                          std::span<const Run> wanted, std::int64_t wall_ms) {
  OldBlocks old(member, live);
  std::vector<Run> holes;
  for (auto run : wanted)
    while (run.count != 0) {
      auto hole = hole_units(member, source, run, kWorthAsking);
      auto part = hole != 0 ? hole : std::min(run.count, kWorthAsking / member.unit());
      if (hole != 0)
        append_units(holes, run.first, hole);
      else if (auto got = old.read({run.first, part}); !got)
        return got;
      run = {run.first + part, run.count - part};
    }
  if (!holes.empty()) {
    if (auto begun = member.begin(wall_ms); !begun) return begun;
    if (auto recorded = member.record({}, holes); !recorded) return recorded;
  }
  return old.images.empty() ? Outcome<>() : member.add_pre_images(old.images, wall_ms);
}

}  // namespace caisson::snapshot
