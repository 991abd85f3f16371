// SPDX-License-Identifier: Apache-2.0
// What comes after a failed sync: an accepted loss is over, a kill that overtakes the
// record is not believed to have overtaken the failure, and what a start reads from the
// page cache only is made durable before it is relied on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "storage_object/base/errc.hpp"
#include "storage_object/format/trailer.hpp"
#include "storage_object/object/lun_object.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using block::BlockErrc;
using catalog::LunState;
using object::ReservationAction;
using ::testing::IsEmpty;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kAlways = 1 << 30;

std::function<void(object::RegistryOptions&)> with_memory(SimStore& memory) {
  return [&memory](object::RegistryOptions& options) {
    options.record_retry = std::chrono::milliseconds(1);
    options.failure_marks = {
        {.name = "memory",
         .open = [&memory](bool) -> Outcome<std::unique_ptr<file_store::Store>> {
           return std::make_unique<BorrowedStore>(memory);
         },
         .quick = true}};
  };
}

class AfterFailureTest : public ::testing::Test {
 protected:
  AfterFailureTest() : machine_(std::make_unique<Machine>(disk_, nullptr, with_memory(memory_))) {}
  ~AfterFailureTest() override { disk_.clear_faults(); }

  /// A written LUN whose flush fails. `trailer`: syncs of the trailer fail too.
  std::shared_ptr<object::StorageObject> fail(const std::string& name, std::uint64_t trailer) {
    auto object = machine_->make(name, kMiB);
    EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
    const auto file = name + ".img";
    disk_.inject({.op = SimOp::sync, .error = EIO, .file = file});
    if (trailer != 0)
      disk_.inject({.op = SimOp::sync_all, .times = trailer, .error = EIO, .file = file});
    EXPECT_EQ(flush(*object), BlockErrc::failed);
    return object;
  }
  object::ReservationResult reserve(object::StorageObject& object) {
    object.reservations().attach(1, {"iqn.a", 1});
    object::ReservationRequest request{
        .action = ReservationAction::register_and_ignore, .service_key = 7, .aptpl = true};
    std::atomic<bool> done = false;
    auto result = object::ReservationResult::done;
    object.change_reservations({1}, request, [&](object::ReservationResult answer) {
      result = answer;
      done = true;
      done.notify_one();
    });
    done.wait(false);
    return result;
  }

  SimStore disk_, memory_;
  std::unique_ptr<Machine> machine_;
};

TEST_F(AfterFailureTest, AResizeAfterAnAcceptedLossFailsNothing) {
  for (std::uint64_t trailer : {0, 1, 2, 3}) {
    SCOPED_TRACE(trailer);
    const auto name = "db" + std::to_string(trailer);
    auto object = fail(name, trailer);
    (void)machine_->registry().set_online(name, false);  // waits for the recorder
    disk_.clear_faults();
    ASSERT_TRUE(machine_->registry().set_online(name, true));
    auto resized = machine_->registry().resize(name, 2 * kMiB, false);
    ASSERT_TRUE(resized) << resized.error().message;
    EXPECT_EQ(object->state(), LunState::online);
    ASSERT_TRUE(machine_->registry().set_offline(name));
    EXPECT_TRUE(machine_->registry().set_online(name, false));
  }
}

TEST_F(AfterFailureTest, AKillBeforeTheRecordFindsAMark) {
  for (auto times : {std::uint64_t{0}, std::uint64_t{1}}) {
    SimStore disk, memory;
    Machine machine(disk, nullptr, with_memory(memory));
    auto object = machine.make("db", kMiB);
    EXPECT_EQ(write(*object, 0, filled(512, 1)), Error());
    disk.inject({.op = SimOp::sync, .error = EIO, .file = "db.img"});
    disk.cut_at(disk.operations() + 1 + times);  // the process dies
    EXPECT_EQ(flush(*object), BlockErrc::failed);
    auto left = disk.killed();
    Machine again(*left, nullptr, with_memory(memory));
    ASSERT_FALSE(again.failure());
    EXPECT_EQ(flush(*again.object("db")), BlockErrc::failed);
    ASSERT_TRUE(again.registry().set_online("db", true));
    EXPECT_THAT(memory.list().value(), IsEmpty());
  }
}

TEST_F(AfterFailureTest, AReservationThatAStartBelievedOutlivesAPowerCut) {
  auto object = machine_->make("db", kMiB);
  const auto before = disk_.operations();
  ASSERT_EQ(reserve(*object), object::ReservationResult::done);
  const auto steps = disk_.operations() - before;
  object.reset();
  for (std::uint64_t step = 0; step < steps; ++step) {
    SimStore disk;
    Machine machine(disk);
    auto lun = machine.make("db", kMiB);
    disk.cut_at(disk.operations() + step, SimUnderWay::done);
    (void)reserve(*lun);
    auto killed = disk.killed();
    Machine next(*killed);
    ASSERT_FALSE(next.failure());
    const auto believed = next.object("db")->reservations().state();
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      auto cut = killed->power_cut(seed);
      Machine last(*cut);
      ASSERT_FALSE(last.failure());
      ASSERT_EQ(last.object("db")->reservations().state(), believed) << step << " " << seed;
    }
  }
}

TEST_F(AfterFailureTest, AnImportInPlaceThatASyncFailedUnderIsTakenUpAgainDurably) {
  for (std::uint64_t skip = 0; skip < 4; ++skip)
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      SCOPED_TRACE(std::to_string(skip) + " " + std::to_string(seed));
      SimStore disk;
      Machine machine(disk);
      auto image = disk.create_unnamed().value();
      ASSERT_TRUE(file_store::write_at(*image, 0, filled(10000, 3)));
      ASSERT_TRUE(image->sync_all());
      ASSERT_TRUE(disk.publish(*image, "raw.img"));
      ASSERT_TRUE(disk.sync_names());
      image.reset();
      disk.inject({.op = SimOp::sync_all, .skip = skip, .times = 2, .error = EIO});
      (void)machine.registry().import({.file = "raw.img", .name = "db", .in_place = true});
      auto killed = disk.killed();
      {
        Machine again(*killed);
        ASSERT_FALSE(again.failure());
      }
      auto cut = seed % 2 == 0 ? disk.power_cut(seed) : killed->power_cut(seed);
      Machine last(*cut);
      ASSERT_FALSE(last.failure());
      auto found = last.registry().find("db");
      ASSERT_TRUE(!found || found->object) << found->reason;
    }
}

// The recorder that tries again is held up by one LUN while the next is deleted.
TEST_F(AfterFailureTest, NoMarkOfADeletedLunIsMadeByARecorderThatWasHeldUp) {
  auto hanging = machine_->make("aa", kMiB), object = machine_->make("db", kMiB);
  for (auto op : {SimOp::sync, SimOp::sync_all})
    disk_.inject({.op = op, .times = kAlways, .error = EIO});
  EXPECT_EQ(flush(*hanging), BlockErrc::failed);
  EXPECT_EQ(flush(*object), BlockErrc::failed);
  disk_.clear_faults();
  disk_.inject({.op = SimOp::sync_all, .hang = true, .file = "aa.img"});
  const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (disk_.hanging() == 0 && std::chrono::steady_clock::now() < limit)
    std::this_thread::yield();
  ASSERT_EQ(disk_.hanging(), 1U) << "nobody tries again";
  const auto uuid = machine_->registry().find("db")->record.uuid;
  object.reset();
  ASSERT_TRUE(machine_->registry().remove("db"));
  disk_.release();
  hanging.reset();
  machine_.reset();
  for (const auto& entry : memory_.list().value()) EXPECT_NE(entry.name, uuid.to_string());
}

/// Replaces the trailer of "db" by one that uses a feature of a later version.
void put_later_feature(SimStore& disk, bool failed) {
  auto content = disk.content("db.img");
  const auto place = format::trailer_position(kMiB);
  auto reading = format::parse_slot(std::span(content).subspan(place, format::kSlotSize), place);
  ASSERT_EQ(reading.defect, format::SlotDefect::none);
  auto slot = reading.slot;
  slot.generation += 10;
  slot.features.read_only_compatible = 1;
  if (failed) slot.message.mutable_failed()->set_reason("a flush failed");
  auto bytes = format::encode_slot(slot, 0);
  auto file = disk.open("db.img").value();
  ASSERT_TRUE(file_store::write_at(*file, place, bytes->span()));
}

TEST_F(AfterFailureTest, TheLossOfAReadOnlyContainerIsAcceptedUnlessItsTrailerSaysFailed) {
  for (bool in_trailer : {false, true}) {
    SimStore disk;
    {
      Machine machine(disk);
      machine.make("db", kMiB);
    }
    put_later_feature(disk, in_trailer);
    Machine machine(disk);
    auto object = machine.object("db");
    ASSERT_TRUE(object) << machine.registry().find("db")->reason;
    if (!in_trailer) std::dynamic_pointer_cast<object::LunObject>(object)->fail();
    EXPECT_FALSE(machine.registry().set_online("db", false));
    auto accepted = machine.registry().set_online("db", true);
    EXPECT_EQ(accepted.has_value(), !in_trailer);
    EXPECT_EQ(object->state(), in_trailer ? LunState::failed : LunState::online);
  }
}

}  // namespace
}  // namespace caisson::tests
