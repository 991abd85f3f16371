// SPDX-License-Identifier: Apache-2.0
// What a snapshot holds, wherever in the chain that stands.
#include <algorithm>

#include "snapshot/chain/lane.hpp"

namespace caisson::snapshot {
namespace {

/// The first one from `index` on that has the byte, and how far that holds.
struct Found {
  const Member* member = nullptr;  ///< nullptr: the container
  std::uint64_t until = 0;
};

Found find_holder(const Chain::Members& members, std::size_t index, std::uint64_t offset,
                  std::uint64_t end) {
  for (; index < members.size(); ++index) {
    const auto& member = *members[index];
    if (offset >= member.capacity()) continue;  // the disk was smaller then
    auto own = member.own(offset, std::min(end, member.capacity()));
    end = own.until;
    if (own.has) return {&member, end};
  }
  return {nullptr, end};
}

std::size_t index_of(const Chain::Members& members, const Uuid& snapshot) {
  auto at = std::ranges::find(members, snapshot, [](const auto& member) { return member->uuid(); });
  return static_cast<std::size_t>(at - members.begin());
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

/// Of the container it is believed only if, once it was read, still nobody had
/// captured the range: a capture is known before anything is overwritten.
Outcome<std::uint64_t> Chain::read_some(const Uuid& snapshot, std::uint64_t offset,
                                        std::span<std::byte> into) const {
  for (;;) {
    auto all = members();
    auto index = index_of(*all, snapshot);
    if (index == all->size())
      return failure(Errc::not_found, "there is no snapshot " + snapshot.to_string());
    const auto& own = *(*all)[index];
    if (own.invalid())
      return failure(Errc::corrupt,
                     "snapshot '" + own.name() + "' is no image any more: " + own.why_invalid());
    if (offset >= own.capacity() || into.size() > own.capacity() - offset)
      return failure(Errc::invalid_argument,
                     "snapshot '" + own.name() + "' ends before what is to be read");
    auto holder = find_holder(*all, index, offset, offset + into.size());
    auto part = into.first(holder.until - offset);
    if (holder.member != nullptr) {
      auto got = holder.member->read(offset, part);
      if (own.invalid()) continue;  // its space is being given back
      if (!got) return got.error();
      return part.size();
    }
    if (auto error = read_live(*parts_.live, offset, part))
      return failure(Errc::io_error, "cannot read the container: " + error.message());
    auto now = members();
    auto again = index_of(*now, snapshot);
    if (again == now->size() || own.invalid()) continue;
    auto found = find_holder(*now, again, offset, holder.until);
    if (found.member == nullptr && found.until == holder.until) return part.size();
  }
}

}  // namespace caisson::snapshot
