// SPDX-License-Identifier: Apache-2.0
// A change that a host asked for and that needs the object to itself: it waits until
// nothing is in flight, and can be taken back until then.
#pragma once

#include "storage_object/block/block_errc.hpp"
#include "storage_object/object/lun_object.hpp"

namespace caisson::object {

/// Made by `new`, owns itself from queue() on: start() and refuse() see to its end.
struct LunObject::Change {
  InFlightEntry entry;
  std::shared_ptr<LunObject> object;
  ChangeOrigin origin;
  Error recalled{};  ///< while it was not waiting: it shall not begin any more
  bool begun = false;

  Change(std::shared_ptr<LunObject> what, ChangeOrigin who);
  virtual ~Change() = default;
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  /// From now on recall_change() finds it, until it starts.
  void announce();
  /// Enters the tables. It may have ended when this returns.
  void queue();
  /// It has the object to itself, until leave().
  virtual void start() = 0;
  /// Taken back before that: it holds nothing.
  virtual void refuse(Error why) = 0;
  /// It has begun and is announced, and whoever asked for it has waited long enough.
  virtual void hurry() {}

  void leave() { object->in_flight_.leave(entry); }
  void forget();
  /// Runs `then` on the thread that asked.
  template <class Then>
  void resume(Then then) const {
    if (entry.executor == nullptr) return then();
    entry.executor->post(std::move(then));
  }

 private:
  static void granted(InFlightEntry& entry) noexcept;
};

}  // namespace caisson::object
