// SPDX-License-Identifier: Apache-2.0
// What snapshots ask of objects: one instant for all of a group, and hosts kept out.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::LunRecord;

namespace {

using Objects = std::vector<std::shared_ptr<LunObject>>;
using Holds = std::vector<std::unique_ptr<LunObject::ChangeHold>>;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// How long hosts of those that are held wait for those that are not, at first.
constexpr milliseconds kPatience{50};

milliseconds left_until(steady_clock::time_point until) {
  return std::max(std::chrono::ceil<milliseconds>(until - steady_clock::now()), milliseconds(0));
}

/// The one at `first` for as long as it takes, then the others. Who was not reached; all are:
/// nothing.
std::optional<std::size_t> hold_all(const Objects& objects, std::size_t first, Holds& holds,
                                    steady_clock::time_point until, milliseconds patience) {
  auto reach = [&](std::size_t index, milliseconds limit) {
    holds.push_back(std::make_unique<LunObject::ChangeHold>(*objects[index], limit));
    return holds.back()->reached();
  };
  if (!reach(first, left_until(until))) return first;
  auto until_patience = std::min(until, steady_clock::now() + patience);
  for (std::size_t i = 0; i < objects.size(); ++i)
    if (i != first && !reach(i, left_until(until_patience))) return i;
  return std::nullopt;
}

/// A disk in the midst of an upkeep is not what anybody wrote.
Outcome<> check_no_upkeep(const LunObject& object) {
  switch (object.upkeep().state()) {
    case UpkeepState::none:
    case UpkeepState::restoring: return {};  // whoever restores it knows what he does
    default: break;
  }
  return failure(Errc::in_use,
                 fmt::format("LUN '{}' is being formatted or sanitized, or that has failed",
                             object.identity()->name),
                 "wait until it has ended, or do it again if it failed");
}

}  // namespace

/// None is held while another keeps it waiting for long: the hosts of one shall not wait
/// for the file of another that hangs. So whoever was late is waited for first, with
/// nobody held, and the rest again after that; with more patience each time, since many
/// may be slow.
Outcome<> Registry::hold_changes(std::span<const Uuid> luns, milliseconds limit,
                                 const std::function<void()>& body) {
  const auto until = steady_clock::now() + limit;
  Objects objects;
  for (const auto& uuid : luns) {
    auto lun = find(uuid);
    if (!lun || !lun->object)
      return failure(Errc::offline, fmt::format("LUN '{}' is not online",
                                                lun ? lun->record.name : uuid.to_string()));
    objects.push_back(std::static_pointer_cast<LunObject>(lun->object));
  }
  std::size_t first = 0;
  for (auto patience = kPatience;; patience *= 2) {
    Holds holds;
    auto late = hold_all(objects, first, holds, until, patience);
    if (!late) {
      for (const auto& object : objects)
        if (auto whole = check_no_upkeep(*object); !whole) return whole;
      body();
      return {};
    }
    first = *late;
    if (left_until(until) > milliseconds(0)) continue;
    return failure(Errc::timed_out,
                   fmt::format("LUN '{}': writes of hosts did not end within {} ms; nothing was "
                               "cut",
                               objects[first]->identity()->name, limit.count()),
                   "look after the file system of its store");
  }
}

Outcome<> Registry::keep_out(const Uuid& lun) {
  auto found = find(lun);
  if (!found) return failure(Errc::not_found, fmt::format("there is no LUN {}", lun.to_string()));
  auto locked = lock(found->record.name);
  if (!locked) return locked.error();
  auto view = view_of(locked->entry);
  if (!view.object)
    return failure(Errc::offline, fmt::format("LUN '{}' is not online", view.record.name));
  auto object = std::static_pointer_cast<LunObject>(view.object);
  auto error = object->begin_restore(options_.pause_limit);
  if (!error) return {};
  return failure(
      Errc::in_use,
      fmt::format("LUN '{}' cannot be kept from its hosts: {}", view.record.name, error.message()),
      "wait until what is under way has ended, then try again");
}

Outcome<> Registry::begin_restore(const Uuid& lun, const Uuid& snapshot) {
  auto found = find(lun);
  if (!found) return failure(Errc::not_found, fmt::format("there is no LUN {}", lun.to_string()));
  if (found->record.restoring == snapshot) return {};
  const bool kept_out = found->object && found->object->upkeep().state() == UpkeepState::restoring;
  if (kept_out && found->record.restoring)
    return failure(
        Errc::in_use,
        fmt::format("LUN '{}' is being restored from another snapshot", found->record.name),
        "wait until that has ended");
  if (!kept_out)
    if (auto out = keep_out(lun); !out) return out;
  auto locked = lock(found->record.name);
  if (!locked) return locked.error();
  auto saved = save(locked->entry, [&](LunRecord& changed) { changed.restoring = snapshot; });
  if (saved) return {};
  if (auto object = view_of(locked->entry).object)
    std::static_pointer_cast<LunObject>(object)->end_restore(false);
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
