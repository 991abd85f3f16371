// SPDX-License-Identifier: Apache-2.0
// How a LunObject takes over settings that a host changes.
#include <optional>
#include <utility>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/lun_change.hpp"

namespace caisson::object {
namespace {

ModeValues with_cache(ModeValues values, catalog::CacheMode cache) {
  values.cache = cache;
  return values;
}

}  // namespace

/// What is dirty is flushed before anybody has to wait.
struct LunObject::ModeSwitch final : Change {
  ModeChange change;
  std::function<void(Error)> done;
  block::IoRequest flush;
  ModeValues before, after;  ///< from start() on

  ModeSwitch(std::shared_ptr<LunObject> what, ChangeOrigin who, const ModeChange& how,
             std::function<void(Error)> tell)
      : Change(std::move(what), who), change(how), done(std::move(tell)) {}

  void begin() {
    announce();
    if (object->modes_after(change).cache == object->cache_mode()) return queue();
    flush.op = block::IoOp::flush;
    flush.owner = this;
    flush.complete = [](block::IoRequest& request) noexcept {
      static_cast<ModeSwitch*>(request.owner)->queue();  // a failure is the object's
    };
    object->submit(flush);
  }

  void start() override {
    if (object->state() == catalog::LunState::offline) return end(block::BlockErrc::offline);
    before = object->modes_.current();
    after = object->modes_after(change);
    bool save = change.save && object->modes_.saved() != after;
    if (after.cache == object->cache_mode() && !save) return in_force();
    auto saved = save ? std::optional(after) : std::nullopt;
    object->mode_keeper_(after, saved, [this, saved](Error error) {
      resume([this, saved, error] {
        if (error) return end(error);
        if (saved) object->modes_.set_saved(*saved);
        in_force();
      });
    });
  }

  void refuse(Error why) override { answer(why); }

  /// Beside what others may have changed meanwhile.
  void in_force() {
    auto& modes = object->modes_;
    if (change.write_cache) object->cache_is_due_ = false;
    auto now = modes.update([&](ModeValues current) {
      return with_cache(changed(current, modes.saved(), change), after.cache);
    });
    if (before != now.second || change.save) object->announce_modes(origin.nexus);
    end({});
  }

  void end(Error error) {
    leave();
    answer(error);
  }

  void answer(Error error) {
    std::unique_ptr<ModeSwitch> self(this);
    done(error);
  }
};

ModeValues LunObject::modes_after(const ModeChange& change) const noexcept {
  auto saved = modes_.saved();
  auto current = modes_.current();
  if (cache_is_due_) current.cache = saved.cache;
  return changed(current, saved, change);
}

void LunObject::change_modes(ChangeOrigin origin, const ModeChange& change,
                             std::function<void(Error)> done) {
  auto after = modes_after(change);
  bool saves = change.save && modes_.saved() != after;
  if (after.cache == cache_mode() && !saves) {  // nothing that others wait for
    if (state() == catalog::LunState::offline) return done(block::BlockErrc::offline);
    if (change.write_cache) cache_is_due_ = false;  // a later word than the reset's
    auto [before, now] = modes_.update([&](ModeValues current) {
      return with_cache(changed(current, modes_.saved(), change), current.cache);
    });
    if (before != now) announce_modes(origin.nexus);
    return done({});
  }
  if (!mode_keeper_) return done(make_error_code(Errc::unsupported));
  (new ModeSwitch(shared_from_this(), origin, change, std::move(done)))->begin();
}

/// The cache mode follows when nothing is in flight: nobody else waits for that.
void LunObject::restore_modes() {
  auto saved = modes_.saved();
  modes_.update([&](ModeValues current) { return with_cache(saved, current.cache); });
  if (cache_mode() == saved.cache || !cache_restorer_) return;
  cache_is_due_ = true;
  cache_restorer_();
}

void LunObject::announce_modes(std::uint64_t nexus) {
  std::lock_guard lock(observers_mutex_);
  for (auto* observer : observers_) observer->on_modes_changed(nexus);
}

}  // namespace caisson::object
