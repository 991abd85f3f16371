// SPDX-License-Identifier: Apache-2.0
// Cuts a program's power before each of its operations in turn, each time in
// several ways.
#pragma once

#include <gtest/gtest.h>

#include <boost/system/system_error.hpp>
#include <cstdint>
#include <functional>

#include "tests/support/sim_store.hpp"

namespace caisson::tests {

struct PowerCuts {
  std::uint64_t first_cut = 0;     ///< number of the operation
  std::uint64_t last_cut = ~0ULL;  ///< or the program's end, if that is earlier
  std::uint64_t first_seed = 0;
  std::uint64_t seeds_per_cut = 20;
};

/// For each cut: copies `start` (as if all of it were durable), lets `work` run
/// on it until the power goes, and hands `check` what seeds_per_cut machines
/// would find. `finished` tells it that the work had ended before the cut. Ends
/// with a cut after the last operation. `work` may throw system_error, as
/// Result::value() does; it must be deterministic for a failure to be repeated:
/// the trace of a failure names the two numbers to put into `cuts`. Returns the
/// number of machines checked.
inline std::uint64_t for_each_power_cut(
    const SimStore& start, const PowerCuts& cuts, const std::function<void(SimStore&)>& work,
    const std::function<void(SimStore&, bool finished)>& check) {
  std::uint64_t checked = 0;
  for (auto cut = cuts.first_cut; cut <= cuts.last_cut; ++cut) {
    auto run = start.settled();
    run->cut_at(cut);
    try {
      work(*run);
    } catch (const boost::system::system_error&) {
      EXPECT_TRUE(run->is_cut()) << "the work failed by itself before operation " << cut;
    }
    auto finished = !run->is_cut();
    for (std::uint64_t i = 0; i < cuts.seeds_per_cut; ++i, ++checked) {
      SCOPED_TRACE(::testing::Message()
                   << "first_cut = " << cut << ", first_seed = " << cuts.first_seed + i);
      check(*run->power_cut(cuts.first_seed + i), finished);
      if (::testing::Test::HasFatalFailure()) return checked;
    }
    if (finished) break;
  }
  return checked;
}

}  // namespace caisson::tests
