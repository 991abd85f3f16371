// SPDX-License-Identifier: Apache-2.0
// How a LunObject takes over settings that a host changes.
#include <optional>
#include <utility>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/lun_change.hpp"

namespace caisson::object {
namespace {

/// The modes after a change, and what of them is to be saved.
struct Wanted {
  ModeValues current;
  std::optional<ModeValues> saved;
};

}  // namespace

/// What is dirty is flushed before anybody has to wait.
struct LunObject::ModeSwitch final : Change {
  std::function<Wanted(const ModeSettings&)> wanted;
  std::function<void(Error)> done;
  block::IoRequest flush;

  ModeSwitch(std::shared_ptr<LunObject> what, ChangeOrigin who,
             std::function<Wanted(const ModeSettings&)> how, std::function<void(Error)> tell)
      : Change(std::move(what), who), wanted(std::move(how)), done(std::move(tell)) {}

  void begin() {
    announce();
    if (wanted(object->modes_).current.cache == object->cache_mode()) return queue();
    flush.op = block::IoOp::flush;
    flush.owner = this;
    flush.complete = [](block::IoRequest& request) noexcept {
      static_cast<ModeSwitch*>(request.owner)->queue();  // a failure is the object's
    };
    object->submit(flush);
  }

  void start() override {
    if (object->state() == catalog::LunState::offline) return end(block::BlockErrc::offline);
    auto after = wanted(object->modes_);
    if (after.current.cache == object->cache_mode() && !after.saved) return in_force(after, {});
    object->mode_keeper_(after.current, after.saved, [this, after](Error error) {
      resume([this, after, error] { in_force(after, error); });
    });
  }

  void refuse(Error why) override { answer(why); }

  void in_force(const Wanted& after, Error error) {
    auto& modes = object->modes_;
    auto before = modes.current();
    if (error) return end(error);
    modes.set_current(after.current);
    if (after.saved) modes.set_saved(*after.saved);
    if (before != after.current || after.saved) object->announce_modes(origin.nexus);
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

void LunObject::change_modes(ChangeOrigin origin, const ModeChange& change,
                             std::function<void(Error)> done) {
  auto wanted = [change](const ModeSettings& modes) {
    Wanted after{changed(modes.current(), modes.saved(), change), std::nullopt};
    if (change.save && modes.saved() != after.current) after.saved = after.current;
    return after;
  };
  auto after = wanted(modes_);
  if (after.current.cache == cache_mode() && !after.saved) {  // nothing that others wait for
    if (state() == catalog::LunState::offline) return done(block::BlockErrc::offline);
    if (modes_.current() != after.current) {
      modes_.set_current(after.current);
      announce_modes(origin.nexus);
    }
    return done({});
  }
  if (!mode_keeper_) return done(make_error_code(Errc::unsupported));
  (new ModeSwitch(shared_from_this(), origin, wanted, std::move(done)))->begin();
}

void LunObject::restore_modes() {
  auto saved = modes_.saved();
  auto current = saved;
  current.cache = cache_mode();
  modes_.set_current(current);
  if (current.cache == saved.cache || !mode_keeper_) return;
  auto wanted = [](const ModeSettings& modes) { return Wanted{modes.saved(), std::nullopt}; };
  auto told = [self = shared_from_this()](Error error) {
    if (error)
      log::warning("LUN {}: its cache mode stays as it is after a reset: {}",
                   self->identity()->name, error.message());
  };
  (new ModeSwitch(shared_from_this(), {}, wanted, told))->begin();
}

void LunObject::announce_modes(std::uint64_t nexus) {
  std::lock_guard lock(observers_mutex_);
  for (auto* observer : observers_) observer->on_modes_changed(nexus);
}

}  // namespace caisson::object
