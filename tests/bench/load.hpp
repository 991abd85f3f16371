// SPDX-License-Identifier: Apache-2.0
// A load of one pattern on one target, and what was measured of it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "tests/bench/target.hpp"

namespace caisson::bench {

/// What one letter of the command line means to the next request.
struct Pattern {
  std::string name;
  unsigned read_percent = 100;
  bool sequential = false;
};

/// randread, randwrite, rw70, seqread, seqwrite; nothing for any other word.
std::optional<Pattern> find_pattern(const std::string& name);

struct Load {
  Pattern pattern;
  std::size_t block = 4096;  ///< bytes of one request
  unsigned depth = 1;        ///< requests outstanding, with a rate at most
  bool durable = false;      ///< writes with FUA
  double rate = 0;  ///< requests a second, each due at a time of its own from which its latency
                    ///< counts, however late it could be sent; 0 is as many as the depth allows
  std::uint64_t region_start = 0;  ///< bytes
  std::uint64_t region = 0;        ///< bytes; 0 is to the end of the disk
  std::chrono::duration<double> warm_up{0.3};
  std::chrono::duration<double> length{3};
  std::uint64_t requests = 0;  ///< that many end it sooner, give or take the depth; 0 is no limit
  std::uint64_t seed = 1;
  int target_pid = 0;  ///< whose CPU time is measured; 0 is nobody's
};

struct Measured {
  std::uint64_t requests = 0;
  double seconds = 0;
  double p50_us = 0;
  double p99_us = 0;
  double longest_us = 0;     ///< those under way at the end included
  double target_cpu_us = 0;  ///< of all threads of target_pid, in the same time
  double own_cpu_us = 0;     ///< of the load generator
};

/// Runs the load to its end. Throws TargetError.
Measured run(Target& target, const Load& load);

}  // namespace caisson::bench
