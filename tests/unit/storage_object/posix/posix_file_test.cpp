// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/posix_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <random>
#include <thread>

#include "storage_object/posix/posix_store.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/storage_object/posix/driven.hpp"

namespace caisson::posix::tests {
namespace {

using caisson::tests::TempDir;
using file_store::FileExtent;
using file_store::OpenOptions;

constexpr std::size_t kBlock = 4096;

Buffer filled(std::size_t size, int value) {
  Buffer buffer(size);
  std::memset(buffer.data(), value, size);
  return buffer;
}

class PosixFileTest : public ::testing::TestWithParam<Way> {
 protected:
  std::unique_ptr<file_store::File> make(const std::string& name, OpenOptions options = {}) {
    auto file = store_->create_unnamed(options).value();
    store_->publish(*file, name).value();
    return file;
  }
  std::string raw(const std::string& name) {
    std::ifstream in(dir_.path() / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  TempDir dir_;
  std::unique_ptr<PosixStore> store_ = PosixStore::at(dir_.path()).value();
  Driver driver_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(, PosixFileTest, ::testing::Values(Way::uring, Way::threads, Way::inlined),
                         [](const auto& way) { return name_of(way.param); });

TEST_P(PosixFileTest, WritesAndReadsBack) {
  auto file = make("a.img");
  auto data = filled(3 * kBlock, 'x');
  EXPECT_FALSE(driver_.run(*file, FileOp::write, kBlock, data.span()));
  auto back = filled(3 * kBlock, 0);
  EXPECT_FALSE(driver_.run(*file, FileOp::read, kBlock, back.span()));
  EXPECT_EQ(std::memcmp(data.data(), back.data(), data.size()), 0);
  EXPECT_EQ(raw("a.img"), std::string(kBlock, '\0') + std::string(3 * kBlock, 'x'));
}

TEST_P(PosixFileTest, DurableWriteAndSyncSucceed) {
  auto file = make("a.img");
  auto data = filled(kBlock, 'x');
  EXPECT_FALSE(driver_.run(*file, FileOp::write, 0, data.span(), true));
  EXPECT_FALSE(driver_.run(*file, FileOp::sync));
  EXPECT_TRUE(file->sync_all().has_value());
}

TEST_P(PosixFileTest, ReadPastTheEndIsAnError) {
  auto file = make("a.img");
  ASSERT_TRUE(file->resize(kBlock + 100).has_value());
  auto memory = filled(2 * kBlock, 0);
  EXPECT_EQ(driver_.run(*file, FileOp::read, 0, memory.span()), system_code(EIO));
  EXPECT_EQ(driver_.run(*file, FileOp::read, 10 * kBlock, memory.span()), system_code(EIO));
  EXPECT_FALSE(driver_.run(*file, FileOp::read, 0, memory.span().first(kBlock + 100)));
}

TEST_P(PosixFileTest, ScattersOverMoreVectorsThanOneCallTakes) {
  auto file = make("a.img");
  constexpr std::size_t kPieces = 3000;  // IOV_MAX is 1024
  constexpr std::size_t kPiece = 7;
  std::vector<std::byte> out(kPieces * kPiece), in(out.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(i * 31);
  auto vectors_over = [&](std::vector<std::byte>& memory) {
    std::vector<IoVec> vectors;
    for (std::size_t i = 0; i < kPieces; ++i) vectors.push_back({&memory[i * kPiece], kPiece});
    return vectors;
  };
  for (auto* memory : {&out, &in}) {
    auto vectors = vectors_over(*memory);
    FileRequest request;
    request.op = memory == &out ? FileOp::write : FileOp::read;
    request.offset = 123;
    request.length = memory->size();
    request.buffers = vectors;
    ASSERT_FALSE(driver_.run(*file, request));
  }
  EXPECT_EQ(out, in);
}

TEST_P(PosixFileTest, RefusesContradictoryAndHugeRequests) {
  auto file = make("a.img");
  auto memory = filled(kBlock, 0);
  IoVec vector = memory.iovec();
  FileRequest request;
  request.op = FileOp::write;
  request.length = kBlock + 1;
  request.buffers = {&vector, 1};
  EXPECT_EQ(driver_.run(*file, request), system_code(EINVAL));
  EXPECT_EQ(driver_.run(*file, FileOp::punch, ~std::uint64_t{0} - 4, 8), system_code(EFBIG));
  EXPECT_EQ(driver_.run(*file, FileOp::write, (std::uint64_t{1} << 63) - 5, memory.span()),
            system_code(EFBIG));
  EXPECT_EQ(file->resize(~std::uint64_t{0}).error(), system_code(EFBIG));
}

TEST_P(PosixFileTest, NothingToDoIsDone) {
  auto file = make("a.img");
  EXPECT_FALSE(driver_.run(*file, FileOp::read, 500, 0));
  EXPECT_FALSE(driver_.run(*file, FileOp::write, 500, 0));
  EXPECT_FALSE(driver_.run(*file, FileOp::punch, 500, 0));
  EXPECT_EQ(file->attributes()->size, 0U);
}

TEST_P(PosixFileTest, PunchedRangeReadsAsZerosAndGivesSpaceBack) {
  auto file = make("a.img");
  if (!file->traits().punch) GTEST_SKIP() << "this file system cannot punch holes";
  auto data = filled(64 * kBlock, 'x');
  ASSERT_FALSE(driver_.run(*file, FileOp::write, 0, data.span()));
  ASSERT_FALSE(driver_.run(*file, FileOp::sync));
  auto before = file->attributes().value();
  EXPECT_FALSE(driver_.run(*file, FileOp::punch, 16 * kBlock, 32 * kBlock));
  auto after = file->attributes().value();
  EXPECT_EQ(after.size, before.size);
  EXPECT_LE(after.allocated + 32 * kBlock, before.allocated);
  auto expected = std::string(64 * kBlock, 'x');
  expected.replace(16 * kBlock, 32 * kBlock, 32 * kBlock, '\0');
  EXPECT_EQ(raw("a.img"), expected);
}

TEST_P(PosixFileTest, ZeroedRangeStaysAllocated) {
  auto file = make("a.img");
  if (!file->traits().zero) GTEST_SKIP() << "this file system cannot zero ranges";
  auto data = filled(16 * kBlock, 'x');
  ASSERT_FALSE(driver_.run(*file, FileOp::write, 0, data.span()));
  ASSERT_FALSE(driver_.run(*file, FileOp::sync));
  auto before = file->attributes().value();
  EXPECT_FALSE(driver_.run(*file, FileOp::zero, 4 * kBlock, 4 * kBlock));
  EXPECT_GE(file->attributes()->allocated, before.allocated);
  EXPECT_EQ(raw("a.img").substr(4 * kBlock, 4 * kBlock), std::string(4 * kBlock, '\0'));
  EXPECT_EQ(raw("a.img").size(), 16 * kBlock);
}

TEST_P(PosixFileTest, AllocateKeepsContentAndSize) {
  auto file = make("a.img");
  if (!file->traits().allocate) GTEST_SKIP() << "this file system cannot allocate";
  auto data = filled(kBlock, 'x');
  ASSERT_FALSE(driver_.run(*file, FileOp::write, 0, data.span()));
  EXPECT_FALSE(driver_.run(*file, FileOp::allocate, 0, 1 << 20));
  EXPECT_EQ(raw("a.img"), std::string(kBlock, 'x'));
  EXPECT_GE(file->attributes()->allocated, 1U << 20);
}

TEST_P(PosixFileTest, ExtentsTellDataFromHolesWithoutGaps) {
  auto file = make("a.img");
  if (!file->traits().punch) GTEST_SKIP() << "no holes here";
  constexpr std::uint64_t kMiB = 1 << 20;
  ASSERT_TRUE(file->resize(4 * kMiB).has_value());
  auto data = filled(kMiB, 'x');
  ASSERT_FALSE(driver_.run(*file, FileOp::write, kMiB, data.span()));
  std::array<FileExtent, 8> room;
  FileRequest request;
  request.op = FileOp::extents;
  request.offset = kBlock;
  request.length = 8 * kMiB;  // beyond the end counts as hole
  request.extents = room;
  ASSERT_FALSE(driver_.run(*file, request));
  ASSERT_EQ(request.extent_count, 3U);
  EXPECT_FALSE(room[0].data);
  EXPECT_EQ(room[0].offset, kBlock);
  EXPECT_TRUE(room[1].data);
  EXPECT_EQ(room[1].offset, kMiB);
  EXPECT_EQ(room[1].length, kMiB);
  EXPECT_FALSE(room[2].data);
  EXPECT_EQ(room[2].offset + room[2].length, kBlock + 8 * kMiB);
  request.extents = std::span(room).first(1);
  ASSERT_FALSE(driver_.run(*file, request));
  EXPECT_EQ(request.extent_count, 1U);
}

TEST_P(PosixFileTest, DirectModeBouncesUnalignedMemoryButNotOffsets) {
  if (!store_->traits().direct) GTEST_SKIP() << "no direct I/O here";
  auto file = make("a.img", {.direct = true});
  const auto unit = file->traits().direct_alignment;
  constexpr std::size_t kLong = (3 << 20);  // several bounce buffers
  std::vector<std::byte> out(kLong + 1), in(kLong + 1);
  std::mt19937_64 random(7);
  for (auto& b : out) b = static_cast<std::byte>(random());
  EXPECT_FALSE(driver_.run(*file, FileOp::write, unit, std::span(out).subspan(1)));
  EXPECT_FALSE(driver_.run(*file, FileOp::read, unit, std::span(in).subspan(1)));
  EXPECT_EQ(std::memcmp(&out[1], &in[1], kLong), 0);
  auto memory = filled(kBlock, 'y');
  EXPECT_FALSE(driver_.run(*file, FileOp::write, 0, memory.span()));
  EXPECT_EQ(driver_.run(*file, FileOp::write, 1, memory.span()), system_code(EINVAL));
  EXPECT_EQ(driver_.run(*file, FileOp::read, 0, memory.span().first(100)), system_code(EINVAL));
}

TEST_P(PosixFileTest, DirectReadAtAnUnalignedEndIsAnError) {
  if (!store_->traits().direct) GTEST_SKIP() << "no direct I/O here";
  auto file = make("a.img", {.direct = true});
  ASSERT_TRUE(file->resize(kBlock + 100).has_value());
  auto memory = filled(2 * kBlock, 0);
  EXPECT_EQ(driver_.run(*file, FileOp::read, 0, memory.span()), system_code(EIO));
}

TEST_P(PosixFileTest, WritesBeyondTheFileSizeLimitFailAndNothingHangs) {
  auto file = make("a.img");
  auto* previous = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  rlimit small{.rlim_cur = 8 * kBlock, .rlim_max = old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  auto data = filled(4 * kBlock, 'x');
  auto crossing = driver_.run(*file, FileOp::write, 6 * kBlock, data.span());
  auto inside = driver_.run(*file, FileOp::write, 0, data.span());
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, previous);
  EXPECT_EQ(crossing, system_code(EFBIG));
  EXPECT_FALSE(inside);
}

/// Random requests with many outstanding at once, none overlapping in one
/// round, compared with a plain array.
class Storm {
 public:
  Storm(Driver& driver, file_store::File& file, std::size_t unit, unsigned seed)
      : driver_(driver), file_(file), unit_(unit), random_(seed), model_(kSlots * unit) {}

  void run(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      submit_round();
      driver_.run_until([&] { return outstanding_ == 0; });
      check_round();
    }
  }

 private:
  static constexpr std::size_t kSlots = 512;
  static constexpr std::size_t kSlotsPerRound = 64;

  struct Job {
    FileRequest request;
    std::vector<std::byte> memory;
    IoVec vectors[2];
    std::size_t at = 0;
  };

  void submit_round() {
    jobs_ = std::vector<Job>(kSlotsPerRound);
    std::vector<std::size_t> slots(kSlots);
    std::iota(slots.begin(), slots.end(), 0);
    std::shuffle(slots.begin(), slots.end(), random_);
    for (std::size_t i = 0; i < kSlotsPerRound; ++i) submit(jobs_[i], slots[i] * unit_);
  }

  void submit(Job& job, std::size_t at) {
    constexpr FileOp kOps[] = {FileOp::read,  FileOp::write, FileOp::read,
                               FileOp::write, FileOp::punch, FileOp::sync};
    auto& request = job.request;
    job.at = at;
    request.op = kOps[random_() % std::size(kOps)];
    if (request.op == FileOp::punch && !file_.traits().punch) request.op = FileOp::read;
    request.offset = at;
    request.length = unit_;
    request.durable = random_() % 8 == 0;
    job.memory.resize(unit_);
    auto cut = unit_ / 512 < 2 ? unit_ : (1 + random_() % (unit_ / 512 - 1)) * 512;
    job.vectors[0] = {job.memory.data(), cut};
    job.vectors[1] = {job.memory.data() + cut, unit_ - cut};
    request.buffers = job.vectors;
    if (request.op == FileOp::write) fill(job);
    if (request.op == FileOp::punch) std::fill_n(model_.begin() + at, unit_, std::byte{0});
    request.owner = this;
    request.complete = [](FileRequest& done) noexcept {
      --static_cast<Storm*>(done.owner)->outstanding_;
    };
    ++outstanding_;
    file_.submit(request);
  }

  void fill(Job& job) {
    for (auto& b : job.memory) b = static_cast<std::byte>(random_());
    std::ranges::copy(job.memory, model_.begin() + job.at);
  }

  void check_round() {
    for (const auto& job : jobs_) {
      ASSERT_FALSE(job.request.error) << job.request.error.message();
      if (job.request.op == FileOp::read) {
        ASSERT_TRUE(std::equal(job.memory.begin(), job.memory.end(), model_.begin() + job.at));
      }
    }
  }

  Driver& driver_;
  file_store::File& file_;
  std::size_t unit_;
  std::mt19937 random_;
  std::vector<std::byte> model_;
  std::vector<Job> jobs_;
  std::size_t outstanding_ = 0;
};

TEST_P(PosixFileTest, ThousandsOfRandomRequestsAgreeWithAModel) {
  auto file = make("a.img");
  ASSERT_TRUE(file->resize(512 * kBlock).has_value());
  Storm(driver_, *file, kBlock, 1).run(GetParam() == Way::inlined ? 20 : 60);
}

TEST_P(PosixFileTest, ThousandsOfRandomDirectRequestsAgreeWithAModel) {
  if (!store_->traits().direct) GTEST_SKIP() << "no direct I/O here";
  auto file = make("a.img", {.direct = true});
  ASSERT_TRUE(file->resize(512 * kBlock).has_value());
  Storm(driver_, *file, kBlock, 2).run(GetParam() == Way::inlined ? 20 : 60);
}

TEST_P(PosixFileTest, MoreRequestsThanTheRingHoldsAllComplete) {
  auto file = make("a.img");
  auto data = filled(kBlock, 'x');
  ASSERT_FALSE(driver_.run(*file, FileOp::write, 0, data.span()));
  constexpr std::size_t kMany = 6000;  // the ring has 256 and 4096 entries
  std::vector<FileRequest> requests(kMany);
  std::vector<std::byte> memory(kMany);
  std::vector<IoVec> vectors(kMany);
  std::size_t done = 0;
  for (std::size_t i = 0; i < kMany; ++i) {
    vectors[i] = {&memory[i], 1};
    requests[i].op = i % 50 == 0 ? FileOp::sync : FileOp::read;
    requests[i].length = 1;
    requests[i].offset = i % kBlock;
    requests[i].buffers = {&vectors[i], 1};
    requests[i].owner = &done;
    requests[i].complete = [](FileRequest& r) noexcept { ++*static_cast<std::size_t*>(r.owner); };
    file->submit(requests[i]);
  }
  driver_.run_until([&] { return done == kMany; });
  EXPECT_EQ(done, kMany);
  for (const auto& request : requests) ASSERT_FALSE(request.error);
  if (driver_.engine() != nullptr) {
    EXPECT_EQ(driver_.engine()->in_flight(), 0U);
  }
}

TEST_P(PosixFileTest, CompletionsMaySubmitAndFlushAgain) {
  auto file = make("a.img");
  auto data = filled(kBlock, 'x');
  ASSERT_FALSE(driver_.run(*file, FileOp::write, 0, data.span()));
  struct Chain {
    file_store::File& file;
    IoEngine* engine;
    FileRequest request;
    IoVec vector;
    int left = 500;
  } chain{*file, driver_.engine(), {}, data.iovec()};
  chain.request.length = kBlock;
  chain.request.buffers = {&chain.vector, 1};
  chain.request.owner = &chain;
  chain.request.complete = [](FileRequest& r) noexcept {
    auto& self = *static_cast<Chain*>(r.owner);
    if (--self.left == 0) return;
    self.file.submit(r);
    if (self.engine != nullptr) self.engine->submit_and_reap();
  };
  file->submit(chain.request);
  driver_.run_until([&] { return chain.left == 0; });
  EXPECT_EQ(chain.left, 0);
}

TEST_P(PosixFileTest, OwnerLockExcludesAnotherHandleUntilClosed) {
  auto file = make("a.img");
  auto other = store_->open("a.img", {}).value();
  EXPECT_TRUE(file->lock_owner().has_value());
  EXPECT_EQ(other->lock_owner().error(), system_code(EAGAIN));
  file.reset();
  EXPECT_TRUE(other->lock_owner().has_value());
}

TEST(PosixFile, RequestsOfOneFileFromManyThreadsStayApart) {
  TempDir dir;
  auto store = PosixStore::at(dir.path()).value();
  auto file = store->create_unnamed({}).value();
  ASSERT_TRUE(file->resize(16 * 64 * kBlock).has_value());
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Driver driver(static_cast<Way>(t % 3));
      for (std::uint64_t i = 0; i < 64; ++i) {
        auto at = (static_cast<std::uint64_t>(t) * 64 + i) * kBlock;
        auto data = filled(kBlock, t + 1);
        auto back = filled(kBlock, 0);
        if (driver.run(*file, FileOp::write, at, data.span())) ++wrong;
        if (driver.run(*file, FileOp::read, at, back.span())) ++wrong;
        if (std::memcmp(data.data(), back.data(), kBlock) != 0) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace caisson::posix::tests
