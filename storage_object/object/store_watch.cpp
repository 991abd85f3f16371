// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/store_watch.hpp"

#include <utility>

namespace caisson::object {

StoreWatch::StoreWatch(std::chrono::milliseconds interval, Names names, Look look)
    : names_(std::move(names)),
      look_(std::move(look)),
      thread_([this, interval] { run(interval); }) {}

StoreWatch::~StoreWatch() { stop(); }

void StoreWatch::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::vector<std::string> StoreWatch::busy() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : places_)
    if (place.busy) names.push_back(name);
  return names;
}

void StoreWatch::run(std::chrono::milliseconds interval) {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, interval, [this] { return stopping_; })) {
    lock.unlock();
    for (const auto& name : names_()) {
      auto& place = places_[name];
      if (place.busy.exchange(true)) continue;
      looking_.post(place.lane, [this, name, &place] {
        look_(name);
        place.busy = false;
      });
    }
    lock.lock();
  }
}

}  // namespace caisson::object
