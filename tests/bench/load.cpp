// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/load.hpp"

#include <time.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <vector>

namespace caisson::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// CPU time of a whole process, its io_uring workers included, in microseconds.
double cpu_time_us(int pid) {
  clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
  timespec time{};
  if (pid != 0 && clock_getcpuclockid(pid, &clock) != 0) throw TargetError("no such process");
  if (clock_gettime(clock, &time) != 0) throw TargetError("no CPU time of that process");
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

class Generator {
 public:
  Generator(Target& target, const Load& load)
      : target_(target),
        load_(load),
        random_(load.seed),
        blocks_((load.region != 0 ? load.region : target.capacity() - load.region_start) /
                load.block),
        memory_(allocate(load.block * load.depth)) {
    if (blocks_ == 0) throw TargetError("the region is smaller than one request");
    for (std::size_t i = 0; i < load.block * load.depth; i += sizeof(std::uint64_t)) {
      const std::uint64_t word = random_();
      std::copy_n(reinterpret_cast<const std::byte*>(&word), sizeof(word), memory_.get() + i);
    }
    slots_.resize(load.depth);
    latencies_.reserve(1 << 20);
  }

  Measured measure() {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      slots_[i].buffer = {memory_.get() + i * load_.block, load_.block};
      idle_.push_back(&slots_[i]);
    }
    due_ = Clock::now();
    run_until(Clock::now() + std::chrono::duration_cast<Clock::duration>(load_.warm_up));
    latencies_.clear();
    const auto began = Clock::now();
    const double target_cpu = load_.target_pid != 0 ? cpu_time_us(load_.target_pid) : 0;
    const double own_cpu = cpu_time_us(0);
    run_until(began + std::chrono::duration_cast<Clock::duration>(load_.length));
    Measured result;
    result.seconds = std::chrono::duration<double>(Clock::now() - began).count();
    if (load_.target_pid != 0) result.target_cpu_us = cpu_time_us(load_.target_pid) - target_cpu;
    result.own_cpu_us = cpu_time_us(0) - own_cpu;
    result.requests = latencies_.size();
    drain();
    summarise(result);
    return result;
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };

  static std::unique_ptr<std::byte, Free> allocate(std::size_t size) {
    constexpr std::size_t kPage = 4096;
    auto* memory = std::aligned_alloc(kPage, (size + kPage - 1) / kPage * kPage);
    if (memory == nullptr) throw std::bad_alloc();
    return std::unique_ptr<std::byte, Free>(static_cast<std::byte*>(memory));
  }

  void launch(Slot& slot, Clock::time_point due) {
    const std::uint64_t block = load_.pattern.sequential ? next_++ % blocks_ : random_() % blocks_;
    slot.offset = load_.region_start + block * load_.block;
    slot.write = random_() % 100 >= load_.pattern.read_percent;
    slot.durable = slot.write && load_.durable;
    slot.started = due;
    ++outstanding_;
    target_.start(slot);
  }

  /// What has to be sent now: as many as are idle, or those that are due.
  void launch_all() {
    const auto now = Clock::now();
    const auto pause = std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(load_.rate > 0 ? 1 / load_.rate : 0));
    for (; !idle_.empty() && due_ <= now; idle_.pop_back(), due_ += pause)
      launch(*idle_.back(), load_.rate > 0 ? due_ : Clock::now());
  }

  void collect(std::optional<Clock::time_point> until) {
    completed_.clear();
    if (until && load_.rate > 0 && !idle_.empty()) {
      target_.wait_until(completed_, std::min(due_, *until));
    } else {
      target_.wait(completed_);
    }
    const auto now = Clock::now();
    for (const Slot* slot : completed_) latencies_.push_back(now - slot->started);
    outstanding_ -= completed_.size();
    idle_.insert(idle_.end(), completed_.begin(), completed_.end());
  }

  void run_until(Clock::time_point end) {
    do {  // at least once, however late the machine lets us run
      launch_all();
      collect(end);
    } while (Clock::now() < end && (load_.requests == 0 || latencies_.size() < load_.requests));
  }

  void drain() {
    const auto counted = latencies_.size();
    while (outstanding_ != 0) collect(std::nullopt);
    if (counted == 0) throw TargetError("no request ended in time");
    longest_ = *std::ranges::max_element(latencies_);
    latencies_.resize(counted);
  }

  void summarise(Measured& result) {
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [&](double share) {
      const auto index = static_cast<std::size_t>(share * static_cast<double>(latencies_.size()));
      return std::chrono::duration<double, std::micro>(
                 latencies_[std::min(index, latencies_.size() - 1)])
          .count();
    };
    result.p50_us = at(0.5);
    result.p99_us = at(0.99);
    result.longest_us = std::chrono::duration<double, std::micro>(longest_).count();
  }

  Target& target_;
  const Load& load_;
  std::mt19937_64 random_;
  std::uint64_t blocks_;
  std::uint64_t next_ = 0;
  std::unique_ptr<std::byte, Free> memory_;
  std::vector<Slot> slots_;
  std::vector<Slot*> idle_;
  Clock::time_point due_;
  std::size_t outstanding_ = 0;
  std::vector<Slot*> completed_;
  std::vector<Clock::duration> latencies_;
  Clock::duration longest_{};
};

}  // namespace

std::optional<Pattern> find_pattern(const std::string& name) {
  static const std::array kPatterns{
      Pattern{"randread", 100, false}, Pattern{"randwrite", 0, false}, Pattern{"rw70", 70, false},
      Pattern{"seqread", 100, true},   Pattern{"seqwrite", 0, true},
  };
  const auto* const found = std::ranges::find(kPatterns, name, &Pattern::name);
  if (found == kPatterns.end()) return std::nullopt;
  return *found;
}

Measured run(Target& target, const Load& load) { return Generator(target, load).measure(); }

}  // namespace caisson::bench
