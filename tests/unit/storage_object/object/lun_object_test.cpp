// SPDX-License-Identifier: Apache-2.0
// An object under I/O, on a real file system and its engines.
#include "storage_object/object/lun_object.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/io_thread.hpp"
#include "storage_object/posix/engine.hpp"
#include "storage_object/posix/posix_store.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using block::BlockErrc;
using block::IoOp;
using block::IoRequest;
using catalog::CacheMode;

constexpr std::uint64_t kMiB = 1 << 20;

/// Where direct I/O works: the build directory, if /tmp is a tmpfs.
class PosixMachine final : public object::RegistryObserver {
 public:
  PosixMachine() {
    std::filesystem::create_directory(dir_.path() / "store");
    catalog_ = std::move(catalog::Catalog::open({.path = dir_.path() / "catalog.db"}).value());
    object::RegistryOptions options;
    options.catalog = catalog_.get();
    options.node = "node";
    options.open_store =
        [](const catalog::StoreRecord& record) -> Outcome<std::unique_ptr<file_store::Store>> {
      auto store = posix::PosixStore::at(record.location);
      if (!store) return store.error();
      return std::unique_ptr<file_store::Store>(std::move(*store));
    };
    registry_ = object::ObjectRegistry::make(options);
    registry_->start(*this).value();
    registry_->add_store({.name = "main", .location = dir_.path() / "store"}).value();
  }
  void on_served(const std::shared_ptr<object::StorageObject>&) override {}
  void on_withdrawn(const std::shared_ptr<object::StorageObject>&) override {}
  std::string file(const std::string& lun) const { return dir_.path() / "store" / (lun + ".img"); }
  object::ObjectRegistry& registry() { return *registry_; }

 private:
  TempDir dir_{std::filesystem::current_path()};
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<object::ObjectRegistry> registry_;
};

class ObjectIo : public ::testing::TestWithParam<CacheMode> {
 protected:
  void SetUp() override {
    auto made = machine_.registry().create({.name = "db", .capacity = kMiB, .cache = GetParam()});
    if (!made && GetParam() == CacheMode::none && made.error().code == Errc::unsupported)
      GTEST_SKIP() << made.error().message;
    ASSERT_TRUE(made) << made.error().message;
    object_ = made->object;
  }

  PosixMachine machine_;
  std::shared_ptr<object::StorageObject> object_;
};

/// One writer that keeps a request in flight on an I/O thread, round by round.
struct Writer {
  Writer(object::StorageObject& disk, std::uint64_t at, int times)
      : object(disk), offset(at), rounds(times) {}

  object::StorageObject& object;
  std::uint64_t offset;
  int rounds;
  std::promise<Error> done;
  int round = 0;
  std::vector<std::byte> data = std::vector<std::byte>(512);
  IoVec memory{};
  IoRequest request{};

  void next() {
    std::ranges::fill(data, std::byte(round + 1));
    memory = {data.data(), data.size()};
    request = {};
    request.op = IoOp::write;
    request.offset = offset;
    request.length = data.size();
    request.buffers = {&memory, 1};
    request.owner = this;
    request.complete = [](IoRequest& finished) noexcept {
      auto& self = *static_cast<Writer*>(finished.owner);
      if (finished.error || ++self.round == self.rounds) return self.done.set_value(finished.error);
      Executor::current()->post([&self] { self.next(); });
    };
    object.submit(request);
    IoThread::current()->flush();
  }
};

TEST_P(ObjectIo, SixteenWritersOnNeighbouringBlocksLoseNoUpdate) {
  constexpr int kRounds = 40;
  IoThread one("io0", [] { return posix::make_engine(); });
  IoThread two("io1", [] { return posix::make_engine(); });
  std::vector<std::unique_ptr<Writer>> writers;
  writers.reserve(16);
  for (int i = 0; i < 16; ++i)
    writers.push_back(std::make_unique<Writer>(*object_, 4096 + 512u * i, kRounds));
  for (int i = 0; i < 16; ++i)
    (i % 2 ? one : two).post([writer = writers[i].get()] { writer->next(); });
  for (auto& writer : writers) EXPECT_EQ(writer->done.get_future().get(), Error());
  auto data = filled(16 * 512, 0);
  EXPECT_EQ(read(*object_, 4096, data), Error());
  EXPECT_EQ(data, filled(16 * 512, kRounds));
}

TEST_P(ObjectIo, AnotherReaderOfTheFileSeesEveryCompletedWrite) {
  int fd = ::open(machine_.file("db").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  for (int round = 1; round < 64; ++round) {
    std::uint64_t offset = 512u * ((round * 37) % 64);
    ASSERT_EQ(write(*object_, offset, filled(1536, round)), Error());
    auto seen = filled(1536, 0);
    ASSERT_EQ(::pread(fd, seen.data(), seen.size(), static_cast<off_t>(offset)), 1536);
    ASSERT_EQ(seen, filled(1536, round));
  }
  ::close(fd);
}

TEST_P(ObjectIo, SubBlockWritesBesideAlignedOverwritesOfTheSameBlock) {
  IoThread one("io0", [] { return posix::make_engine(); });
  Writer small{*object_, 1024, 200};
  one.post([&] { small.next(); });
  for (int i = 0; i < 200; ++i) ASSERT_EQ(write(*object_, 4096, filled(4096, i)), Error());
  EXPECT_EQ(small.done.get_future().get(), Error());
  auto data = filled(512, 0);
  EXPECT_EQ(read(*object_, 1024, data), Error());
  EXPECT_EQ(data, filled(512, 200));
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(write(*object_, 4096, filled(4096, i)), Error());
    ASSERT_EQ(write(*object_, 4608, filled(512, 99)), Error());
    auto block = filled(4096, 0);
    ASSERT_EQ(read(*object_, 4096, block), Error());
    auto expected = filled(4096, i);
    std::fill_n(expected.begin() + 512, 512, std::byte{99});
    ASSERT_EQ(block, expected);
  }
}

TEST_P(ObjectIo, UnalignedMemoryAndRangesAreReadAndWrittenRightly) {
  std::vector<std::byte> memory(9000);
  auto piece = std::span(memory).subspan(3, 3 * 512);
  for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = std::byte(i * 7);
  ASSERT_EQ(write(*object_, 3584, piece), Error());
  auto back = std::span(memory).subspan(5001, 3 * 512);
  ASSERT_EQ(read(*object_, 3584, back), Error());
  EXPECT_TRUE(std::ranges::equal(piece, back));
}

TEST_P(ObjectIo, UnmapAndZeroesReadAsZerosToTheLastBlockAndNoFurther) {
  auto expected = filled(64 * 1024, 5);
  std::fill_n(expected.begin() + 512, 32 * 1024, std::byte{0});
  if (object_->features().unmap) {
    ASSERT_EQ(write(*object_, 0, filled(64 * 1024, 5)), Error());
    ASSERT_EQ(simple(*object_, IoOp::unmap, 512, 32 * 1024), Error());
    auto data = filled(64 * 1024, 1);
    ASSERT_EQ(read(*object_, 0, data), Error());
    EXPECT_EQ(data, expected);
  }
  for (bool may_unmap : {false, true}) {
    ASSERT_EQ(write(*object_, 0, filled(64 * 1024, 5)), Error());
    ASSERT_EQ(simple(*object_, IoOp::write_zeroes, 512, 32 * 1024, may_unmap), Error());
    auto data = filled(64 * 1024, 1);
    ASSERT_EQ(read(*object_, 0, data), Error());
    EXPECT_EQ(data, expected);
  }
}

TEST_P(ObjectIo, CombinedWritesReadAndReplaceAtOnce) {
  auto combine = [this](block::Combine how, std::span<const std::byte> bytes) {
    IoVec memory{const_cast<std::byte*>(bytes.data()), bytes.size()};
    IoRequest request;
    request.op = IoOp::write;
    request.combine = how;
    request.offset = 512;
    request.length = 512;
    request.buffers = {&memory, 1};
    auto error = block::perform(*object_, request);
    return std::pair(error, request.mismatch);
  };
  ASSERT_EQ(write(*object_, 0, filled(2048, 5)), Error());
  EXPECT_EQ(combine(block::Combine::set_bits, filled(512, 0x0a)).first, Error());
  auto data = filled(2048, 0);
  ASSERT_EQ(read(*object_, 0, data), Error());
  EXPECT_EQ(data[511], std::byte{5});
  EXPECT_EQ(data[512], std::byte{0x0f});
  EXPECT_EQ(data[1023], std::byte{0x0f});
  EXPECT_EQ(data[1024], std::byte{5});
  auto pair = filled(1024, 0x0f);
  std::fill_n(pair.begin() + 512, 512, std::byte{7});
  EXPECT_EQ(combine(block::Combine::replace_if_equal, pair).first, Error());
  pair[3] = pair[0] = pair[1] = pair[2] = std::byte{7};
  auto [error, mismatch] = combine(block::Combine::replace_if_equal, pair);
  EXPECT_EQ(error, BlockErrc::miscompare);
  EXPECT_EQ(mismatch, 4u);
  ASSERT_EQ(read(*object_, 0, data), Error());
  EXPECT_EQ(data[512], std::byte{7});
  EXPECT_EQ(data[1023], std::byte{7});
  EXPECT_EQ(data[1024], std::byte{5});
}

TEST_P(ObjectIo, ChecksRangeAlignmentPermissionAndEpoch) {
  auto data = filled(512, 1);
  EXPECT_EQ(write(*object_, kMiB, data), BlockErrc::out_of_range);
  EXPECT_EQ(write(*object_, ~std::uint64_t{511}, data), BlockErrc::out_of_range);
  EXPECT_EQ(write(*object_, 256, data), BlockErrc::misaligned);
  EXPECT_EQ(read(*object_, 0, std::span(data).first(100)), BlockErrc::misaligned);
  IoVec memory{data.data(), data.size()};
  IoRequest request;
  request.op = IoOp::write;
  request.length = 512;
  request.buffers = {&memory, 1};
  request.context.read_only = true;
  EXPECT_EQ(block::perform(*object_, request), BlockErrc::write_protected);
  request.context.read_only = false;
  request.context.epoch = 77;
  EXPECT_EQ(block::perform(*object_, request), BlockErrc::fenced);
  request.context.epoch = 1;
  EXPECT_EQ(block::perform(*object_, request), Error());
  EXPECT_EQ(object_->accounting().writes, 6u);
  EXPECT_EQ(object_->accounting().errors, 6u);
  EXPECT_EQ(object_->accounting().written_bytes, 512u);
}

TEST_P(ObjectIo, StatusTellsDataFromHoles) {
  ASSERT_EQ(write(*object_, 512 * 1024, filled(64 * 1024, 5)), Error());
  std::array<block::StatusExtent, 8> extents;
  IoRequest request;
  request.op = IoOp::status;
  request.length = kMiB;
  request.status = extents;
  ASSERT_EQ(block::perform(*object_, request), Error());
  ASSERT_GE(request.status_count, 1u);
  std::uint64_t at = 0;
  bool seen = false;
  for (std::size_t i = 0; i < request.status_count; ++i) {
    EXPECT_EQ(extents[i].offset, at);
    at += extents[i].length;
    seen = seen || (extents[i].allocated && extents[i].offset <= 512 * 1024 && at > 512 * 1024);
  }
  EXPECT_TRUE(seen);
}

TEST_P(ObjectIo, ResetTellsEveryObserver) {
  struct Observer final : object::ObjectObserver {
    int resets = 0;
    void on_object_event(object::ObjectEvent event) noexcept override {
      resets += event == object::ObjectEvent::reset;
    }
  } observer;
  object_->subscribe(observer);
  EXPECT_EQ(object_->reset(), Error());
  EXPECT_EQ(observer.resets, 1);
  object_->unsubscribe(observer);
  EXPECT_EQ(object_->reset(), Error());
  EXPECT_EQ(observer.resets, 1);
}

// Where direct I/O needs whole 4 KiB blocks (as on xfs), every 512-byte write is
// a read-modify-write.
TEST(ObjectRewrite, SixteenWritersInsideOneDirectBlockLoseNoUpdate) {
  constexpr int kRounds = 100;
  SimOptions options;
  options.traits.direct_alignment = 4096;
  options.asynchronous = true;
  SimStore disk(options);
  Machine machine(disk);
  auto object = machine.make("db", kMiB, CacheMode::none);
  ASSERT_TRUE(object);
  IoThread one("io0", [] { return posix::make_engine(); });
  IoThread two("io1", [] { return posix::make_engine(); });
  std::vector<std::unique_ptr<Writer>> writers;
  writers.reserve(16);
  for (int i = 0; i < 16; ++i)
    writers.push_back(std::make_unique<Writer>(*object, 4096 + 512u * i, kRounds));
  for (int i = 0; i < 16; ++i)
    (i % 2 ? one : two).post([writer = writers[i].get()] { writer->next(); });
  for (int i = 0; i < 100; ++i) ASSERT_EQ(write(*object, 16384, filled(4096, i)), Error());
  for (auto& writer : writers) EXPECT_EQ(writer->done.get_future().get(), Error());
  auto data = filled(16 * 512, 0);
  EXPECT_EQ(read(*object, 4096, data), Error());
  EXPECT_EQ(data, filled(16 * 512, kRounds));
}

TEST(ObjectRewrite, AFullStoreFailsWritesUntilSpaceReturns) {
  SimStore disk;
  Machine machine(disk);
  auto object = machine.make("db", kMiB);
  disk.inject({.op = SimOp::write, .times = 3, .error = ENOSPC});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(write(*object, 0, filled(512, 1)), BlockErrc::no_space);
  EXPECT_EQ(write(*object, 0, filled(512, 2)), Error());
  EXPECT_EQ(flush(*object), Error());
}

INSTANTIATE_TEST_SUITE_P(Modes, ObjectIo,
                         ::testing::Values(CacheMode::writeback, CacheMode::none,
                                           CacheMode::writethrough));

}  // namespace
}  // namespace caisson::tests
