// SPDX-License-Identifier: Apache-2.0
// loadgen: one load on one disk over iSCSI or NBD; prints what it measured as JSON.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <string>

#include "tests/bench/load.hpp"
#include "tests/bench/target.hpp"

namespace {

using caisson::bench::Load;
using caisson::bench::Measured;

void print(const std::string& url, const Load& load, const Measured& m) {
  const auto requests = static_cast<double>(m.requests);
  fmt::print(
      "{{\"url\":\"{}\",\"pattern\":\"{}\",\"block\":{},\"depth\":{},\"seconds\":{:.3f},"
      "\"requests\":{},\"iops\":{:.1f},\"mb_per_s\":{:.1f},\"p50_us\":{:.1f},\"p99_us\":{:.1f},"
      "\"max_us\":{:.1f},\"target_cpu_us_per_io\":{:.3f},\"client_cpu_us_per_io\":{:.3f}}}\n",
      url, load.pattern.name, load.block, load.depth, m.seconds, m.requests, requests / m.seconds,
      requests * static_cast<double>(load.block) / m.seconds / 1e6, m.p50_us, m.p99_us,
      m.longest_us, m.target_cpu_us / requests, m.own_cpu_us / requests);
}

int run_load(int argc, char** argv) {
  Load load;
  std::string url;
  std::string pattern = "randread";
  double seconds = 3;
  double warm_up = 0.3;
  CLI::App app{"One load on one disk over iSCSI or NBD; prints JSON."};
  app.add_option("url", url, "iscsi://HOST:PORT/IQN/LUN, nbd://HOST:PORT, file:PATH or tcp:")
      ->required();
  app.add_option("--pattern", pattern, "randread, randwrite, rw70, seqread, seqwrite");
  app.add_option("--block", load.block, "bytes of one request")->transform(CLI::AsSizeValue(false));
  app.add_option("--depth", load.depth, "requests outstanding")->check(CLI::Range(1, 1024));
  app.add_option("--seconds", seconds, "length of the measurement")->check(CLI::PositiveNumber);
  app.add_option("--warm-up", warm_up, "seconds before it")->check(CLI::NonNegativeNumber);
  app.add_option("--start", load.region_start, "first byte")->transform(CLI::AsSizeValue(false));
  app.add_option("--region", load.region, "bytes, 0: all")->transform(CLI::AsSizeValue(false));
  app.add_option("--rate", load.rate,
                 "requests a second instead, over iSCSI; a latency counts from when "
                 "its request was due")
      ->check(CLI::PositiveNumber);
  app.add_option("--requests", load.requests, "end after so many, if that is sooner");
  app.add_flag("--durable", load.durable, "writes with FUA");
  app.add_option("--seed", load.seed, "of offsets and data");
  app.add_option("--target-pid", load.target_pid, "process whose CPU time is measured");
  CLI11_PARSE(app, argc, argv);
  const auto found = caisson::bench::find_pattern(pattern);
  if (!found || load.block == 0 || load.block % 512 != 0) {
    fmt::print(stderr, "loadgen: no such pattern, or a block that is no multiple of 512\n");
    return 2;
  }
  load.pattern = *found;
  load.length = std::chrono::duration<double>(seconds);
  load.warm_up = std::chrono::duration<double>(warm_up);
  const auto target = caisson::bench::open_target(url);
  print(url, load, caisson::bench::run(*target, load));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run_load(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "loadgen: {}\n", error.what());
    return 1;
  }
}
