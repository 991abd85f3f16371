// SPDX-License-Identifier: Apache-2.0
// What thousands of snapshots cost on a store that copies blocks:
//   bench_snapshot_many DIRECTORY [SNAPSHOTS [BLOCKS]]
// makes SNAPSHOTS (4096) of a sparse disk of 1 TiB, each with BLOCKS (300) scattered
// captured blocks, by their maps alone, and takes them up four times: with no index, with
// the one that a process left which was killed, with one that is not believed after a power
// cut (the cache is warm nevertheless), and with one that was closed. Then it reads
// the oldest and the newest in turn. The budgets: a restart in 2 s, 64 MiB of memory, the
// oldest at twice the cost of the newest.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "snapshot/chain/capture_device.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/object/container_data.hpp"
#include "storage_object/posix/posix_store.hpp"
#include "tests/support/sim_random.hpp"

namespace caisson::snapshot {
namespace {

using tests::SimRandom;

constexpr std::uint64_t kCapacity = std::uint64_t{1} << 40;

class Silent final : public ChainObserver, public Pacer {
 public:
  void on_whole(const Uuid&, const Member&) override {}
  bool on_invalid(const Uuid&, std::span<const std::shared_ptr<Member>>,
                  const std::string& why) override {
    fmt::print("a snapshot is lost: {}\n", why);
    return true;
  }
  bool on_gone(const Uuid&, const Member&) override { return true; }
  void at(Clock::time_point, std::function<void()>) override {}
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double resident() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t all = 0, pages = 0;
  file >> all >> pages;
  return static_cast<double>(pages * 4096) / (1 << 20);
}

std::size_t descriptors() {
  auto all = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

class Bench {
 public:
  Bench(file_store::Store& store, std::string directory, std::uint64_t snapshots,
        std::uint64_t blocks)
      : store_(store), index_(directory + "/index.db") {
    auto made = store_.create_unnamed({}).value();
    made->resize(kCapacity).value();
    store_.publish(*made, "disk.img").value();
    make(snapshots, blocks);
  }

  void begin(const char* what, const std::string& boot) {
    auto before = resident(), began = now();
    source_ = store_.open("disk.img", {}).value();
    auto data = std::make_unique<object::ContainerData>(
        source_, source_, object::DataOptions{.geometry = {kCapacity, 512, 4096}});
    chain_ = Chain::open({.lun = {},
                          .place = place_,
                          .live = data.get(),
                          .source = source_,
                          .threads = &threads_,
                          .pacer = &silent_,
                          .policy = &policy_,
                          .observer = &silent_,
                          .index = index_,
                          .boot = boot},
                         known_);
    fmt::print("{}: {:.2f} s, {:.1f} MiB more, {} descriptors\n", what, now() - began,
               resident() - before, descriptors());
    device_ = std::make_unique<CaptureDevice>(std::move(data), chain_);
  }
  void end() {
    device_.reset();
    chain_.reset();
  }
  /// What is there while a process lives is what it leaves when it is killed.
  void kill() {
    std::filesystem::copy_file(index_, index_ + ".left");
    end();
    std::filesystem::rename(index_ + ".left", index_);
  }

  void settle() {
    auto began = now();
    int steps = 0;
    while (chain_->step()) ++steps;
    fmt::print("background: {} steps, {:.2f} s\n", steps, now() - began);
  }

  void read(std::uint64_t length, int times) {
    auto newest = known_.back().uuid, oldest = known_.front().uuid;
    std::vector<double> ratios;
    double sum[2] = {};
    for (int round = 0; round < 7; ++round) {
      auto of_newest = read(newest, length, times), of_oldest = read(oldest, length, times);
      ratios.push_back(of_oldest / of_newest);
      sum[0] += of_newest;
      sum[1] += of_oldest;
    }
    std::ranges::sort(ratios);
    fmt::print("read {:4} KiB: newest {:.2f} us, oldest {:.2f} us, ratio {:.2f}\n", length >> 10,
               sum[0] / 7 / times * 1e6, sum[1] / 7 / times * 1e6, ratios[3]);
  }
  void finish() {
    fmt::print("after reading: {:.1f} MiB in all, {} descriptors\n", resident(), descriptors());
  }

 private:
  void make(std::uint64_t snapshots, std::uint64_t blocks) {
    place_.make().value();
    SimRandom random(1);
    for (std::uint64_t i = 1; i <= snapshots; ++i) {
      MapHeader header;
      header.snapshot = Uuid::random();
      header.lun = Uuid::random();
      header.lun_name = "disk";
      header.name = fmt::format("s{}", i);
      header.sequence = i;
      header.capacity = kCapacity;
      header.primitive = Primitive::copy;
      header.unit = unit_for(Primitive::copy);
      make_one(header, blocks, random);
      known_.push_back({header.snapshot, header.name, i, kCapacity});
    }
  }

  void make_one(const MapHeader& header, std::uint64_t blocks, SimRandom& random) {
    auto map = store_.create_unnamed({}).value(), image = store_.create_unnamed({}).value();
    auto writer = MapWriter::create(*map, header.name, header).value();
    std::vector<Run> runs;
    for (std::uint64_t block = 0; block < blocks; ++block)
      runs.push_back({random.below(kCapacity / kPreImageBlock), 1});
    std::ranges::sort(runs);
    writer.append(Cut{1}).value();
    writer.append(Captured{runs}).value();
    writer.flush().value();
    image->resize(kCapacity).value();
    place_.publish(*image, hidden_image_name(header.snapshot)).value();
    place_.publish(*map, map_name(header.snapshot)).value();
  }

  double read(const Uuid& snapshot, std::uint64_t length, int times) {
    std::vector<std::byte> into(length);
    auto began = now();
    for (int i = 0; i < times; ++i)
      chain_->read(snapshot, random_.below((kCapacity - length) / 4096) * 4096, into).value();
    return now() - began;
  }

  file_store::Store& store_;
  const std::string index_;
  const Place place_{&store_, "bench", folder_of("disk")};
  Silent silent_;
  ChainPolicy policy_;
  ControlThreads threads_;
  SimRandom random_{2};
  std::vector<Member::Known> known_;
  std::shared_ptr<file_store::File> source_;
  std::shared_ptr<Chain> chain_;
  std::unique_ptr<CaptureDevice> device_;
};

}  // namespace
}  // namespace caisson::snapshot

int main(int argc, char** argv) {
  using namespace caisson;
  auto store = argc > 1 ? posix::PosixStore::at(argv[1])
                        : Outcome<std::unique_ptr<posix::PosixStore>>(failure(
                              Errc::invalid_argument, "usage: DIRECTORY [SNAPSHOTS [BLOCKS]]"));
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    return 2;
  }
  if (auto prepared = (*store)->prepare(); !prepared) return 2;
  auto number = [&](int at, std::uint64_t otherwise) {
    return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
  };
  snapshot::Bench bench(**store, argv[1], number(2, 4096), number(3, 300));
  bench.begin("without an index", "1");
  bench.kill();
  bench.begin("after a kill", "1");
  bench.kill();
  bench.begin("after a power cut", "2");
  bench.end();
  bench.begin("after a clean stop", "3");
  bench.settle();
  bench.read(4096, 20000);
  bench.read(65536, 5000);
  bench.read(1 << 20, 300);
  bench.finish();
  bench.end();
  return 0;
}
