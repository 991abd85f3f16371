// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/buffer.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "storage_object/base/pool.hpp"

namespace caisson {
namespace {

TEST(Buffer, IsAlignedAndAsLongAsAsked) {
  for (std::size_t size : {1UL, 4095UL, 4096UL, 4097UL, 1UL << 20, (1UL << 20) + 1, 5UL << 20}) {
    Buffer buffer(size);
    EXPECT_EQ(buffer.size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % kBufferAlignment, 0U);
    std::memset(buffer.data(), 1, size);
  }
}

TEST(Buffer, EmptyOnesOwnNothing) {
  EXPECT_TRUE(Buffer().empty());
  EXPECT_EQ(Buffer(0).data(), nullptr);
}

TEST(Buffer, MovingHandsTheMemoryOver) {
  Buffer first(100);
  auto* data = first.data();
  Buffer second(std::move(first));
  EXPECT_EQ(second.data(), data);
  // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move): it is promised
  EXPECT_EQ(first.data(), nullptr);
  Buffer third;
  third = std::move(second);
  EXPECT_EQ(third.data(), data);
  EXPECT_EQ(third.size(), 100U);
}

TEST(Buffer, ReleasedMemoryIsUsedAgainOnTheSameThread) {
  auto* data = Buffer(8000).data();
  EXPECT_EQ(Buffer(5000).data(), data) << "of the same power of two";
}

TEST(Buffer, MayBeReleasedByAnotherThread) {
  for (int i = 0; i < 100; ++i) {
    Buffer buffer(4096);
    std::thread([taken = std::move(buffer)]() mutable { taken = Buffer(); }).join();
  }
}

class ScatterTest : public ::testing::Test {
 protected:
  char a_[4] = "...", b_[1] = {}, c_[6] = ".....";
  IoVec vectors_[3] = {{a_, 3}, {b_, 0}, {c_, 5}};
};

TEST_F(ScatterTest, FillsVectorsFromWhereItIsTold) {
  EXPECT_EQ(total_length(vectors_), 8U);
  EXPECT_EQ(scatter(vectors_, 2, std::as_bytes(std::span("xyz", 3))), 3U);
  EXPECT_STREQ(a_, "..x");
  EXPECT_STREQ(c_, "yz...");
  EXPECT_EQ(scatter(vectors_, 6, std::as_bytes(std::span("12345", 5))), 2U) << "stops at the end";
  EXPECT_STREQ(c_, "yz.12");
  EXPECT_EQ(scatter(vectors_, 8, std::as_bytes(std::span("q", 1))), 0U);
}

TEST_F(ScatterTest, GathersFromWhereItIsTold) {
  std::memcpy(a_, "abc", 3);
  std::memcpy(c_, "defgh", 5);
  std::string out(4, '?');
  EXPECT_EQ(gather(std::as_writable_bytes(std::span(out)), vectors_, 2), 4U);
  EXPECT_EQ(out, "cdef");
  EXPECT_EQ(gather(std::as_writable_bytes(std::span(out)), vectors_, 7), 1U);
  EXPECT_EQ(out, "hdef");
}

TEST(AllZero, SeesEveryByte) {
  std::vector<std::byte> bytes(1000);
  EXPECT_TRUE(all_zero({}));
  EXPECT_TRUE(all_zero(bytes));
  for (std::size_t at : {0, 1, 500, 999}) {
    bytes[at] = std::byte{1};
    EXPECT_FALSE(all_zero(bytes)) << at;
    bytes[at] = std::byte{0};
  }
}

TEST(PerThreadPool, GivesBackWhatTheThreadReleased) {
  struct Thing {
    int value = 0;
  };
  auto* first = PerThreadPool<Thing>::acquire();
  first->value = 7;
  PerThreadPool<Thing>::release(first);
  auto* again = PerThreadPool<Thing>::acquire();
  EXPECT_TRUE(again == first);
  EXPECT_EQ(again->value, 7) << "an object keeps what its last user left";
  PerThreadPool<Thing>::release(again);
}

}  // namespace
}  // namespace caisson
