// SPDX-License-Identifier: Apache-2.0
#include "storage_object/block/fault_device.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/storage_object/block/on_io_thread.hpp"
#include "tests/unit/storage_object/block/recording_device.hpp"

namespace caisson::block::tests {
namespace {

using ::testing::ElementsAre;

class FaultDeviceTest : public ::testing::Test {
 protected:
  Error submit(IoOp op, std::uint64_t offset, std::uint64_t length = 512) {
    auto request = request_of(op, offset, length);
    return perform(device_, request);
  }
  RecordingDevice below_;
  FaultPlan plan_;
  FaultDevice device_{below_, plan_};
};

TEST_F(FaultDeviceTest, PassesEverythingWithoutAPlan) {
  EXPECT_FALSE(submit(IoOp::write, 0));
  EXPECT_THAT(below_.arrived(), ElementsAre(0));
  EXPECT_EQ(device_.geometry().capacity, below_.geometry().capacity);
  EXPECT_TRUE(device_.features().unmap);
}

TEST_F(FaultDeviceTest, FailsTheNthOfAKind) {
  plan_.add({.op = IoOp::write, .skip = 1, .times = 1, .error = BlockErrc::no_space});
  EXPECT_FALSE(submit(IoOp::write, 1));
  EXPECT_FALSE(submit(IoOp::read, 2));
  EXPECT_EQ(submit(IoOp::write, 3), BlockErrc::no_space);
  EXPECT_FALSE(submit(IoOp::write, 4));
  EXPECT_THAT(below_.arrived(), ElementsAre(1, 2, 4));
  EXPECT_EQ(plan_.hits(), 1U);
}

TEST_F(FaultDeviceTest, FailsAllOfARange) {
  plan_.add(
      {.offset = 1000, .length = 1000, .times = Fault::kForever, .error = BlockErrc::medium_error});
  EXPECT_FALSE(submit(IoOp::read, 0, 1000));
  EXPECT_EQ(submit(IoOp::read, 0, 1001), BlockErrc::medium_error);
  EXPECT_EQ(submit(IoOp::write, 1999), BlockErrc::medium_error);
  EXPECT_FALSE(submit(IoOp::read, 2000));
  EXPECT_EQ(submit(IoOp::flush, 0, 0), BlockErrc::medium_error);
  plan_.clear();
  EXPECT_FALSE(submit(IoOp::read, 1000));
}

TEST_F(FaultDeviceTest, WhatHangsTakesEffectWhenReleased) {
  plan_.add({.op = IoOp::write, .hang = true});
  auto hung = request_of(IoOp::write, 1);
  bool done = false;
  hung.owner = &done;
  hung.complete = [](IoRequest& r) noexcept { *static_cast<bool*>(r.owner) = true; };
  device_.submit(hung);
  EXPECT_EQ(plan_.hanging(), 1U);
  EXPECT_FALSE(submit(IoOp::write, 2));
  EXPECT_FALSE(done);
  plan_.release();
  EXPECT_TRUE(done);
  EXPECT_EQ(plan_.hanging(), 0U);
  EXPECT_THAT(below_.arrived(), ElementsAre(2, 1));
}

TEST_F(FaultDeviceTest, WhatHungMayFailAfterwards) {
  plan_.add({.error = BlockErrc::write_error, .hang = true});
  auto hung = request_of(IoOp::write, 1);
  hung.complete = [](IoRequest&) noexcept {};
  device_.submit(hung);
  plan_.release();
  EXPECT_EQ(hung.error, BlockErrc::write_error);
  EXPECT_TRUE(below_.arrived().empty());
}

TEST_F(FaultDeviceTest, WhatHangsIsReleasedOnTheThreadThatSubmittedIt) {
  plan_.add({.hang = true});
  OnIoThread io;
  struct Call {
    std::thread::id submitted, completed;
    std::latch hanging{1}, done{1};
  } call;
  auto hung = request_of(IoOp::write, 1);
  hung.owner = &call;
  hung.complete = [](IoRequest& r) noexcept {
    auto& self = *static_cast<Call*>(r.owner);
    self.completed = std::this_thread::get_id();
    self.done.count_down();
  };
  io.post([&] {
    call.submitted = std::this_thread::get_id();
    device_.submit(hung);
    call.hanging.count_down();
  });
  call.hanging.wait();
  plan_.release();
  call.done.wait();
  EXPECT_EQ(call.completed, call.submitted);
}

}  // namespace
}  // namespace caisson::block::tests
