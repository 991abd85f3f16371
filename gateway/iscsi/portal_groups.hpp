// SPDX-License-Identifier: Apache-2.0
// Portal groups (RFC 7143 4.4.1): which there are, and through which of them a
// target is reached. A target has one SCSI port in each; its relative target port
// identifier and its target port group are both the group's tag.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/scsi/directory.hpp"

namespace caisson::iscsi {

/// Tags, ascending, by the name of the target they confine.
using TargetGroups = std::map<std::string, std::vector<std::uint16_t>, std::less<>>;

/// Immutable.
class PortalGroups {
 public:
  /// `tags`: of all portals, in any order; `confined` names the targets that are
  /// not reached through all of them.
  explicit PortalGroups(std::vector<std::uint16_t> tags = {1}, TargetGroups confined = {});

  /// The target ports of a target, ascending by tag.
  std::vector<scsi::TargetPortGroup> of(std::string_view target) const;
  bool reach(std::string_view target, std::uint16_t tag) const noexcept;

 private:
  const std::vector<std::uint16_t>& tags_of(std::string_view target) const noexcept;

  std::vector<std::uint16_t> tags_;  // ascending
  TargetGroups confined_;
};

}  // namespace caisson::iscsi
