// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "storage_object/base/executor.hpp"
#include "tests/support/sim_store.hpp"

namespace caisson::tests {
namespace {

using file_store::File;
using file_store::FileOp;
using file_store::FileRequest;
using file_store::sync;
using file_store::write_at;

std::unique_ptr<File> make(SimStore& store, const std::string& name) {
  auto file = store.create_unnamed().value();
  store.publish(*file, name).value();
  return file;
}

Result<> write(File& file, std::uint64_t offset, const std::string& text) {
  return write_at(file, offset, std::as_bytes(std::span(text)));
}

TEST(SimFault, HitsTheOperationsAskedForAndNoOthers) {
  SimStore store;
  auto file = make(store, "a");
  store.inject({.op = SimOp::write, .skip = 1, .times = 2, .error = EIO});
  EXPECT_TRUE(write(*file, 0, "1").has_value());
  EXPECT_EQ(write(*file, 0, "2").error().value(), EIO);
  EXPECT_TRUE(sync(*file).has_value());
  EXPECT_EQ(write(*file, 0, "3").error().value(), EIO);
  EXPECT_TRUE(write(*file, 1, "4").has_value());
  EXPECT_EQ(store.content("a"), (std::vector{std::byte{'1'}, std::byte{'4'}}));
}

TEST(SimFault, EveryKindOfOperationCanFail) {
  SimStore store;
  auto file = make(store, "a");
  std::byte memory[1];
  using Call = std::function<Error()>;
  auto error_of = [](const auto& result) { return result ? Error() : result.error(); };
  const std::pair<SimOp, Call> kCalls[] = {
      {SimOp::write, [&] { return error_of(write(*file, 0, "x")); }},
      {SimOp::punch, [&] { return error_of(apply(*file, FileOp::punch, 0, 1)); }},
      {SimOp::zero, [&] { return error_of(apply(*file, FileOp::zero, 0, 1)); }},
      {SimOp::allocate, [&] { return error_of(apply(*file, FileOp::allocate, 0, 1)); }},
      {SimOp::sync, [&] { return error_of(sync(*file)); }},
      {SimOp::resize, [&] { return error_of(file->resize(1)); }},
      {SimOp::sync_all, [&] { return error_of(file->sync_all()); }},
      {SimOp::create, [&] { return error_of(store.create_unnamed()); }},
      {SimOp::publish, [&] { return error_of(store.publish(*file, "b")); }},
      {SimOp::rename, [&] { return error_of(store.rename("a", "b")); }},
      {SimOp::remove, [&] { return error_of(store.remove("a")); }},
      {SimOp::make_directory, [&] { return error_of(store.make_directory("d")); }},
      {SimOp::sync_names, [&] { return error_of(store.sync_names()); }},
      {SimOp::read, [&] { return error_of(read_at(*file, 0, memory)); }},
      {SimOp::attributes, [&] { return error_of(file->attributes()); }},
      {SimOp::lock, [&] { return error_of(file->lock_owner()); }},
      {SimOp::open, [&] { return error_of(store.open("a")); }},
      {SimOp::list, [&] { return error_of(store.list()); }},
      {SimOp::look_up, [&] { return error_of(store.look_up("a.img")); }},
      {SimOp::space, [&] { return error_of(store.space()); }},
  };
  for (const auto& [op, call] : kCalls) {
    store.inject({.op = op, .error = ENOMEM});
    EXPECT_EQ(call().value(), ENOMEM) << static_cast<int>(op);
    store.clear_faults();
  }
}

TEST(SimFault, AFullStoreSaysSoAndGoesOnWhenSpaceReturns) {
  SimStore store({.capacity = 16 * 4096});
  auto file = make(store, "a");
  EXPECT_TRUE(write(*file, 0, std::string(10 * 4096, 'x')).has_value());
  EXPECT_EQ(write(*file, 8 * 4096, std::string(9 * 4096, 'x')).error().value(), ENOSPC);
  EXPECT_EQ(apply(*file, FileOp::allocate, 1 << 20, 7 * 4096).error().value(), ENOSPC);
  EXPECT_TRUE(write(*file, 0, std::string(4096, 'y')).has_value());
  EXPECT_EQ(store.space()->available, 6U * 4096);
  EXPECT_TRUE(apply(*file, FileOp::punch, 0, 5 * 4096).has_value());
  EXPECT_EQ(store.space()->available, 11U * 4096);
  store.remove("a").value();
  EXPECT_EQ(store.space()->available, 11U * 4096) << "the handle still holds it";
  file.reset();
  EXPECT_EQ(store.space()->available, 16U * 4096);
}

TEST(SimFault, AHungWriteTakesEffectWhenReleased) {
  SimStore store;
  auto file = make(store, "a");
  store.inject({.op = SimOp::write, .hang = true});
  char text[] = "old";
  IoVec vector{text, 3};
  bool done = false;
  FileRequest request;
  request.op = FileOp::write;
  request.length = 3;
  request.buffers = {&vector, 1};
  request.owner = &done;
  request.complete = [](FileRequest& r) noexcept { *static_cast<bool*>(r.owner) = true; };
  file->submit(request);
  EXPECT_FALSE(done);
  EXPECT_EQ(store.hanging(), 1U);
  EXPECT_TRUE(write(*file, 0, "new").has_value());
  store.release();
  EXPECT_TRUE(done);
  EXPECT_FALSE(request.error);
  EXPECT_EQ(store.content("a")[0], std::byte{'o'});
}

TEST(SimFault, AHungBlockingCallReturnsWhenReleased) {
  SimStore store;
  auto file = make(store, "a");
  store.inject({.op = SimOp::sync_all, .error = EIO, .hang = true});
  auto synced = std::async(std::launch::async, [&] { return file->sync_all(); });
  while (store.hanging() == 0) std::this_thread::yield();
  store.release();
  EXPECT_EQ(synced.get().error().value(), EIO);
}

/// Collects what is posted to it, on the thread that made it.
class Collector final : public Executor {
 public:
  Collector() { set_current(this); }
  ~Collector() override { set_current(nullptr); }
  void post(std::function<void()> work) override { posted.push_back(std::move(work)); }
  std::vector<std::function<void()>> posted;
};

TEST(SimFault, AsynchronousCompletionsGoThroughTheExecutor) {
  SimStore store({.asynchronous = true});
  auto file = make(store, "a");
  Collector executor;
  bool done = false;
  FileRequest request;
  request.op = FileOp::sync;
  request.owner = &done;
  request.complete = [](FileRequest& r) noexcept { *static_cast<bool*>(r.owner) = true; };
  file->submit(request);
  EXPECT_FALSE(done);
  ASSERT_EQ(executor.posted.size(), 1U);
  executor.posted[0]();
  EXPECT_TRUE(done);
}

TEST(SimFault, PlantedNamesAreRefused) {
  SimStore store;
  auto file = make(store, "a");
  store.plant("link", SimKind::symbolic_link);
  store.plant("fifo", SimKind::fifo);
  store.plant_hard_link("a", "b");
  EXPECT_EQ(store.open("link").error().value(), ELOOP);
  EXPECT_EQ(store.open("link/x").error().value(), ELOOP);
  EXPECT_EQ(store.open("fifo").error().value(), EINVAL);
  EXPECT_EQ(store.open("a").error().value(), EMLINK);
  EXPECT_EQ(store.open("b").error().value(), EMLINK);
  EXPECT_EQ(file->attributes()->links, 2U);
}

TEST(SimFault, ManyThreadsMayUseOneStore) {
  SimStore store;
  auto file = make(store, "a");
  constexpr int kThreads = 4;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 200; ++i) {
        auto at = (static_cast<std::uint64_t>(t) * 200 + i) * 64;
        write(*file, at, std::string(64, static_cast<char>('a' + t))).value();
        if (i % 50 == 0) sync(*file).value();
      }
    });
  for (std::uint64_t seed = 0; seed < 20; ++seed) store.power_cut(seed);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(store.content("a").size(), 4U * 200 * 64);
}

}  // namespace
}  // namespace caisson::tests
