// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/writers.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "storage_object/posix/system.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::posix::tests {
namespace {

using caisson::tests::TempDir;

constexpr std::size_t kBlock = 4096;

struct Write {
  FileRequest request;
  Operation operation;
  std::vector<std::byte> data;
  IoVec vector{};

  void prepare(Descriptor& file, std::uint64_t offset, std::byte content) {
    data.assign(kBlock, content);
    vector = {data.data(), kBlock};
    request.op = FileOp::write;
    request.offset = offset;
    request.length = kBlock;
    request.buffers = {&vector, 1};
    ASSERT_TRUE(operation.begin(request, file));
  }
};

class WritersTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kFiles = 6;
  WritersTest() {
    for (std::size_t i = 0; i < kFiles; ++i) {
      auto path = dir_.path() / std::to_string(i);
      opened_[i] = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
      files_[i].number = opened_[i].get();
    }
  }
  /// Waits as an engine does until that many operations have been collected.
  template <class Threads>
  void collect(std::size_t count, Threads& writers) {
    while (count > 0) {
      pollfd waiting{wake_.number(), POLLIN, 0};
      ASSERT_EQ(::poll(&waiting, 1, 30'000), 1);
      std::uint64_t counter = 0;
      ASSERT_EQ(::read(wake_.number(), &counter, sizeof counter), 8);
      auto done = writers.finished();
      while (auto* operation = done.pop()) {
        EXPECT_FALSE(operation->error());
        --count;
      }
    }
  }
  std::byte first_byte(std::size_t file, std::size_t block) {
    std::byte value{};
    EXPECT_EQ(::pread(files_[file].number, &value, 1, static_cast<off_t>(block * kBlock)), 1);
    return value;
  }

  TempDir dir_;
  EventDescriptor wake_;
  OperationQueue refused_;
  std::array<UniqueFd, kFiles> opened_;
  std::array<Descriptor, kFiles> files_;
};

TEST_F(WritersTest, EveryWriteIsMadeAndToldOf) {
  Writers writers(wake_);
  std::array<Write, 100> writes;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    writes[i].prepare(files_[i % 3], i * kBlock, static_cast<std::byte>(i));
    ASSERT_TRUE(writers.take(writes[i].operation));
    if (i % 7 == 0) writers.submit(refused_);
  }
  writers.submit(refused_);
  collect(writes.size(), writers);
  EXPECT_EQ(writers.in_flight(), 0U);
  for (std::size_t i = 0; i < writes.size(); ++i)
    EXPECT_EQ(first_byte(i % 3, i), static_cast<std::byte>(i));
}

TEST_F(WritersTest, AFileHoldsOneThreadAndWhatFindsNoneIsRefused) {
  Writers writers(wake_);
  std::array<Write, kFiles + 1> writes;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < kFiles; ++i) {
    writes[i].prepare(files_[i], 0, std::byte{1});
    taken += writers.take(writes[i].operation) ? 1 : 0;
  }
  EXPECT_EQ(taken, 4U) << "as many files as threads";
  writes[kFiles].prepare(files_[0], kBlock, std::byte{2});
  EXPECT_TRUE(writers.take(writes[kFiles].operation)) << "of a file that has one";
  writers.submit(refused_);
  collect(taken + 1, writers);
  Write again;
  again.prepare(files_[kFiles - 1], 0, std::byte{3});
  EXPECT_TRUE(writers.take(again.operation)) << "a thread is free again";
  writers.submit(refused_);
  collect(1, writers);
}

TEST_F(WritersTest, WithoutAThreadTheWritesAreGivenBack) {
  bool limited = true;
  Writers writers(wake_, [&](std::function<void()> work) {
    if (limited) throw std::system_error(EAGAIN, std::generic_category());
    return std::thread(std::move(work));
  });
  std::array<Write, 3> writes;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    writes[i].prepare(files_[0], i * kBlock, std::byte{1});
    ASSERT_TRUE(writers.take(writes[i].operation));
  }
  writers.submit(refused_);
  EXPECT_EQ(writers.in_flight(), 0U);
  for (auto& write : writes) EXPECT_EQ(refused_.pop(), &write.operation);
  EXPECT_TRUE(refused_.empty());
  limited = false;
  for (auto& write : writes) ASSERT_TRUE(writers.take(write.operation));
  writers.submit(refused_);
  collect(writes.size(), writers);
  EXPECT_EQ(first_byte(0, 2), std::byte{1});
}

TEST_F(WritersTest, OneWorkerDoesWhatTwoWereWantedFor) {
  int started = 0;
  Workers workers(2, wake_, [&](std::function<void()> work) {
    if (++started > 1) throw std::system_error(EAGAIN, std::generic_category());
    return std::thread(std::move(work));
  });
  std::array<Write, 8> writes;
  OperationQueue batch;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    writes[i].prepare(files_[0], i * kBlock, std::byte{1});
    batch.push(writes[i].operation);
  }
  workers.submit(batch);
  EXPECT_GT(started, 1);
  collect(writes.size(), workers);
  EXPECT_EQ(first_byte(0, 7), std::byte{1});
}

TEST_F(WritersTest, AFailureIsTheOperationsOwn) {
  Writers writers(wake_);
  Descriptor closed;  // -1
  Write bad;
  bad.prepare(closed, 0, std::byte{1});
  ASSERT_TRUE(writers.take(bad.operation));
  writers.submit(refused_);
  pollfd waiting{wake_.number(), POLLIN, 0};
  ASSERT_EQ(::poll(&waiting, 1, 30'000), 1);
  auto done = writers.finished();
  ASSERT_EQ(done.pop(), &bad.operation);
  EXPECT_EQ(bad.operation.error().value(), EBADF);
}

}  // namespace
}  // namespace caisson::posix::tests
