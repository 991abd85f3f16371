// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/background_pace.hpp"

#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

/// Hosts that ask less often than that are idle in between.
constexpr std::chrono::milliseconds kIdle{100};

}  // namespace

BackgroundPace::Time BackgroundPace::due(unsigned weight) {
  auto at = now();
  if (busy_.exchange(false, std::memory_order_relaxed)) busy_until_ = at + kIdle;
  if (anew_.exchange(false)) pace_.begin(looked_ = at);
  if (at - looked_ >= HostPace::kWindow) look(at, weight);
  return at + pace_.rest(took_, at < busy_until_, weight);
}

void BackgroundPace::look(Time at, unsigned weight) {
  using Ms = std::chrono::duration<double, std::milli>;
  looked_ = at;
  auto before = pace_.times(weight);
  pace_.note(at, meter_.take(), weight);
  if (auto times = pace_.times(weight); times != before)
    log::debug(
        "background work of LUN {} rests {:.1f} times what it takes: p99 of its hosts is "
        "{:.2f} ms, in the rests {:.2f} ms",
        lun_.to_string(), times, Ms(pace_.all_p99()).count(), Ms(pace_.alone_p99()).count());
}

}  // namespace caisson::snapshot
