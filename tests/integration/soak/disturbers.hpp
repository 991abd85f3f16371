// SPDX-License-Identifier: Apache-2.0
// What goes on beside verified I/O: resets and aborts, sessions that come and go,
// peers that send garbage. Each runs on its own thread until `stop`.
#pragma once

#include <atomic>
#include <cstdint>

#include "tests/integration/soak/region.hpp"

namespace caisson::tests {

struct DisturberCounts {
  std::atomic<std::uint64_t> resets = 0, aborts = 0, visits = 0, garbage = 0;
};

void reset_and_abort(const Place& place, const std::atomic<bool>& stop, DisturberCounts& counts);
void come_and_go(const Place& place, const std::atomic<bool>& stop, DisturberCounts& counts);
void send_garbage(const Place& place, const std::atomic<bool>& stop, DisturberCounts& counts);

}  // namespace caisson::tests
