// SPDX-License-Identifier: Apache-2.0
// Where in a chain the bytes of a snapshot stand: inside this folder only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "snapshot/chain/chain.hpp"

namespace caisson::snapshot {

struct Holder {
  std::shared_ptr<Member> member;  ///< nullptr: the container
  std::size_t index = 0;           ///< of the member; behind the last one: the container
  std::uint64_t until = 0;         ///< how far it holds what follows
};

/// The first member from `index` on that has the byte itself, else the container. What
/// it says of the container was true of every byte up to `until` at some time during the
/// call; what it says of a member stays true.
inline Holder holder_at(const Chain::Members& members, std::size_t index, std::uint64_t offset,
                        std::uint64_t end) {
  for (; index < members.size(); ++index) {
    const auto& member = members[index];
    if (offset >= member->capacity()) continue;  // the disk was smaller then
    auto own = member->own(offset, std::min(end, member->capacity()));
    end = own.until;
    if (own.has) return {member, index, end};
  }
  return {nullptr, index, end};
}

}  // namespace caisson::snapshot
