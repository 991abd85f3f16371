// SPDX-License-Identifier: Apache-2.0
// What a list of changes costs, beside the extent maps of the two files alone:
//   bench_snapshot_changes DIRECTORY [BLOCKS]
// in a directory of a file system that shares blocks. It makes a sparse disk of 1 TiB with
// a snapshot, writes BLOCKS (100,000) scattered blocks, cuts another snapshot, and lists
// what lies between: while the new one is read through the container, and when both are
// whole; then the same once more. The budget is two seconds. The maps are read as
// `filefrag -s` does.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <set>
#include <vector>

#include "snapshot/chain/capture_device.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/object/container_data.hpp"
#include "storage_object/posix/posix_store.hpp"
#include "tests/support/sim_random.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::uint64_t kCapacity = std::uint64_t{1} << 40;

class Silent final : public ChainObserver, public Pacer {
 public:
  void on_whole(const Uuid&, const Member&) override {}
  bool on_invalid(const Uuid&, std::span<const std::shared_ptr<Member>>,
                  const std::string&) override {
    return true;
  }
  bool on_gone(const Uuid&, const Member&) override { return true; }
  void at(Clock::time_point, std::function<void()>) override {}
};

template <class Work>
double seconds(Work work) {
  auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

std::size_t read_map(file_store::File& file) {
  std::vector<file_store::MapExtent> room(4096);
  std::size_t extents = 0;
  for (std::uint64_t at = 0; at < kCapacity;) {
    auto page = file.extent_map(at, kCapacity - at, room).value();
    extents += page.count;
    at = page.end;
  }
  return extents;
}

class Bench {
 public:
  explicit Bench(file_store::Store& store) : store_(store) {
    auto made = store_.create_unnamed({}).value();
    made->resize(kCapacity).value();
    store_.publish(*made, "disk.img").value();
    source_ = store_.open("disk.img", {}).value();
    auto data = std::make_unique<object::ContainerData>(
        source_, source_, object::DataOptions{.geometry = {kCapacity, 512, 4096}});
    ChainParts parts{.lun = lun_,
                     .place = {&store_, "bench", folder_of("disk")},
                     .live = data.get(),
                     .source = source_,
                     .threads = &threads_,
                     .pacer = &silent_,
                     .policy = &policy_,
                     .observer = &silent_};
    chain_ = Chain::open(parts, {});
    device_ = std::make_unique<CaptureDevice>(std::move(data), chain_);
  }

  Uuid cut() {
    MapHeader header;
    header.snapshot = Uuid::random();
    header.lun = lun_;
    header.lun_name = "disk";
    header.sequence = ++cuts_;
    header.name = fmt::format("s{}", cuts_);
    header.capacity = kCapacity;
    header.unit = std::uint64_t{64} << 10;
    auto member = chain_->prepare(header).value();
    chain_->switch_to(member);
    chain_->commit(member).value();
    return header.snapshot;
  }
  void finish() {
    while (chain_->step()) {
    }
  }
  void scatter(std::size_t blocks) {
    tests::SimRandom random(cuts_);
    std::vector<std::byte> data(kChangeBlock, std::byte{'x'});
    std::set<std::uint64_t> written;
    while (written.size() < blocks) {
      auto block = random.below(kCapacity / kChangeBlock);
      written.insert(block);
      IoVec memory{data.data(), data.size()};
      block::IoRequest request;
      request.op = block::IoOp::write;
      request.offset = block * kChangeBlock;
      request.length = data.size();
      request.buffers = {&memory, 1};
      if (block::perform(*device_, request)) std::abort();
    }
    file_store::sync(*source_).value();
  }
  void measure(const std::string& what, const Uuid& from, const Uuid& to) {
    auto newer = chain_->find(to);
    std::shared_ptr<file_store::File> files[] = {chain_->find(from)->image().value(),
                                                 newer->whole() ? newer->image().value() : source_};
    std::size_t extents = 0, runs = 0, calls = 0;
    auto maps = seconds([&] {
      for (const auto& file : files) extents += read_map(*file);
    });
    std::vector<Changed> room(4096);
    auto list = seconds([&] {
      for (std::uint64_t at = 0; at < kCapacity; ++calls) {
        auto page = chain_->changes(from, to, at, room).value();
        runs += page.count;
        at = page.next;
      }
    });
    fmt::print("{:<42} {} runs in {} calls: {:.3f} s; maps of {} extents alone {:.3f} s: {:.2f}\n",
               what, runs, calls, list, extents, maps, list / maps);
  }

 private:
  file_store::Store& store_;
  Silent silent_;
  ChainPolicy policy_;
  ControlThreads threads_;
  const Uuid lun_ = Uuid::random();
  std::uint64_t cuts_ = 0;
  std::shared_ptr<file_store::File> source_;
  std::shared_ptr<Chain> chain_;
  std::unique_ptr<CaptureDevice> device_;
};

}  // namespace
}  // namespace caisson::snapshot

int main(int argc, char** argv) {
  using namespace caisson;
  auto store = argc > 1 ? posix::PosixStore::at(argv[1])
                        : Outcome<std::unique_ptr<posix::PosixStore>>(
                              failure(Errc::invalid_argument, "usage: DIRECTORY [BLOCKS]"));
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    return 2;
  }
  snapshot::Bench bench(**store);
  auto blocks = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 100'000;
  auto older = bench.cut();
  bench.finish();
  for (const char* onto : {"onto holes", "among as many others"}) {
    bench.scatter(blocks);
    auto newer = bench.cut();
    bench.measure(fmt::format("{}, through the container", onto), older, newer);
    bench.finish();
    bench.measure(fmt::format("{}, both whole", onto), older, newer);
    older = newer;
  }
  return 0;
}
