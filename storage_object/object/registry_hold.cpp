// SPDX-License-Identifier: Apache-2.0
// What snapshots ask of objects: one instant for all of a group, and what shares blocks.
#include <fmt/format.h>

#include <algorithm>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::LunRecord;

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

Outcome<> Registry::begin_restore(const Uuid& lun, const Uuid& snapshot) {
  auto found = find(lun);
  if (!found) return failure(Errc::not_found, fmt::format("there is no LUN {}", lun.to_string()));
  auto locked = lock(found->record.name);
  if (!locked) return locked.error();
  const auto& entry = locked->entry;
  auto view = view_of(entry);
  if (!view.object)
    return failure(Errc::offline, fmt::format("LUN '{}' is not online", view.record.name));
  if (view.record.restoring == snapshot) return {};
  auto object = std::static_pointer_cast<LunObject>(view.object);
  if (auto error = object->begin_restore(options_.pause_limit))
    return failure(Errc::in_use,
                   fmt::format("LUN '{}' cannot be kept from its hosts: {}", view.record.name,
                               error.message()),
                   "wait until what is under way has ended, then try again");
  auto saved = save(entry, [&](LunRecord& changed) { changed.restoring = snapshot; });
  if (!saved) object->end_restore(false);
  return saved;
}

Outcome<> Registry::end_restore(const Uuid& lun, bool changed) {
  auto found = find(lun);
  if (!found) return failure(Errc::not_found, fmt::format("there is no LUN {}", lun.to_string()));
  auto locked = lock(found->record.name);
  if (!locked) return locked.error();
  auto saved = save(locked->entry, [](LunRecord& row) { row.restoring.reset(); });
  if (!saved) return saved;
  if (auto object = view_of(locked->entry).object)
    std::static_pointer_cast<LunObject>(object)->end_restore(changed);
  return {};
}

void Registry::note_restore(const Uuid& lun, std::uint64_t done, std::uint64_t of) {
  if (auto found = find(lun); found && found->object)
    std::static_pointer_cast<LunObject>(found->object)->note_restore(done, of);
}

}  // namespace caisson::object
