// SPDX-License-Identifier: Apache-2.0
// How a LunObject is formatted and sanitized: hosts are kept out from the moment
// nothing of theirs is in flight. What a crash interrupts of a sanitize is a
// failed sanitize at the next start; of a format, nothing that anyone relied on.
#include <utility>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/lun_change.hpp"

namespace caisson::object {

using block::BlockErrc;

struct LunObject::UpkeepStart final : Change {
  UpkeepRequest request;
  std::function<void(Error)> begun, done;

  UpkeepStart(std::shared_ptr<LunObject> what, ChangeOrigin who, UpkeepRequest asked,
              std::function<void(Error)> tell_begun, std::function<void(Error)> tell_done)
      : Change(std::move(what), who),
        request(std::move(asked)),
        begun(std::move(tell_begun)),
        done(std::move(tell_done)) {}

  /// Alone with the object: whoever comes later is refused.
  void start() override {
    auto before = object->upkeep_.state();
    bool could_be_left = object->upkeep_.may_be_left();
    if (auto why = refusal()) {
      leave();
      return answer(why);
    }
    leave();
    if (object->upkeep_.state() != UpkeepState::sanitizing) return go_on();
    auto noted = [this, before, could_be_left](Error error) {
      resume([this, before, could_be_left, error] {
        if (!error) return go_on();
        object->upkeep_.restore(before, could_be_left);
        answer(error);
      });
    };
    object->upkeep_keeper_(UpkeepState::sanitizing, request.may_be_left, std::move(noted));
  }

  void refuse(Error why) override { answer(why); }

  /// Nothing: it has begun.
  Error refusal() const {
    if (origin.nexus != 0 && !object->reservations_.permits(origin.nexus, CommandClass::write))
      return BlockErrc::conflict;
    if (object->state() == catalog::LunState::offline) return BlockErrc::offline;
    if (object->state() == catalog::LunState::failed) return BlockErrc::failed;
    if (!object->upkeep_.begin(request)) return BlockErrc::busy;
    return {};
  }

  void answer(Error error) {
    std::unique_ptr<UpkeepStart> self(this);
    begun(error);
  }

  void go_on() {
    std::unique_ptr<UpkeepStart> self(this);
    begun({});
    auto lun = std::move(object);
    auto ended = [lun, told = std::move(done)](Error error) {
      if (error) log::error("LUN {}: {}", lun->identity()->name, error.message());
      lun->end_upkeep(static_cast<bool>(error), [told, error] { told(error); });
    };
    sweep(lun, lun->upkeep_, std::move(request), std::move(ended));
  }
};

void LunObject::start_upkeep(ChangeOrigin origin, UpkeepRequest request,
                             std::function<void(Error)> begun, std::function<void(Error)> done) {
  request.bytes_per_second = wipe_rate_;
  auto sanitizes = request.kind != UpkeepRequest::Kind::format;
  if (features_.read_only) return begun(BlockErrc::write_protected);
  if (sanitizes && layer_ != nullptr && layer_->shares_blocks())
    return begun(make_error_code(Errc::in_use));
  if (sanitizes && !upkeep_keeper_) return begun(make_error_code(Errc::unsupported));
  auto* start = new UpkeepStart(shared_from_this(), origin, std::move(request), std::move(begun),
                                std::move(done));
  start->announce();
  start->queue();
}

/// The end of a sanitize is durable before hosts may rely on it. Once the object is
/// withdrawn nothing is noted any more: the next start finds it interrupted.
void LunObject::end_upkeep(bool failed, std::function<void()> ended) {
  if (upkeep_.state() != UpkeepState::sanitizing || state() == catalog::LunState::offline) {
    upkeep_.end(failed);
    return ended();
  }
  auto state = failed ? UpkeepState::sanitize_failed : UpkeepState::none;
  upkeep_keeper_(state, upkeep_.may_be_left(),
                 [self = shared_from_this(), failed, executor = Executor::current(),
                  ended = std::move(ended)](Error error) {
                   auto then = [self, failed = failed || error, ended] {
                     self->upkeep_.end(failed);
                     ended();
                   };
                   if (executor == nullptr) return then();
                   executor->post(then);
                 });
}

Error LunObject::begin_restore(std::chrono::milliseconds limit) {
  Pause pause(*this, limit);
  if (!pause.reached()) return BlockErrc::busy;
  if (state() == catalog::LunState::offline) return BlockErrc::offline;
  if (state() == catalog::LunState::failed) return BlockErrc::failed;
  return upkeep_.begin_restore() ? Error() : BlockErrc::busy;
}

void LunObject::end_restore(bool changed) {
  upkeep_.end_restore();
  if (changed) announce(ObjectEvent::online);
}

void LunObject::leave_failed_sanitize(std::function<void(Error)> done) {
  if (state() == catalog::LunState::offline) return done(BlockErrc::offline);
  if (upkeep_.state() == UpkeepState::none) return done({});
  if (upkeep_.state() != UpkeepState::sanitize_failed || !upkeep_.may_be_left() || !upkeep_keeper_)
    return done(make_error_code(Errc::invalid_argument));
  upkeep_keeper_(UpkeepState::none, false,
                 [self = shared_from_this(), executor = Executor::current(),
                  done = std::move(done)](Error error) {
                   auto then = [self, error, done] {
                     if (!error) self->upkeep_.leave_failure();
                     done(error);
                   };
                   if (executor == nullptr) return then();
                   executor->post(then);
                 });
}

}  // namespace caisson::object
