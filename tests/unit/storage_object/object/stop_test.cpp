// SPDX-License-Identifier: Apache-2.0
// Stopping beside files that never answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/parallel_jobs.hpp"
#include "tests/unit/storage_object/object/machine.hpp"
#include "tests/unit/storage_object/object/sent.hpp"

namespace caisson::tests {
namespace {

using object::ParallelJobs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr auto kShort = std::chrono::milliseconds(200);
constexpr auto kLong = std::chrono::minutes(10);

TEST(ParallelJobs, AllAreDone) {
  std::atomic<int> done = 0;
  ParallelJobs jobs(std::vector<std::function<void()>>(1000, [&] { ++done; }));
  EXPECT_THAT(jobs.wait(kLong), IsEmpty());
  EXPECT_EQ(done, 1000);
}

TEST(ParallelJobs, ManyThatHangKeepNoOtherFromBeingDone) {
  constexpr int kHung = 40, kGood = 100;
  std::atomic<bool> hold = true;
  std::atomic<int> done = 0;
  std::vector<std::function<void()>> all(kHung, [&] { hold.wait(true); });
  for (int i = 0; i < kGood; ++i)  // the last of them lets the others go
    all.emplace_back([&] {
      if (++done < kGood) return;
      hold = false;
      hold.notify_all();
    });
  ParallelJobs jobs(std::move(all));
  EXPECT_THAT(jobs.wait(kLong), IsEmpty());
}

TEST(ParallelJobs, WhatHangsIsNamed) {
  std::atomic<bool> hold = true;
  {
    ParallelJobs jobs({[] {}, [&] { hold.wait(true); }, [] {}});
    EXPECT_THAT(jobs.wait(kShort), ElementsAre(1));
    hold = false;
    hold.notify_all();
  }
}

/// A gateway whose catalog lies elsewhere than its store.
class StopTest : public ::testing::Test {
 protected:
  std::unique_ptr<Machine> machine(std::chrono::milliseconds limit) {
    return std::make_unique<Machine>(catalog_, nullptr, [this, limit](auto& options) {
      options.flush_limit = limit;
      options.watch_interval = std::chrono::milliseconds(0);
      options.open_store =
          [this](const catalog::StoreRecord&) -> Outcome<std::unique_ptr<file_store::Store>> {
        return std::make_unique<BorrowedStore>(store_);
      };
    });
  }
  /// What was written at its begin outlives every power cut.
  bool durable(const std::string& name) {
    for (std::uint64_t seed = 0; seed < 20; ++seed)
      if (store_.power_cut(seed)->content(name + ".img").at(0) != std::byte{7}) return false;
    return true;
  }
  std::string clean() { return machine_->catalog().setting("clean_shutdown")->value(); }

  SimStore catalog_, store_;
  std::unique_ptr<Machine> machine_ = machine(kShort);
};

TEST_F(StopTest, AFlushThatNeverEndsIsNamedAndTheOthersAreFlushed) {
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) {
    names.push_back("lun" + std::to_string(i));
    EXPECT_EQ(write(*machine_->make(names.back(), kMiB), 0, filled(4096, 7)), Error());
  }
  store_.inject({.op = SimOp::sync, .hang = true});
  auto stopped = machine_->registry().stop();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Errc::timed_out);
  EXPECT_EQ(clean(), "0");
  int lost = 0;
  for (const auto& name : names) {
    EXPECT_NE(durable(name), stopped.error().message.ends_with(": " + name)) << name;
    lost += !durable(name);
  }
  EXPECT_EQ(lost, 1);
  store_.release();
  machine_.reset();  // waits for the one that hung
}

TEST_F(StopTest, AWriteThatNeverEndsKeepsItsOwnLunOnly) {
  auto hung = machine_->make("hung", kMiB);
  EXPECT_EQ(write(*machine_->make("good", kMiB), 0, filled(4096, 7)), Error());
  store_.inject({.op = SimOp::write, .hang = true});
  Sent sent(block::IoOp::write, 0, filled(512, 1));
  hung->submit(sent.request);
  auto stopped = machine_->registry().stop();
  ASSERT_FALSE(stopped);
  EXPECT_THAT(stopped.error().message, HasSubstr(": hung"));
  EXPECT_TRUE(durable("good"));
  EXPECT_EQ(clean(), "0");
  EXPECT_EQ(sent.completions, 0);
  store_.release();
  machine_.reset();
  EXPECT_EQ(sent.completions, 1);
}

/// Registers a key that outlives a power loss: written to the trailer.
void keep_registration(object::StorageObject& object,
                       std::function<void(object::ReservationResult)> done) {
  object.reservations().attach(7, {"iqn.2026-11.example:a,i,0x1", 1});
  object.change_reservations(
      {7},
      {.action = object::ReservationAction::register_and_ignore, .service_key = 1, .aptpl = true},
      std::move(done));
}

TEST_F(StopTest, AContainerThatHangsKeepsNoOtherFromBeingChanged) {
  constexpr int kHung = 12;
  std::atomic<int> answered = 0;
  for (int i = 0; i < kHung; ++i) {
    auto name = "hung" + std::to_string(i);
    auto object = machine_->make(name, kMiB);
    store_.inject({.op = SimOp::write, .hang = true, .file = name + ".img"});
    keep_registration(*object, [&](auto) { ++answered; });
  }
  while (store_.hanging() < kHung) std::this_thread::yield();
  auto good = machine_->make("good", kMiB);
  std::promise<object::ReservationResult> kept;
  keep_registration(*good, [&](auto result) { kept.set_value(result); });
  EXPECT_EQ(kept.get_future().get(), object::ReservationResult::done);
  store_.inject({.op = SimOp::sync, .error = EIO, .file = "good.img"});
  EXPECT_EQ(flush(*good), block::BlockErrc::failed);
  EXPECT_EQ(machine_->registry().find("good")->record.state, catalog::LunState::failed);
  EXPECT_TRUE(machine_->registry().set_online("good", true));
  EXPECT_EQ(answered, 0);
  store_.release();
  machine_.reset();
  EXPECT_EQ(answered, kHung);
}

TEST_F(StopTest, OneThatOnlyTakesItsTimeIsWaitedFor) {
  machine_ = machine(kLong);
  machine_->make("slow", kMiB);
  store_.inject({.op = SimOp::sync, .hang = true});
  std::thread release([&] {
    while (store_.hanging() == 0) std::this_thread::yield();
    store_.release();
  });
  EXPECT_TRUE(machine_->registry().stop());
  release.join();
  EXPECT_EQ(clean(), "1");
}

}  // namespace
}  // namespace caisson::tests
