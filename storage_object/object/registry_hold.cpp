// SPDX-License-Identifier: Apache-2.0
// What snapshots ask of objects: one instant for all of a group, and what shares blocks.
#include <fmt/format.h>

#include <algorithm>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

/// In the order of the UUIDs, so that two that hold the same ones do not wait for each
/// other; whoever is late goes without.
Outcome<> Registry::hold_changes(std::span<const Uuid> luns, std::chrono::milliseconds limit,
                                 const std::function<void()>& body) {
  const auto until = std::chrono::steady_clock::now() + limit;
  std::vector<Uuid> ordered(luns.begin(), luns.end());
  std::ranges::sort(ordered);
  std::vector<std::shared_ptr<LunObject>> objects;
  std::vector<std::unique_ptr<LunObject::ChangeHold>> holds;
  for (const auto& uuid : ordered) {
    auto lun = find(uuid);
    if (!lun || !lun->object)
      return failure(Errc::offline, fmt::format("LUN '{}' is not online",
                                                lun ? lun->record.name : uuid.to_string()));
    objects.push_back(std::static_pointer_cast<LunObject>(lun->object));
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    holds.push_back(std::make_unique<LunObject::ChangeHold>(
        *objects.back(), std::max(left, std::chrono::milliseconds(0))));
    if (!holds.back()->reached())
      return failure(Errc::timed_out,
                     fmt::format("LUN '{}': writes of hosts did not end within {} ms; nothing was "
                                 "cut",
                                 lun->record.name, limit.count()),
                     "look after the file system of its store");
  }
  body();
  return {};
}

void Registry::set_shares_blocks(const Uuid& lun, bool shares) {
  if (auto found = find(lun); found && found->object)
    std::static_pointer_cast<LunObject>(found->object)->set_shares_blocks(shares);
}

}  // namespace caisson::object
