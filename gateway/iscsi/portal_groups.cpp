// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/portal_groups.hpp"

#include <algorithm>
#include <utility>

namespace caisson::iscsi {

PortalGroups::PortalGroups(std::vector<std::uint16_t> tags, TargetGroups confined)
    : tags_(std::move(tags)), confined_(std::move(confined)) {
  std::ranges::sort(tags_);
  tags_.erase(std::unique(tags_.begin(), tags_.end()), tags_.end());
}

const std::vector<std::uint16_t>& PortalGroups::tags_of(std::string_view target) const noexcept {
  auto found = confined_.find(target);
  return found == confined_.end() ? tags_ : found->second;
}

std::vector<scsi::TargetPortGroup> PortalGroups::of(std::string_view target) const {
  std::vector<scsi::TargetPortGroup> groups;
  for (auto tag : tags_of(target)) groups.push_back({tag, {tag}});
  return groups;
}

bool PortalGroups::reach(std::string_view target, std::uint16_t tag) const noexcept {
  return std::ranges::binary_search(tags_of(target), tag);
}

}  // namespace caisson::iscsi
