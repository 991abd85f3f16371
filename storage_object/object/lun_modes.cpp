// SPDX-License-Identifier: Apache-2.0
// How a LunObject takes over settings that a host changes.
#include <utility>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/lun_object.hpp"

namespace caisson::object {
namespace {

/// Calls `done` on the executor of the thread this was made on; there at once.
std::function<void(Error)> on_this_thread(std::function<void(Error)> done) {
  return [executor = Executor::current(), done = std::move(done)](Error error) {
    if (executor == nullptr || executor == Executor::current()) return done(error);
    executor->post([done, error] { done(error); });
  };
}

}  // namespace

void LunObject::change_modes(std::uint64_t nexus, const ModeChange& change,
                             std::function<void(Error)> done) {
  if (state() == catalog::LunState::offline) return done(block::BlockErrc::offline);
  auto before = modes_.current();
  auto after = changed(before, modes_.saved(), change);
  std::optional<ModeValues> saved;
  if (change.save && modes_.saved() != after) saved = after;
  auto in_force = [self = shared_from_this(), nexus, before, after, saved,
                   done = std::move(done)](Error error) {
    if (error) return done(error);
    self->modes_.set_current(after);
    if (saved) self->modes_.set_saved(*saved);
    if (before != after || saved) self->announce_modes(nexus);
    done({});
  };
  if (before.cache == after.cache && !saved) return in_force({});
  if (!mode_keeper_) return in_force(make_error_code(Errc::unsupported));
  mode_keeper_(after, saved, on_this_thread(std::move(in_force)));
}

void LunObject::restore_modes() {
  auto saved = modes_.saved();
  auto cache = modes_.current().cache;
  auto current = saved;
  current.cache = cache;
  modes_.set_current(current);
  if (cache == saved.cache || !mode_keeper_) return;
  mode_keeper_(saved, std::nullopt, [self = shared_from_this()](Error error) {
    if (error)
      log::warning("LUN {}: its cache mode stays as it is after a reset: {}",
                   self->identity()->name, error.message());
  });
}

void LunObject::announce_modes(std::uint64_t nexus) {
  std::lock_guard lock(observers_mutex_);
  for (auto* observer : observers_) observer->on_modes_changed(nexus);
}

}  // namespace caisson::object
