// SPDX-License-Identifier: Apache-2.0
// How full the stores are: looked at by the thread that watches each, told to the
// LUNs on it and to the administrator.
#include <fmt/format.h>

#include "storage_object/base/log.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {
namespace {

constexpr const char* kReachedKind = "store.space_low";
constexpr const char* kRearmedKind = "store.space_back";

void sample(LunObject& object, const file_store::Space& space) {
  auto used = object.allocated();
  if (used) object.publish_space({space.capacity, space.available, *used});
}

std::string reached_text(const std::string& store, unsigned percent,
                         const file_store::Space& space) {
  return fmt::format(
      "store '{}' is {} % full: {} of {} bytes are left; when none are, writes to new blocks of "
      "thin LUNs fail",
      store, percent, space.available, space.capacity);
}

}  // namespace

/// A first look, before hosts see the object.
void Registry::sample_space(LunObject& object, file_store::Store& store) {
  if (auto space = store.space(); space) sample(object, *space);
}

void Registry::watch_space(const std::string& name, const std::vector<EntryPtr>& served) {
  auto* where = store(name);
  if (where == nullptr) return;
  auto space = where->space();
  if (!space || space->capacity == 0) return;
  for (const auto& entry : served) {
    if (stopping()) return;
    std::shared_ptr<LunObject> object;
    {
      std::lock_guard lock(mutex_);
      object = entry->object;
    }
    if (object) sample(*object, *space);
  }
  SoftThresholds::Crossed crossed;
  {
    std::lock_guard lock(mutex_);
    crossed = thresholds_[name].look(space->capacity, space->available);
  }
  tell_space(name, crossed, *space);
}

void Registry::tell_space(const std::string& name, const SoftThresholds::Crossed& crossed,
                          const file_store::Space& space) {
  for (std::size_t i = 0; i < kSoftThresholds.size(); ++i) {
    const auto& threshold = kSoftThresholds[i];
    const auto bit = std::uint32_t{1} << i;
    if ((crossed.reached & bit) != 0) {
      auto text = reached_text(name, threshold.reached, space);
      log::warning("{}", text);
      note_event(kReachedKind, name, text);
    }
    if ((crossed.rearmed & bit) != 0) {
      auto text = fmt::format("store '{}' is less than {} % full again: {} of {} bytes are left",
                              name, threshold.rearmed, space.available, space.capacity);
      log::info("{}", text);
      note_event(kRearmedKind, name, text);
    }
  }
}

}  // namespace caisson::object
