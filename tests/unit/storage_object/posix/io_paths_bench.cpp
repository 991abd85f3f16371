// SPDX-License-Identifier: Apache-2.0
// What one 4 KiB I/O costs on each way to the kernel, in
// batches as a connection makes them. Run: bench_posix_io_paths DIRECTORY.
// Prints medians of interleaved rounds; compare within one run only.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <random>
#include <vector>

#include "storage_object/posix/posix_store.hpp"
#include "storage_object/posix/thread_pool_engine.hpp"
#include "storage_object/posix/uring_engine.hpp"

namespace {

using namespace caisson;
using EngineMaker = std::function<std::unique_ptr<IoEngine>()>;

constexpr std::uint64_t kFile = 512ULL << 20;
constexpr std::size_t kBlock = 4096;
constexpr int kRounds = 7;

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);  // with io-wq and pool threads
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Keeps `depth` requests outstanding; what completed in one turn goes out again
/// together in the next.
class Load {
 public:
  Load(file_store::File& file, file_store::FileOp op, std::size_t depth)
      : file_(file), slots_(depth) {
    for (auto& slot : slots_) {
      slot.memory = Buffer(kBlock);
      slot.vector = slot.memory.iovec();
      slot.request.op = op;
      slot.request.length = kBlock;
      slot.request.buffers = {&slot.vector, 1};
      slot.request.owner = this;
      slot.request.complete = [](file_store::FileRequest& done) noexcept {
        auto& self = *static_cast<Load*>(done.owner);
        if (done.error) std::abort();
        self.ready_.push_back(&done);
      };
      ready_.push_back(&slot.request);
    }
  }

  void run(IoEngine* engine, std::size_t total) {
    std::size_t submitted = 0;
    while (submitted < total || ready_.size() < slots_.size()) {
      auto batch = std::exchange(ready_, std::move(spare_));
      ready_.clear();
      for (auto* request : batch)
        if (submitted < total) {
          ++submitted;
          request->offset = random_() % (kFile / kBlock) * kBlock;
          file_.submit(*request);
        } else {
          ready_.push_back(request);
        }
      spare_ = std::move(batch);
      if (engine != nullptr && engine->submit_and_reap() == 0 && engine->in_flight() != 0)
        wait(*engine);
    }
  }

 private:
  static void wait(IoEngine& engine) {
    pollfd waiting{engine.event_descriptor(), POLLIN, 0};
    ::poll(&waiting, 1, -1);
    std::uint64_t count = 0;
    [[maybe_unused]] auto got = ::read(engine.event_descriptor(), &count, sizeof count);
  }

  struct Slot {
    file_store::FileRequest request;
    Buffer memory;
    IoVec vector{};
  };
  file_store::File& file_;
  std::mt19937_64 random_{42};
  std::vector<Slot> slots_;
  std::vector<file_store::FileRequest*> ready_, spare_;
};

struct Way {
  const char* name;
  EngineMaker make;
};

struct Case {
  const char* name;
  file_store::FileOp op;
  bool direct;
  bool cold;
  std::size_t depth;
  std::size_t count;
};

struct Sample {
  double cpu_us, iops;
};

Sample measure(posix::PosixStore& store, const Case& c, const Way& way) {
  auto engine = way.make ? way.make() : nullptr;
  auto file = store.open("bench.img", {.direct = c.direct}).value();
  if (c.cold) {
    file->sync_all().value();
    ::posix_fadvise(static_cast<posix::PosixFile&>(*file).descriptor(), 0, 0, POSIX_FADV_DONTNEED);
  }
  Load load(*file, c.op, c.depth);
  auto cpu = cpu_seconds();
  auto start = std::chrono::steady_clock::now();
  load.run(engine.get(), c.count);
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return {1e6 * (cpu_seconds() - cpu) / static_cast<double>(c.count),
          static_cast<double>(c.count) / took.count()};
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

void compare(posix::PosixStore& store, const Case& c, std::span<const Way> ways) {
  std::vector<std::vector<double>> cpu(ways.size()), iops(ways.size());
  for (int round = 0; round < kRounds; ++round)
    for (std::size_t i = 0; i < ways.size(); ++i) {
      auto sample = measure(store, c, ways[i]);
      cpu[i].push_back(sample.cpu_us);
      iops[i].push_back(sample.iops);
    }
  for (std::size_t i = 0; i < ways.size(); ++i)
    fmt::print("{:24} {:16} {:7.2f} us  {:5.2f}x  {:9.0f} IOPS\n", c.name, ways[i].name,
               median(cpu[i]), median(cpu[i]) / median(cpu[0]), median(iops[i]));
}

void make_file(posix::PosixStore& store) {
  static_cast<void>(store.remove("bench.img"));  // of a run that was stopped
  auto file = store.create_unnamed({}).value();
  std::vector<std::byte> mib(1 << 20, std::byte{'x'});
  for (std::uint64_t at = 0; at < kFile; at += mib.size()) write_at(*file, at, mib).value();
  store.publish(*file, "bench.img").value();
  file->sync_all().value();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: {} DIRECTORY\n", argv[0]);
    return 2;
  }
  auto store = posix::PosixStore::at(argv[1]).value();
  make_file(*store);
  const Way kWays[] = {
      {"ring", [] { return std::make_unique<posix::UringEngine>(); }},
      {"threads", [] { return std::make_unique<posix::ThreadPoolEngine>(); }},
      {"syscall", nullptr},
  };
  using file_store::FileOp;
  const Case kCases[] = {
      {"read cached, depth 1", FileOp::read, false, false, 1, 100'000},
      {"read cached", FileOp::read, false, false, 32, 200'000},
      {"read cold", FileOp::read, false, true, 32, 30'000},
      {"read direct", FileOp::read, true, false, 32, 30'000},
      {"write cached", FileOp::write, false, false, 32, 50'000},
      {"write direct", FileOp::write, true, false, 32, 30'000},
  };
  for (const auto& c : kCases) compare(*store, c, kWays);
  return store->remove("bench.img") ? 0 : 1;
}
