// SPDX-License-Identifier: Apache-2.0
// Work on a chain's lane that its caller waits for: inside this folder only.
#pragma once

#include <chrono>
#include <future>
#include <type_traits>

#include "snapshot/chain/chain.hpp"

namespace caisson::snapshot {

/// After the lane has ended, here.
template <class Job>
auto Chain::on_lane(Job job) {
  std::promise<std::invoke_result_t<Job>> promise;
  auto result = promise.get_future();
  if (!parts_.threads->post(lane_, [&] { promise.set_value(job()); })) return job();
  return result.get();
}

inline std::int64_t Chain::wall_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             parts_.clock->wall().time_since_epoch())
      .count();
}

}  // namespace caisson::snapshot
