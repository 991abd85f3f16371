// SPDX-License-Identifier: Apache-2.0
// The snapshots of a chain at one moment, and what is quickly found among them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "snapshot/chain/member.hpp"

namespace caisson::snapshot {

/// Oldest first. Nobody changes one that is shared.
struct MemberList : std::vector<std::shared_ptr<Member>> {
  /// Of each: the first one from it on that was not folded.
  std::vector<std::size_t> next_resident;
  std::vector<std::pair<Uuid, std::size_t>> by_uuid;

  /// After a change.
  void tidy() {
    next_resident.assign(size(), size());
    by_uuid.clear();
    for (auto i = size(); i-- > 0;) {
      next_resident[i] = !(*this)[i]->folded() ? i : i + 1 < size() ? next_resident[i + 1] : i + 1;
      by_uuid.emplace_back((*this)[i]->uuid(), i);
    }
    std::ranges::sort(by_uuid);
  }
  /// Its place; size(): it is not there.
  std::size_t find(const Uuid& uuid) const {
    auto at =
        std::ranges::lower_bound(by_uuid, uuid, {}, [](const auto& one) { return one.first; });
    return at != by_uuid.end() && at->first == uuid ? at->second : size();
  }
  /// The first one whose sequence number is not below that.
  std::size_t find_sequence(std::uint64_t sequence) const {
    auto at = std::ranges::lower_bound(*this, sequence, {},
                                       [](const auto& member) { return member->sequence(); });
    return static_cast<std::size_t>(at - begin());
  }
};

/// Where in a chain a byte of a snapshot stands.
struct Holder {
  std::shared_ptr<Member> member;  ///< nullptr: the container
  std::size_t index = 0;           ///< of the member; behind the last one: the container
  std::uint64_t until = 0;         ///< how far it holds what follows
};

}  // namespace caisson::snapshot
