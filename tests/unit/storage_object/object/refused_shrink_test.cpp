// SPDX-License-Identifier: Apache-2.0
// A shrink that is refused before it begins changes nothing of what hosts read; one
// that is taken back leaves no trailer in the data area.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "storage_object/format/trailer.hpp"
#include "tests/unit/storage_object/object/machine.hpp"
#include "tests/unit/storage_object/object/sent.hpp"

namespace caisson::tests {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kAlways = 1 << 30;

/// The catalog lies in a store of its own: faults meet the container alone, or it alone.
class RefusedShrinkTest : public ::testing::Test {
 protected:
  RefusedShrinkTest() {
    machine_ =
        std::make_unique<Machine>(catalog_, nullptr, [this](object::RegistryOptions& options) {
          options.pause_limit = std::chrono::milliseconds(100);
          options.open_store = [this](const auto&) -> Outcome<std::unique_ptr<file_store::Store>> {
            return std::make_unique<BorrowedStore>(store_);
          };
        });
    object_ = machine_->make("db", 4 * kMiB);
    EXPECT_EQ(write(*object_, 0, filled(4 * kMiB, 3)), Error());
    EXPECT_EQ(flush(*object_), Error());
  }
  ~RefusedShrinkTest() override {
    store_.clear_faults();
    catalog_.clear_faults();
    store_.release();
  }

  void expect_all_data() {
    std::vector<std::byte> got(4 * kMiB);
    ASSERT_EQ(read(*object_, 0, got), Error());
    EXPECT_EQ(std::ranges::count(got, std::byte{3}), std::ptrdiff_t(got.size()));
  }
  bool shrink(std::uint64_t to) { return machine_->registry().resize("db", to, true).has_value(); }

  SimStore catalog_, store_;
  std::unique_ptr<Machine> machine_;
  std::shared_ptr<object::StorageObject> object_;
};

TEST_F(RefusedShrinkTest, WithoutRoomForItsTrailerAllDataStay) {
  store_.inject({.op = SimOp::allocate, .error = ENOSPC});
  ASSERT_FALSE(shrink(2 * kMiB));
  expect_all_data();
}

TEST_F(RefusedShrinkTest, WhoseIntentIsNotRecordedAllDataStay) {
  catalog_.inject({.op = SimOp::write, .error = EIO});
  ASSERT_FALSE(shrink(2 * kMiB));
  ASSERT_EQ(catalog_.hits(), 1u);
  expect_all_data();
}

TEST_F(RefusedShrinkTest, BesideARequestThatDoesNotEndAllDataStay) {
  store_.inject({.op = SimOp::write, .hang = true});
  Sent sent(block::IoOp::write, 0, filled(4096, 3));
  object_->submit(sent.request);
  ASSERT_FALSE(shrink(2 * kMiB));
  store_.clear_faults();
  store_.release();
  while (sent.completions == 0) std::this_thread::yield();
  expect_all_data();
}

TEST_F(RefusedShrinkTest, TakenBackItLeavesNoTrailerAndTheNextRefusalChangesNothing) {
  store_.inject({.op = SimOp::resize, .times = kAlways, .error = EIO});
  ASSERT_FALSE(shrink(2 * kMiB));
  ASSERT_GE(store_.hits(), 1u);
  store_.clear_faults();
  const auto place = format::trailer_position(2 * kMiB);
  auto bytes = store_.content("db.img");
  ASSERT_EQ(bytes.size(), format::container_length(4 * kMiB));
  EXPECT_TRUE(std::all_of(bytes.begin() + std::ptrdiff_t(place),
                          bytes.begin() + std::ptrdiff_t(place + format::kTrailerSize),
                          [](auto byte) { return byte == std::byte{0}; }));
  ASSERT_EQ(write(*object_, 2 * kMiB, filled(2 * kMiB, 3)), Error());
  store_.inject({.op = SimOp::allocate, .error = ENOSPC});
  ASSERT_FALSE(shrink(2 * kMiB));
  expect_all_data();
  ASSERT_TRUE(shrink(2 * kMiB));
  store_.inject({.op = SimOp::allocate, .error = ENOSPC});
  ASSERT_FALSE(shrink(kMiB));
  std::vector<std::byte> got(2 * kMiB);
  ASSERT_EQ(read(*object_, 0, got), Error());
  EXPECT_EQ(std::ranges::count(got, std::byte{3}), std::ptrdiff_t(got.size()));
}

}  // namespace
}  // namespace caisson::tests
