// SPDX-License-Identifier: Apache-2.0
#include "storage_object/block/delay_device.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/storage_object/block/on_io_thread.hpp"
#include "tests/unit/storage_object/block/recording_device.hpp"

namespace caisson::block::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

TEST(DelayDevice, LongerDelaysLetShorterOnesPass) {
  RecordingDevice below;
  DelayDevice device(below, {.read = 400ms, .write = 20ms});
  OnIoThread io;
  std::vector<IoRequest> requests = {request_of(IoOp::read, 1), request_of(IoOp::write, 2),
                                     request_of(IoOp::flush, 3), request_of(IoOp::unmap, 4),
                                     request_of(IoOp::read, 5)};
  io.perform(device, requests);
  EXPECT_THAT(below.arrived(), ElementsAre(3, 2, 4, 1, 5));
  for (auto thread : below.threads()) EXPECT_EQ(thread, below.threads().front());
}

TEST(DelayDevice, ARequestIsHeldBackBeforeItReachesTheDisk) {
  RecordingDevice below;
  DelayDevice device(below, {.write = 1ms});
  auto held = request_of(IoOp::write, 1);
  auto other = request_of(IoOp::read, 2);
  held.complete = other.complete = [](IoRequest&) noexcept {};
  std::promise<std::vector<std::uint64_t>> seen;
  {
    OnIoThread io;
    io.post([&] {
      device.submit(held);
      device.submit(other);
      seen.set_value(below.arrived());
    });
  }
  EXPECT_THAT(seen.get_future().get(), ElementsAre(2));
  EXPECT_THAT(below.arrived(), ElementsAre(2, 1));
}

TEST(DelayDevice, OnAControlThreadItBlocks) {
  RecordingDevice below;
  DelayDevice device(below, {.write = 1ms});
  auto request = request_of(IoOp::write, 7);
  auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(perform(device, request));
  EXPECT_GE(std::chrono::steady_clock::now() - before, 1ms);
  EXPECT_THAT(below.arrived(), ElementsAre(7));
}

TEST(DelayDevice, TellsWhatTheDiskBelowIs) {
  RecordingDevice below;
  DelayDevice device(below);
  EXPECT_EQ(device.geometry().capacity, below.geometry().capacity);
  EXPECT_TRUE(device.features().unmap);
}

TEST(DelayDevice, AThreadDoesNotStopBeforeItsRequestsAreDone) {
  RecordingDevice below;
  DelayDevice device(below, {.write = 30ms});
  auto request = request_of(IoOp::write, 7);
  request.complete = [](IoRequest&) noexcept {};
  {
    OnIoThread io;
    io.post([&] { device.submit(request); });
  }
  EXPECT_THAT(below.arrived(), ElementsAre(7));
}

}  // namespace
}  // namespace caisson::block::tests
