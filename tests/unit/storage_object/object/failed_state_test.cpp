// SPDX-License-Identifier: Apache-2.0
// A failed flush: what decision 3 demands of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "storage_object/base/errc.hpp"
#include "storage_object/object/lun_object.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using block::BlockErrc;
using block::IoOp;
using catalog::CacheMode;
using catalog::LunState;

constexpr std::uint64_t kMiB = 1 << 20;

class FailedStateTest : public ::testing::Test {
 protected:
  void restart() {
    machine_.reset();
    machine_ = std::make_unique<Machine>(disk_, &marks_);
    ASSERT_FALSE(machine_->failure()) << machine_->failure()->message;
  }
  void fail_a_flush(object::StorageObject& object) {
    EXPECT_EQ(write(object, 0, filled(512, 1)), Error());
    disk_.inject({.op = SimOp::sync, .error = EIO});
    EXPECT_EQ(flush(object), BlockErrc::failed);
  }
  void expect_failed(object::StorageObject& object) {
    auto data = filled(512, 0);
    EXPECT_EQ(object.state(), LunState::failed);
    EXPECT_EQ(flush(object), BlockErrc::failed);
    EXPECT_EQ(write(object, 0, data), BlockErrc::failed);
    EXPECT_EQ(simple(object, IoOp::unmap, 0, 4096), BlockErrc::failed);
    EXPECT_EQ(simple(object, IoOp::write_zeroes, 0, 4096), BlockErrc::failed);
    EXPECT_EQ(read(object, 0, data), Error());
  }

  SimStore disk_;
  SimStore marks_;
  std::unique_ptr<Machine> machine_ = std::make_unique<Machine>(disk_, &marks_);
};

TEST_F(FailedStateTest, LaterWritesAndFlushesFailAndReadsGoOn) {
  auto object = machine_->make("db", kMiB);
  fail_a_flush(*object);
  expect_failed(*object);
}

TEST_F(FailedStateTest, IsInTheCatalogBeforeTheErrorIsReturned) {
  auto object = machine_->make("db", kMiB);
  fail_a_flush(*object);
  EXPECT_EQ(machine_->catalog().luns()->at(0).state, LunState::failed);
}

TEST_F(FailedStateTest, LastsOverRestartsUntilTheLossIsAccepted) {
  fail_a_flush(*machine_->make("db", kMiB));
  restart();
  expect_failed(*machine_->object("db"));
  ASSERT_TRUE(machine_->registry().stop());
  restart();
  expect_failed(*machine_->object("db"));
  EXPECT_FALSE(machine_->registry().set_online("db", false));
  ASSERT_TRUE(machine_->registry().set_online("db", true));
  EXPECT_EQ(machine_->object("db")->state(), LunState::online);
  EXPECT_EQ(flush(*machine_->object("db")), Error());
  restart();
  EXPECT_EQ(flush(*machine_->object("db")), Error());
}

TEST_F(FailedStateTest, AcceptingTheLossShowsWhatWasLost) {
  auto object = machine_->make("db", kMiB);
  ASSERT_EQ(write(*object, 0, filled(512, 7)), Error());
  ASSERT_EQ(flush(*object), Error());
  fail_a_flush(*object);
  auto data = filled(512, 0);
  ASSERT_TRUE(machine_->registry().set_online("db", true));
  EXPECT_EQ(read(*machine_->object("db"), 0, data), Error());
  EXPECT_EQ(data, filled(512, 7));
}

TEST_F(FailedStateTest, IsNotForgottenByTakingTheLunOffline) {
  fail_a_flush(*machine_->make("db", kMiB));
  ASSERT_TRUE(machine_->registry().set_offline("db"));
  restart();
  EXPECT_FALSE(machine_->registry().set_online("db", false));
  ASSERT_TRUE(machine_->registry().set_online("db", true));
  EXPECT_EQ(flush(*machine_->object("db")), Error());
}

TEST_F(FailedStateTest, AFailedDurableWriteIsOneToo) {
  auto object = machine_->make("db", kMiB, CacheMode::writethrough);
  disk_.inject({.op = SimOp::write, .error = EIO});
  EXPECT_EQ(write(*object, 0, filled(512, 1)), BlockErrc::failed);
  expect_failed(*object);
}

TEST_F(FailedStateTest, AFailedPlainWriteOrAFullStoreIsNot) {
  auto object = machine_->make("db", kMiB);
  disk_.inject({.op = SimOp::write, .error = EIO});
  EXPECT_EQ(write(*object, 0, filled(512, 1)), BlockErrc::write_error);
  disk_.inject({.op = SimOp::write, .error = ENOSPC});
  EXPECT_EQ(write(*object, 0, filled(512, 1)), BlockErrc::no_space);
  disk_.inject({.op = SimOp::write, .error = ENOSPC});
  EXPECT_EQ(write(*object, 0, filled(512, 1), true), BlockErrc::no_space);
  EXPECT_EQ(object->state(), LunState::online);
  EXPECT_EQ(write(*object, 0, filled(512, 2), true), Error());
  EXPECT_EQ(flush(*object), Error());
}

TEST_F(FailedStateTest, ADurableWriteWhoseSyncReportsALossIsOneWhateverItsError) {
  for (int error : {ENOSPC, EIO})
    for (auto op : {IoOp::write, IoOp::write_zeroes}) {
      SimStore disk(SimOptions{.traits = {.zero = false}});
      Machine machine(disk);
      auto object = machine.make("db", kMiB);
      ASSERT_EQ(write(*object, 0, filled(512, 1)), Error());
      disk.inject({.op = SimOp::write, .error = error, .in_sync = true});
      auto zeros = filled(512, 0);
      IoVec memory{zeros.data(), zeros.size()};
      block::IoRequest request;
      request.op = op;
      request.offset = 4096;
      request.length = zeros.size();
      if (op == IoOp::write) request.buffers = {&memory, 1};
      request.fua = true;
      EXPECT_EQ(block::perform(*object, request), BlockErrc::failed);
      EXPECT_EQ(flush(*object), BlockErrc::failed);
      EXPECT_EQ(machine.catalog().luns()->at(0).state, LunState::failed);
    }
}

// The full store refuses the durable write; its room is back at once.
TEST_F(FailedStateTest, ARefusedDurableWriteIsNoLossAlthoughThereIsSpaceAgain) {
  for (auto mode : {CacheMode::writeback, CacheMode::writethrough}) {
    auto object = machine_->make("db" + std::to_string(static_cast<int>(mode)), kMiB, mode);
    ASSERT_EQ(write(*object, 0, filled(512, 1)), Error());
    disk_.inject({.op = SimOp::write, .error = ENOSPC});
    EXPECT_EQ(write(*object, 4096, filled(512, 1), true), BlockErrc::no_space);
    EXPECT_EQ(object->state(), LunState::online);
    EXPECT_EQ(flush(*object), Error());
  }
}

// What the sync said was of earlier writes, and the store is still full.
TEST_F(FailedStateTest, ALossIsNotHiddenByAStoreThatStaysFull) {
  auto object = machine_->make("db", kMiB);
  ASSERT_EQ(write(*object, 0, filled(512, 1)), Error());
  disk_.fail_writeback("db.img", ENOSPC);
  disk_.inject({.op = SimOp::write, .skip = 1, .times = 100, .error = ENOSPC});
  EXPECT_EQ(write(*object, 4096, filled(512, 1), true), BlockErrc::failed);
  disk_.clear_faults();
  expect_failed(*object);
}

TEST_F(FailedStateTest, AnAcceptedLossIsNotFoundAgainOnAFullStore) {
  auto object = machine_->make("db", kMiB);
  ASSERT_EQ(write(*object, 0, filled(512, 1)), Error());
  disk_.inject({.op = SimOp::sync, .error = EIO});
  EXPECT_EQ(flush(*object), BlockErrc::failed);
  ASSERT_TRUE(machine_->registry().set_online("db", true));
  disk_.inject({.op = SimOp::write, .error = ENOSPC});
  EXPECT_EQ(write(*object, 4096, filled(512, 1), true), BlockErrc::no_space);
  EXPECT_EQ(flush(*object), Error());
}

// Its verdict may be "lost", and whoever has the object to himself must know.
TEST_F(FailedStateTest, AFlushThatWaitsForItsVerdictIsStillInFlight) {
  auto object = machine_->make("db", kMiB);
  auto lun = std::dynamic_pointer_cast<object::LunObject>(object);
  ASSERT_TRUE(lun);
  EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
  disk_.inject({.op = SimOp::sync_all, .hang = true});
  std::thread control([&] { (void)lun->sync_beside(*lun->data().file()); });
  while (disk_.hanging() != 1) std::this_thread::yield();
  block::IoRequest waiting;
  waiting.op = IoOp::flush;
  std::atomic<bool> answered = false;
  waiting.owner = &answered;
  waiting.complete = [](block::IoRequest& done) noexcept {
    static_cast<std::atomic<bool>*>(done.owner)->store(true);
  };
  object->submit(waiting);
  EXPECT_FALSE(answered);
  auto paused = [&] {
    return object::LunObject::Pause(*lun, std::chrono::milliseconds(0)).reached();
  };
  EXPECT_FALSE(paused());
  disk_.release();
  control.join();
  EXPECT_TRUE(answered);
  EXPECT_TRUE(paused());
  EXPECT_EQ(waiting.error, Error());
}

TEST_F(FailedStateTest, ALossThatCameAfterTheAcceptedOneIsNotForgotten) {
  auto object = machine_->make("db", kMiB);
  auto lun = std::dynamic_pointer_cast<object::LunObject>(object);
  ASSERT_TRUE(lun);
  fail_a_flush(*object);
  auto seen = lun->failures();
  lun->fail();
  EXPECT_FALSE(lun->accept_loss(seen));
  EXPECT_EQ(flush(*object), BlockErrc::failed);
  EXPECT_TRUE(machine_->registry().set_online("db", true));
  EXPECT_EQ(object->state(), LunState::online);
  EXPECT_EQ(flush(*object), Error());
}

// A flush from before the failure is not answered "good" after the acceptance,
// and does not fail the object again either.
TEST_F(FailedStateTest, AFlushFromBeforeTheAcceptedLossFails) {
  auto object = machine_->make("db", kMiB);
  EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
  disk_.inject({.op = SimOp::sync, .hang = true});
  block::IoRequest old;
  old.op = IoOp::flush;
  std::atomic<bool> answered = false;
  old.owner = &answered;
  old.complete = [](block::IoRequest& done) noexcept {
    static_cast<std::atomic<bool>*>(done.owner)->store(true);
  };
  object->submit(old);
  ASSERT_EQ(disk_.hanging(), 1u);
  auto lun = std::dynamic_pointer_cast<object::LunObject>(object);
  disk_.inject({.op = SimOp::sync, .error = EIO});
  EXPECT_EQ(flush(*object), BlockErrc::failed);
  ASSERT_EQ(lun->state(), LunState::failed);
  ASSERT_TRUE(lun->accept_loss(lun->failures()));
  disk_.release();
  EXPECT_TRUE(answered);
  EXPECT_EQ(old.error, BlockErrc::failed);
  EXPECT_EQ(object->state(), LunState::online);
  EXPECT_EQ(flush(*object), Error());
}

TEST_F(FailedStateTest, AFlushBesideAFailingOneFailsToo) {
  auto object = machine_->make("db", kMiB);
  EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
  disk_.inject({.op = SimOp::sync, .error = EIO, .hang = true});
  Error first, second;
  std::thread a([&] { first = flush(*object); });
  while (disk_.hanging() == 0) std::this_thread::yield();
  std::thread b([&] { second = flush(*object); });  // its own sync succeeds
  while (object->accounting().flushes == 0 && disk_.hanging() == 1) {
    if (disk_.trace().back().find("sync") == std::string::npos)
      std::this_thread::yield();
    else
      break;
  }
  disk_.release();
  a.join();
  b.join();
  EXPECT_EQ(first, BlockErrc::failed);
  EXPECT_EQ(second, BlockErrc::failed);
}

// The failing flush takes the new trailer with it, and hears of it alone.
TEST_F(FailedStateTest, AGrowBesideAFailingFlushKeepsTheOldTrailer) {
  auto object = machine_->make("db", kMiB);
  disk_.inject({.op = SimOp::sync_all, .skip = 1, .hang = true});  // the first anchors the old one
  std::optional<bool> grown;
  std::thread grow([&] { grown = machine_->registry().resize("db", 2 * kMiB, false).has_value(); });
  while (disk_.hanging() == 0) std::this_thread::yield();
  EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
  disk_.inject({.op = SimOp::sync, .error = EIO});
  EXPECT_EQ(flush(*object), BlockErrc::failed);
  disk_.release();
  grow.join();
  EXPECT_EQ(grown, false);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto left = disk_.power_cut(seed);
    auto marks = marks_.power_cut(seed);
    Machine again(*left, marks.get());
    ASSERT_FALSE(again.failure());
    auto found = again.object("db");
    ASSERT_TRUE(found) << seed;
    EXPECT_EQ(found->state(), LunState::failed);
  }
}

TEST_F(FailedStateTest, WithoutACatalogTheTrailerOrAMarkKeepsIt) {
  for (bool trailer_works : {true, false}) {
    SimStore disk, marks;
    {
      auto machine = std::make_unique<Machine>(disk, &marks);
      auto object = machine->make("db", kMiB);
      EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
      // The flush, then the catalog's log; then everything or nothing else.
      disk.inject({.op = SimOp::sync, .times = 2, .error = EIO});
      if (!trailer_works) disk.inject({.op = SimOp::sync_all, .times = 99, .error = EIO});
      EXPECT_EQ(flush(*object), BlockErrc::failed);
      machine.reset();
      disk.clear_faults();
    }
    Machine again(disk, &marks);
    ASSERT_FALSE(again.failure());
    EXPECT_EQ(flush(*again.object("db")), BlockErrc::failed) << trailer_works;
    ASSERT_TRUE(again.registry().set_online("db", true));
    EXPECT_EQ(flush(*again.object("db")), Error());
  }
}

TEST_F(FailedStateTest, WhatCanBeWrittenNowhereMakesTheShutdownUnclean) {
  SimStore disk;
  Machine machine(disk);
  auto object = machine.make("db", kMiB);
  EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
  for (auto op : {SimOp::sync, SimOp::sync_all})
    disk.inject({.op = op, .times = 99999, .error = EIO});
  EXPECT_EQ(flush(*object), BlockErrc::failed);
  EXPECT_EQ(write(*object, 0, filled(512, 1)), BlockErrc::failed);
  EXPECT_FALSE(machine.registry().stop());
  disk.clear_faults();
  EXPECT_EQ(machine.catalog().setting("clean_shutdown").value(), "0");
}

TEST_F(FailedStateTest, TheRetryAtStopRecordsIt) {
  {
    SimStore disk;
    {
      Machine machine(disk);
      auto object = machine.make("db", kMiB);
      EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
      for (auto op : {SimOp::sync, SimOp::sync_all})
        disk.inject({.op = op, .times = 99999, .error = EIO});
      EXPECT_EQ(flush(*object), BlockErrc::failed);
      disk.clear_faults();
      EXPECT_TRUE(machine.registry().stop());
    }
    Machine again(disk);
    EXPECT_EQ(flush(*again.object("db")), BlockErrc::failed);
  }
}

}  // namespace
}  // namespace caisson::tests
