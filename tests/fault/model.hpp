// SPDX-License-Identifier: Apache-2.0
// What a power cut may leave of a LUN, sector by sector.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage_object/base/uuid.hpp"

namespace caisson::tests {

inline constexpr std::size_t kSector = 512;

/// Enough to tell sectors apart.
inline std::uint64_t fingerprint(std::span<const std::byte> sector) {
  return std::hash<std::string_view>{}(
      {reinterpret_cast<const char*>(sector.data()), sector.size()});
}

struct LunModel {
  Uuid uuid;
  std::set<std::string> names;         ///< it may be called any of these
  std::set<std::uint64_t> capacities;  ///< and have any of these
  bool may_be_gone = false;
  bool may_be_there = true;
  std::string target_name;
  bool write_through = false;
  /// What each sector may hold: the durable content first, then what was written since.
  std::map<std::uint64_t, std::vector<std::uint64_t>> sectors;  // absent: zeros

  static std::uint64_t zeros() {
    static const std::vector<std::byte> kZeros(kSector);
    return fingerprint(kZeros);
  }
  void wrote(std::uint64_t offset, std::span<const std::byte> data, bool durable) {
    for (std::size_t at = 0; at < data.size(); at += kSector) {
      auto& held = sectors.try_emplace((offset + at) / kSector, 1, zeros()).first->second;
      if (durable) held.clear();
      held.push_back(fingerprint(data.subspan(at, kSector)));
    }
  }
  void flushed() {
    for (auto& [number, held] : sectors) held = {held.back()};
  }
  /// Only what is below this capacity is left.
  void cut_off(std::uint64_t capacity) {
    sectors.erase(sectors.lower_bound(capacity / kSector), sectors.end());
  }
  bool allows(std::uint64_t number, std::uint64_t print) const {
    auto found = sectors.find(number);
    if (found == sectors.end()) return print == zeros();
    return std::ranges::find(found->second, print) != found->second.end();
  }
};

}  // namespace caisson::tests
