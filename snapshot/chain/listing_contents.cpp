// SPDX-License-Identifier: Apache-2.0
// Where contents decide whether something changed, and what is told.
#include <algorithm>
#include <cstring>

#include "snapshot/chain/listing.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;         // read of each side at once
constexpr std::uint64_t kMostOfCall = std::uint64_t{128} << 20;  // compared by one call

}  // namespace

bool ChangesSink::add(std::uint64_t offset, std::uint64_t end) noexcept {
  offset = offset / kChangeBlock * kChangeBlock;
  end = std::min(limit_, (end + kChangeBlock - 1) / kChangeBlock * kChangeBlock);
  if (count_ != 0 && offset <= this->end()) {
    auto& last = room_[count_ - 1];
    last.length = std::max(last.end(), end) - last.offset;
    return true;
  }
  if (count_ == room_.size()) return false;
  room_[count_++] = {offset, end - offset};
  return true;
}

bool Chain::Listing::needs_contents(const JudgedRun& run) const {
  const auto& [method, refined] = asked_.options;
  if (run.moved) return true;
  if (run.verdict == Verdict::changed) return refined;
  return run.verdict == Verdict::unknown &&
         (refined || method == Method::automatic || method == Method::contents);
}

/// Tells what the batch that began at `offset` found, and up to where: judged_, or less
/// where the room or the work of one call ends.
Outcome<std::uint64_t> Chain::Listing::tell(std::uint64_t offset) {
  for (const auto& run : runs_) {
    if (run.verdict == Verdict::equal && !run.moved) continue;
    offset = std::max(offset, run.offset);
    if (!needs_contents(run)) {
      if (!sink_.add(offset, run.end)) return offset;
      continue;
    }
    auto until = compare(run.offset, run.end);
    if (!until) return until;
    if (*until < run.end) return *until;
  }
  return judged_;
}

/// Up to where it compared and told.
Outcome<std::uint64_t> Chain::Listing::compare(std::uint64_t offset, std::uint64_t end) {
  if (old_.empty()) old_ = Buffer(kPiece), new_ = Buffer(kPiece);
  auto old_capacity = (*all_)[from_]->capacity();
  offset = offset / kChangeBlock * kChangeBlock;
  while (offset < end) {
    if (compared_ >= kMostOfCall) return offset;
    auto length = std::min(kPiece, end - offset);
    auto before = old_.span().first(length), after = new_.span().first(length);
    if (auto got = read_side(asked_.from, old_capacity, offset, before); !got) return got.error();
    if (auto got = read_side(asked_.to, end_, offset, after); !got) return got.error();
    for (std::uint64_t at = 0; at < length; at += kChangeBlock) {
      auto block = std::min(kChangeBlock, length - at);
      if (std::memcmp(&before[at], &after[at], block) == 0) continue;
      if (!sink_.add(offset + at, offset + at + block)) return offset + at;
    }
    offset += length;
    compared_ += length;
  }
  return end;
}

/// Zeros behind its capacity. Without a snapshot: what the container has now.
Outcome<> Chain::Listing::read_side(const std::optional<Uuid>& snapshot, std::uint64_t capacity,
                                    std::uint64_t offset, std::span<std::byte> into) const {
  auto inside = std::min<std::uint64_t>(into.size(), capacity - std::min(offset, capacity));
  std::ranges::fill(into.subspan(inside), std::byte{0});
  auto part = into.first(inside);
  if (part.empty()) return {};
  if (snapshot) return chain_.read(*snapshot, offset, part);
  IoVec memory{part.data(), part.size()};
  block::IoRequest request;
  request.op = block::IoOp::read;
  request.offset = offset;
  request.length = part.size();
  request.buffers = {&memory, 1};
  if (auto error = block::perform(*chain_.parts_.live, request))
    return failure(Errc::io_error, "cannot read the container: " + error.message());
  return {};
}

}  // namespace caisson::snapshot
