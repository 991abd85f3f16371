// SPDX-License-Identifier: Apache-2.0
// Sessions come and go, LUNs are reset, tasks aborted, garbage arrives; meanwhile
// verified I/O goes on, in every cache mode: no mismatch, and memory stays flat.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "tests/integration/soak/disturbers.hpp"
#include "tests/integration/soak/region.hpp"
#include "tests/support/running_gateway.hpp"

namespace caisson::tests {
namespace {

using std::chrono::steady_clock;

constexpr std::uint32_t kRegions = 4;         // of each LUN
constexpr std::uint32_t kRegionBlocks = 512;  // 2 MiB each
constexpr std::uint64_t kMostGrowth = 32 << 20;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryTells = false;  // a sanitizer keeps what was freed
#else
constexpr bool kMemoryTells = true;
#endif

std::chrono::seconds length() {
  const char* asked = std::getenv("CAISSON_SOAK_SECONDS");
  return std::chrono::seconds(asked != nullptr ? std::stoi(asked) : 10);
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

class Soak : public ::testing::Test {
 protected:
  /// Runs `work` on a thread of its own; what it throws fails the test.
  template <class Work>
  void start(Work work) {
    threads_.emplace_back([this, work = std::move(work)]() mutable {
      try {
        work();
      } catch (const std::exception& error) {
        std::lock_guard lock(mutex_);
        failures_.emplace_back(error.what());
        stop_ = true;
        failed_.notify_all();
      }
    });
  }

  Place place_of(const std::string& lun) {
    auto portal = gateway_.portal();
    auto port = static_cast<std::uint16_t>(std::stoi(portal.substr(portal.rfind(':') + 1)));
    return {port, gateway_.show(lun).target_name()};
  }

  void serve_region(const Place& place, std::uint32_t number) {
    start([this, place, number] {
      Region region(place, number, kRegionBlocks);
      while (!stop_) region.step();
      region.verify();
      std::lock_guard lock(mutex_);
      total_ += region.counts();
    });
  }

  void begin(const std::string& cache) {
    auto place = place_of(cache);
    for (std::uint32_t number = 0; number < kRegions; ++number) serve_region(place, number);
    start([this, place] { reset_and_abort(place, stop_, disturbed_); });
    start([this, place] { come_and_go(place, stop_, disturbed_); });
    start([this, place] { send_garbage(place, stop_, disturbed_); });
  }

  /// Until then, or until something failed.
  void pass(steady_clock::duration time) {
    std::unique_lock lock(mutex_);
    failed_.wait_for(lock, time, [this] { return stop_.load(); });
  }

  void end() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

  /// The sessions' sockets are closed a moment after their ends.
  bool descriptors_come_back(std::ptrdiff_t to) {
    for (auto until = steady_clock::now() + std::chrono::seconds(20); steady_clock::now() < until;)
      if (open_descriptors() <= to) return true;
    return false;
  }

  RunningGateway gateway_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;  ///< guards the three below
  std::condition_variable failed_;
  std::vector<std::string> failures_;
  RegionCounts total_;
  DisturberCounts disturbed_;
  std::vector<std::thread> threads_;
};

TEST_F(Soak, VerifiedIoGoesOnAndMemoryStaysFlat) {
  const std::array kModes{"writeback", "none", "writethrough"};
  for (const auto* cache : kModes)
    gateway_.create_lun(cache, std::uint64_t{kRegions} * kRegionBlocks * Region::kBlock, cache);
  auto descriptors = open_descriptors();
  for (const auto* cache : kModes) begin(cache);
  pass(length() / 3);
  auto bytes = resident_bytes();
  pass(length() - length() / 3);
  auto grown = static_cast<std::int64_t>(resident_bytes()) - static_cast<std::int64_t>(bytes);
  end();
  for (const auto& failure : failures_) ADD_FAILURE() << failure;
  printf(
      "%lu writes, %lu reads, %lu unmaps, %lu flushes, %lu cut, %lu vanished; %lu resets, %lu "
      "aborts, %lu visits, %lu times garbage; memory %+ld KiB\n",
      total_.writes, total_.reads, total_.unmaps, total_.flushes, total_.cuts, total_.vanished,
      disturbed_.resets.load(), disturbed_.aborts.load(), disturbed_.visits.load(),
      disturbed_.garbage.load(), grown / 1024);
  for (auto count : {total_.writes, total_.reads, total_.unmaps, total_.flushes, total_.cuts,
                     disturbed_.resets.load(), disturbed_.aborts.load(), disturbed_.visits.load(),
                     disturbed_.garbage.load()})
    EXPECT_GT(count, 0u);
  EXPECT_TRUE(descriptors_come_back(descriptors)) << open_descriptors() << " of " << descriptors;
  if (kMemoryTells) {
    EXPECT_LT(grown, static_cast<std::int64_t>(kMostGrowth));
  }
}

}  // namespace
}  // namespace caisson::tests
