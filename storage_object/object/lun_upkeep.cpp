// SPDX-License-Identifier: Apache-2.0
// How a LunObject is formatted and sanitized: hosts are kept out from the moment
// nothing of theirs is in flight. What a crash interrupts of a sanitize is a
// failed sanitize at the next start; of a format, nothing that anyone relied on.
#include <algorithm>
#include <utility>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/object/lun_object.hpp"

namespace caisson::object {

using block::BlockErrc;

struct LunObject::UpkeepStart {
  InFlightEntry entry;
  std::shared_ptr<LunObject> object;
  UpkeepOrigin origin;
  UpkeepRequest request;
  std::function<void(Error)> begun, done;
  Error recalled{};  // before it was told that it has the object

  static void granted(InFlightEntry& entry) noexcept {
    static_cast<UpkeepStart*>(entry.owner)->start();
  }

  /// Alone with the object: whoever comes later is refused.
  void start() {
    forget();
    auto before = object->upkeep_.state();
    if (recalled) return refuse(recalled);
    if (origin.nexus != 0 && !object->reservations_.permits(origin.nexus, CommandClass::write))
      return refuse(BlockErrc::conflict);
    if (object->state() == catalog::LunState::offline) return refuse(BlockErrc::offline);
    if (object->state() == catalog::LunState::failed) return refuse(BlockErrc::failed);
    if (!object->upkeep_.begin(request)) return refuse(BlockErrc::busy);
    object->in_flight_.leave(entry);
    if (object->upkeep_.state() != UpkeepState::sanitizing) return go_on();
    object->upkeep_keeper_(UpkeepState::sanitizing, request.may_be_left,
                           [this, before](Error error) {
                             auto then = [this, before, error] {
                               if (!error) return go_on();
                               object->upkeep_.restore(before, object->upkeep_.may_be_left());
                               answer(error);
                             };
                             if (entry.executor == nullptr) return then();
                             entry.executor->post(then);
                           });
  }

  void forget() {
    std::lock_guard lock(object->changes_mutex_);
    std::erase(object->starts_, this);
  }

  void refuse(Error error) {
    object->in_flight_.leave(entry);
    answer(error);
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

void LunObject::start_upkeep(UpkeepOrigin origin, UpkeepRequest request,
                             std::function<void(Error)> begun, std::function<void(Error)> done) {
  auto sanitizes = request.kind != UpkeepRequest::Kind::format;
  if (features_.read_only) return begun(BlockErrc::write_protected);
  if (sanitizes && shares_blocks_.load()) return begun(make_error_code(Errc::in_use));
  if (sanitizes && !upkeep_keeper_) return begun(make_error_code(Errc::unsupported));
  auto* start = new UpkeepStart{
      {}, shared_from_this(), origin, std::move(request), std::move(begun), std::move(done)};
  start->entry.end = kWholeEnd;
  start->entry.hold = Hold::all;
  start->entry.executor = Executor::current();
  start->entry.owner = start;
  start->entry.granted = UpkeepStart::granted;
  {
    std::lock_guard lock(changes_mutex_);
    starts_.push_back(start);
  }
  if (in_flight_.enter(start->entry)) start->start();
}

void LunObject::recall_upkeep(const void* task, BlockErrc why) noexcept {
  UpkeepStart* start;  // stays: it begins on this thread
  {
    std::lock_guard lock(changes_mutex_);
    auto at = std::ranges::find_if(starts_, [&](const auto* one) {
      return one->origin.task == task && one->entry.executor != nullptr &&
             one->entry.executor == Executor::current();
    });
    if (at == starts_.end()) return;
    start = *at;
  }
  if (!in_flight_.withdraw(start->entry)) {
    start->recalled = why;
    return;
  }
  start->forget();
  start->answer(why);
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
