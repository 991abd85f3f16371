// SPDX-License-Identifier: Apache-2.0
// Work on a chain's lane that its caller waits for: inside this folder only.
#pragma once

#include <chrono>
#include <future>

#include "snapshot/chain/chain.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {

/// While one that is true lives, close() waits: the parts may be used.
class Chain::Use {
 public:
  explicit Use(const Chain& chain) : chain_(chain) {
    chain_.users_.fetch_add(1);
    open_ = !chain_.closed_.load();
  }
  ~Use() {
    if (chain_.users_.fetch_sub(1) == 1) chain_.users_.notify_all();
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  explicit operator bool() const noexcept { return open_; }
  static Failure refused() { return failure(Errc::offline, "the LUN is not served any more"); }

 private:
  const Chain& chain_;
  bool open_;
};

template <class Job>
Outcome<> Chain::on_lane(Job job) {
  Outcome<> result;
  std::promise<void> done;
  {
    Use use(*this);
    if (!use || !parts_.threads->post(lane_, [&] {
          result = job();
          done.set_value();
        }))
      return Use::refused();
  }
  done.get_future().wait();
  return result;
}

inline std::int64_t Chain::wall_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             parts_.clock->wall().time_since_epoch())
      .count();
}

}  // namespace caisson::snapshot
