// SPDX-License-Identifier: Apache-2.0
// Requests that their senders take back or give up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/lun_object.hpp"
#include "tests/unit/storage_object/object/gated_machine.hpp"
#include "tests/unit/storage_object/object/sent.hpp"

namespace caisson::tests {
namespace {

using block::BlockErrc;
using block::Combine;
using block::IoOp;

constexpr std::uint64_t kMiB = 1 << 20;

class GivenUpTest : public ::testing::Test {
 protected:
  void hang(Sent& sent, IoOp op = IoOp::write) {
    gate_->hang(op);
    object_->submit(sent.request);
    ASSERT_EQ(gate_->hanging(), 1u);
    gate_->pass();
  }

  GatedMachine gated_;
  GateDevice*& gate_ = gated_.gate;
  std::shared_ptr<object::StorageObject> object_ = gated_.machine.make("db", kMiB);
};

TEST_F(GivenUpTest, OldWriteNeverLandsOnTheNewerOnesData) {
  Sent old(IoOp::write, 0, filled(4096, 1)), newer(IoOp::write, 2048, filled(4096, 2)),
      reader(IoOp::read, 0, filled(512, 9)), beside(IoOp::write, 8192, filled(512, 3));
  hang(old);
  object_->abandon(old.request);
  for (auto* sent : {&newer, &reader, &beside}) object_->submit(sent->request);
  EXPECT_TRUE(beside.ended_with({}));
  EXPECT_EQ(newer.completions + reader.completions, 0);
  gate_->release();
  EXPECT_TRUE(old.ended_with({}) && newer.ended_with({}) && reader.ended_with({}));
  std::vector<std::byte> now(6144);
  EXPECT_EQ(read(*object_, 0, now), Error());
  EXPECT_TRUE(std::equal(newer.bytes.begin(), newer.bytes.end(), now.begin() + 2048));
  EXPECT_EQ(reader.bytes, filled(512, 1));
}

TEST_F(GivenUpTest, WhatWaitsIsTakenBackWithoutEffect) {
  Sent old(IoOp::write, 0, filled(4096, 1)), busy(IoOp::write, 0, filled(4096, 2)),
      aborted(IoOp::write, 0, filled(4096, 3));
  hang(old);
  object_->abandon(old.request);
  object_->submit(busy.request);
  object_->submit(aborted.request);
  object_->recall(busy.request, BlockErrc::busy);
  object_->recall(aborted.request, BlockErrc::aborted);
  EXPECT_TRUE(busy.ended_with(BlockErrc::busy));
  EXPECT_TRUE(aborted.ended_with(BlockErrc::aborted));
  gate_->release();
  std::vector<std::byte> now(4096);
  EXPECT_EQ(read(*object_, 0, now), Error());
  EXPECT_EQ(now, old.bytes);
}

TEST_F(GivenUpTest, WhatHasBegunIsNotTakenBack) {
  Sent old(IoOp::write, 0, filled(4096, 1));
  hang(old);
  object_->recall(old.request, BlockErrc::busy);
  object_->recall(old.request, BlockErrc::aborted);
  EXPECT_EQ(old.completions, 0);
  gate_->release();
  EXPECT_TRUE(old.ended_with({}));
}

TEST_F(GivenUpTest, CompareAndWriteThatIsAbortedWhileItReadsDoesNotWrite) {
  auto both = filled(512, 0);
  auto verdict = filled(512, 7);
  both.insert(both.end(), verdict.begin(), verdict.end());
  Sent compare(IoOp::write, 0, both, Combine::replace_if_equal);
  hang(compare, IoOp::read);
  object_->recall(compare.request, BlockErrc::aborted);
  gate_->release();
  EXPECT_TRUE(compare.ended_with(BlockErrc::aborted));
  std::vector<std::byte> now(512);
  EXPECT_EQ(read(*object_, 0, now), Error());
  EXPECT_EQ(now, filled(512, 0));
}

TEST_F(GivenUpTest, ReadThatWasGivenUpHoldsUpNobody) {
  Sent old(IoOp::read, 0, filled(4096, 9)), newer(IoOp::write, 0, filled(4096, 2));
  hang(old, IoOp::read);
  object_->abandon(old.request);
  object_->submit(newer.request);
  EXPECT_TRUE(newer.ended_with({}));
  gate_->release();
  EXPECT_TRUE(old.ended_with({}));
}

/// Runs what was posted when a test says so, on the test's own thread.
class OwnThread final : public Executor {
 public:
  OwnThread() { set_current(this); }
  ~OwnThread() override { set_current(nullptr); }
  void post(std::function<void()> work) override {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
  }
  void run() {
    for (;;) {
      std::vector<std::function<void()>> work;
      {
        std::lock_guard lock(mutex_);
        work.swap(posted_);
      }
      if (work.empty()) return;
      for (auto& one : work) one();
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

class QueuedUpkeep : public GivenUpTest {
 protected:
  QueuedUpkeep() {
    EXPECT_EQ(write(*object_, 0, filled(4096, 7)), Error());
    thread_ = std::make_unique<OwnThread>();
    hang(old_);
    object_->start_upkeep(
        {7, this}, {}, [this](Error error) { begun_.push_back(error); },
        [this](Error) { ended_ = true; });
    EXPECT_TRUE(begun_.empty());
  }
  ~QueuedUpkeep() override { thread_->run(); }
  void expect_untouched() {
    EXPECT_FALSE(ended_);
    EXPECT_EQ(object_->upkeep().state(), object::UpkeepState::none);
    thread_.reset();
    std::vector<std::byte> now(4096);
    EXPECT_EQ(read(*object_, 0, now), Error());
    EXPECT_EQ(now, filled(4096, 7));
    thread_ = std::make_unique<OwnThread>();
  }

  std::unique_ptr<OwnThread> thread_;
  Sent old_{IoOp::write, 8192, filled(4096, 1)};
  std::vector<Error> begun_;
  bool ended_ = false;
};

TEST_F(QueuedUpkeep, DoesNotBeginOnceItWasRecalled) {
  for (int other = 0; auto why : {BlockErrc::aborted, BlockErrc::busy}) {
    object_->recall_change(&other, why);
    if (begun_.empty()) object_->recall_change(this, why);
  }
  EXPECT_EQ(begun_, std::vector<Error>{BlockErrc::aborted});
  gate_->release();
  thread_->run();
  expect_untouched();
}

TEST_F(QueuedUpkeep, DoesNotBeginWhenItWasRecalledWhileTheNewsWasOnItsWay) {
  gate_->release();
  EXPECT_TRUE(begun_.empty());
  object_->recall_change(this, BlockErrc::aborted);
  thread_->run();
  EXPECT_EQ(begun_, std::vector<Error>{BlockErrc::aborted});
  expect_untouched();
}

TEST_F(QueuedUpkeep, MindsAReservationThatWasMadeMeanwhile) {
  object_->reservations().attach(9, {"iqn.2026-11.example:other,i,0x1", 1});
  object_->reservations().change_unit(9, object::ReservationAction::reserve_unit);
  gate_->release();
  thread_->run();
  EXPECT_EQ(begun_, std::vector<Error>{BlockErrc::conflict});
  object_->reservations().detach(9);
  expect_untouched();
}

TEST_F(QueuedUpkeep, BeginsWhenNobodyRecallsIt) {
  gate_->release();
  thread_->run();
  EXPECT_EQ(begun_, std::vector<Error>{Error()});
  object_->recall_change(this, BlockErrc::aborted);
  thread_->run();
  EXPECT_TRUE(ended_);
}

class QueuedModes : public GivenUpTest {
 protected:
  /// Asks for a cache mode while a write hangs.
  void ask(bool save) {
    hang(old_);
    object_->change_modes({7, this}, {.write_cache = false, .save = save},
                          [this](Error error) { told_.push_back(error); });
    EXPECT_TRUE(told_.empty());
  }
  ~QueuedModes() override { thread_->run(); }

  std::unique_ptr<OwnThread> thread_ = std::make_unique<OwnThread>();
  Sent old_{IoOp::write, 8192, filled(4096, 1)};
  std::vector<Error> told_;
};

TEST_F(QueuedModes, DoNotChangeOnceTheyWereRecalled) {
  for (bool save : {true, false}) {
    ask(save);
    object_->recall_change(this, BlockErrc::busy);
    EXPECT_EQ(std::exchange(told_, {}), std::vector<Error>{BlockErrc::busy});
    gate_->release();
    thread_->run();
    EXPECT_EQ(object_->cache_mode(), catalog::CacheMode::writeback);
    EXPECT_EQ(object_->modes().saved(), object::ModeValues());
    EXPECT_EQ(gated_.machine.registry().find("db")->record.cache, catalog::CacheMode::writeback);
    EXPECT_TRUE(old_.ended_with({}));
    old_.completions = 0;
  }
}

TEST_F(QueuedModes, AreWhatOthersMadeOfThemMeanwhile) {
  ask(false);
  object_->change_modes({8}, {.write_protect = true}, [](Error error) { EXPECT_FALSE(error); });
  EXPECT_TRUE(object_->modes().write_protect());
  gate_->release();
  while (told_.empty()) thread_->run();
  EXPECT_TRUE(object_->modes().write_protect());
  EXPECT_EQ(object_->cache_mode(), catalog::CacheMode::writethrough);
}

TEST_F(QueuedModes, HoldUpNobodyAfterAReset) {
  thread_.reset();  // control threads wait themselves
  std::promise<Error> told;
  object_->change_modes({7}, {.write_cache = false}, [&](Error error) { told.set_value(error); });
  ASSERT_EQ(told.get_future().get(), Error());
  hang(old_);
  object_->abandon(old_.request);
  EXPECT_EQ(object_->reset(), Error());
  Sent beside(IoOp::read, 0, filled(512, 3));
  object_->submit(beside.request);
  while (beside.completions == 0) std::this_thread::yield();  // behind it for a moment at most
  gate_->release();
  EXPECT_TRUE(old_.ended_with({}));
  EXPECT_EQ(object_->reset(), Error());
  while (object_->cache_mode() != catalog::CacheMode::writeback) std::this_thread::yield();
  thread_ = std::make_unique<OwnThread>();
}

TEST_F(QueuedModes, ChangeWhenNobodyRecallsThem) {
  ask(true);
  gate_->release();
  while (told_.empty()) thread_->run();  // what is saved comes from a control thread
  EXPECT_EQ(told_, std::vector<Error>{Error()});
  EXPECT_EQ(object_->cache_mode(), catalog::CacheMode::writethrough);
}

TEST_F(GivenUpTest, AnAdministratorsChangeWaitsForALimitedTime) {
  Sent old(IoOp::write, 0, filled(4096, 1)), beside(IoOp::write, 8192, filled(512, 3));
  hang(old);
  auto& registry = gated_.machine.registry();
  auto set = registry.set("db", {.cache = catalog::CacheMode::none});
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code, Errc::timed_out);
  auto resized = registry.resize("db", kMiB / 2, true, false);
  ASSERT_FALSE(resized);
  EXPECT_EQ(resized.error().code, Errc::timed_out);
  auto offline = registry.set_offline("db");
  ASSERT_FALSE(offline);
  EXPECT_EQ(offline.error().code, Errc::timed_out);
  EXPECT_THAT(offline.error().message, ::testing::HasSubstr("LUN 'db'"));
  EXPECT_FALSE(offline.error().remedy.empty());
  auto removed = registry.remove("db");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, Errc::timed_out);
  EXPECT_EQ(object_->state(), catalog::LunState::online);
  object_->submit(beside.request);
  EXPECT_TRUE(beside.ended_with({})) << "nobody waits behind it";
  EXPECT_EQ(registry.find("db")->record.cache, catalog::CacheMode::writeback);
  EXPECT_EQ(registry.find("db")->record.capacity, kMiB);
  gate_->release();
  EXPECT_TRUE(registry.set("db", {.cache = catalog::CacheMode::none}));
  EXPECT_TRUE(registry.resize("db", kMiB / 2, true, false));
}

TEST_F(GivenUpTest, ReservationsChangeBesideWhatHangs) {
  Sent old(IoOp::write, 0, filled(4096, 1)), newer(IoOp::write, 0, filled(4096, 2));
  object_->reservations().attach(7, {"iqn.2026-11.example:a,i,0x1", 1});
  hang(old);
  std::vector<object::ReservationResult> told;
  object_->change_reservations({7}, {.action = object::ReservationAction::reserve_unit},
                               [&](auto result) { told.push_back(result); });
  EXPECT_EQ(told, std::vector{object::ReservationResult::done});
  newer.request.context.nexus = 7;
  object_->submit(newer.request);
  EXPECT_EQ(newer.completions, 0) << "what it overlaps waits";
  object_->abandon(old.request);
  EXPECT_EQ(newer.completions, 0);
  gate_->release();
  EXPECT_TRUE(newer.ended_with({}));
  object_->reservations().detach(7);
}

TEST_F(GivenUpTest, OnesThatAreKeptWaitForItBecauseTheTrailerWould) {
  Sent old(IoOp::write, 0, filled(4096, 1)), reader(IoOp::read, 8192, filled(512, 0));
  object_->reservations().attach(7, {"iqn.2026-11.example:a,i,0x1", 1});
  hang(old);
  object_->abandon(old.request);
  auto thread = std::make_unique<OwnThread>();
  std::vector<object::ReservationResult> told;
  object_->change_reservations(
      {7, this},
      {.action = object::ReservationAction::register_and_ignore, .service_key = 1, .aptpl = true},
      [&](auto result) { told.push_back(result); });
  EXPECT_TRUE(told.empty());
  object_->recall_change(this, BlockErrc::busy);
  EXPECT_EQ(told, std::vector{object::ReservationResult::not_kept_yet});
  object_->submit(reader.request);
  EXPECT_TRUE(reader.ended_with({}));
  gate_->release();
  thread->run();
  EXPECT_TRUE(object_->reservations().state().registrations.empty());
  thread.reset();
  object_->reservations().detach(7);
}

TEST_F(GivenUpTest, OnesWhoseTrailerHangsAreAnsweredAndHoldWhenItAnswers) {
  object_->reservations().attach(7, {"iqn.2026-11.example:a,i,0x1", 1});
  auto thread = std::make_unique<OwnThread>();
  gated_.disk.inject({.op = SimOp::sync_all, .hang = true, .file = "db.img"});
  std::vector<object::ReservationResult> told;
  object_->change_reservations(
      {7, this},
      {.action = object::ReservationAction::register_and_ignore, .service_key = 1, .aptpl = true},
      [&](auto result) { told.push_back(result); });
  while (gated_.disk.hanging() == 0) std::this_thread::yield();
  object_->recall_change(this, BlockErrc::aborted);
  EXPECT_TRUE(told.empty()) << "what has begun goes on";
  for (int i = 0; i < 2; ++i) object_->recall_change(this, BlockErrc::busy);
  EXPECT_EQ(told, std::vector{object::ReservationResult::not_kept_yet});
  EXPECT_TRUE(object_->reservations().state().registrations.empty());
  gated_.disk.release();
  while (object_->reservations().state().registrations.empty()) thread->run();
  EXPECT_EQ(told.size(), 1u);
  thread.reset();
  object_->reservations().detach(7);
}

}  // namespace
}  // namespace caisson::tests
