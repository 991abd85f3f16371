// SPDX-License-Identifier: Apache-2.0
// Reservations of a served object: sessions, requests, and what outlives a
// restart or a power cut.
#include "storage_object/object/reservations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {
namespace {

using block::BlockErrc;
using block::IoOp;
using object::CommandClass;
using object::NexusEvent;
using object::ReservationRequest;
using object::ReservationResult;
using object::ReservationType;
using enum object::ReservationAction;
using ::testing::ElementsAre;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kA = 11, kB = 12, kStranger = 99;

class ReservationsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    object_ = machine_->make("db", kMiB);
    attach();
  }
  void attach() {
    object_->reservations().attach(kA, {"a", 1});
    object_->reservations().attach(kB, {"b", 1});
  }
  void restart(std::unique_ptr<SimStore> disk = nullptr) {
    object_.reset();
    machine_.reset();
    if (disk) disk_ = std::move(disk);
    machine_ = std::make_unique<Machine>(*disk_);
    ASSERT_FALSE(machine_->failure()) << machine_->failure()->message;
    object_ = machine_->object("db");
    ASSERT_TRUE(object_);
    attach();
  }
  ReservationResult ask(std::uint64_t nexus, const ReservationRequest& request) {
    std::promise<ReservationResult> ended;
    object_->change_reservations({nexus}, request,
                                 [&](ReservationResult result) { ended.set_value(result); });
    return ended.get_future().get();
  }
  void hold(std::uint64_t nexus, ReservationType type, bool aptpl = false) {
    ASSERT_EQ(ask(nexus, {.action = register_and_ignore, .service_key = nexus, .aptpl = aptpl}),
              ReservationResult::done);
    ASSERT_EQ(ask(nexus, {.action = reserve, .key = nexus, .type = type}), ReservationResult::done);
  }
  Error perform(IoOp op, std::uint64_t nexus) {
    auto data = filled(4096, 1);
    IoVec memory{data.data(), data.size()};
    block::StatusExtent extent;
    block::IoRequest request;
    request.op = op;
    request.length = op == IoOp::flush ? 0 : data.size();
    request.context.nexus = nexus;
    if (op == IoOp::read || op == IoOp::write) request.buffers = {&memory, 1};
    if (op == IoOp::status) request.status = {&extent, 1};
    return block::perform(*object_, request);
  }

  std::unique_ptr<SimStore> disk_ = std::make_unique<SimStore>();
  std::unique_ptr<Machine> machine_ = std::make_unique<Machine>(*disk_);
  std::shared_ptr<object::StorageObject> object_;
};

TEST_F(ReservationsTest, EveryRequestIsJudged) {
  hold(kA, ReservationType::write_exclusive);
  for (auto op : {IoOp::read, IoOp::status}) EXPECT_EQ(perform(op, kB), Error());
  for (auto op : {IoOp::write, IoOp::unmap, IoOp::write_zeroes, IoOp::flush}) {
    EXPECT_EQ(perform(op, kB), BlockErrc::conflict);
    EXPECT_EQ(perform(op, kStranger), BlockErrc::conflict);
    EXPECT_EQ(perform(op, kA), Error());
    EXPECT_EQ(perform(op, 0), Error()) << "the gateway itself";
  }
  ASSERT_EQ(ask(kB, {.action = register_and_ignore, .service_key = 5}), ReservationResult::done);
  ASSERT_EQ(ask(kB, {.action = preempt,
                     .key = 5,
                     .service_key = kA,
                     .type = ReservationType::exclusive_access}),
            ReservationResult::done);
  for (auto op : {IoOp::read, IoOp::status, IoOp::write, IoOp::flush}) {
    EXPECT_EQ(perform(op, kA), BlockErrc::conflict);
    EXPECT_EQ(perform(op, kB), Error());
  }
}

TEST_F(ReservationsTest, ANexusIsKnownByItsNameOverSessions) {
  hold(kA, ReservationType::exclusive_access);
  object_->reservations().detach(kA);
  EXPECT_EQ(perform(IoOp::write, kA), BlockErrc::conflict);
  object_->reservations().attach(21, {"a", 1});
  EXPECT_EQ(perform(IoOp::write, 21), Error());
  object_->reservations().attach(22, {"a", 2});
  EXPECT_EQ(perform(IoOp::read, 22), BlockErrc::conflict);
}

TEST_F(ReservationsTest, WhoIsNotAttachedCannotReserve) {
  EXPECT_EQ(ask(kStranger, {.action = register_key, .service_key = 1}),
            ReservationResult::conflict);
}

TEST_F(ReservationsTest, TellsTheSessionsConcerned) {
  struct Observer final : object::ObjectObserver {
    std::vector<std::pair<std::uint64_t, NexusEvent>> heard;
    void on_object_event(object::ObjectEvent) noexcept override {}
    void on_nexus_event(std::uint64_t nexus, NexusEvent event) noexcept override {
      heard.emplace_back(nexus, event);
    }
  } observer;
  object_->subscribe(observer);
  hold(kA, ReservationType::write_exclusive_registrants_only);
  ASSERT_EQ(ask(kB, {.action = register_and_ignore, .service_key = 5}), ReservationResult::done);
  ASSERT_EQ(ask(kA, {.action = release,
                     .key = kA,
                     .type = ReservationType::write_exclusive_registrants_only}),
            ReservationResult::done);
  ASSERT_EQ(ask(kB, {.action = clear, .key = 5}), ReservationResult::done);
  EXPECT_THAT(observer.heard, ElementsAre(std::pair(kB, NexusEvent::reservations_released),
                                          std::pair(kA, NexusEvent::reservations_preempted)));
  object_->unsubscribe(observer);
}

// The whole unit, SPC-2.

TEST_F(ReservationsTest, AWholeUnitBelongsToOneSession) {
  EXPECT_EQ(ask(kA, {.action = reserve_unit}), ReservationResult::done);
  EXPECT_EQ(ask(kA, {.action = reserve_unit}), ReservationResult::done);
  EXPECT_EQ(ask(kB, {.action = reserve_unit}), ReservationResult::conflict);
  EXPECT_EQ(ask(kB, {.action = release_unit}), ReservationResult::done) << "without effect";
  EXPECT_EQ(perform(IoOp::read, kB), BlockErrc::conflict);
  EXPECT_EQ(perform(IoOp::write, kA), Error());
  auto& reservations = object_->reservations();
  EXPECT_FALSE(reservations.permits(kB, CommandClass::status));
  EXPECT_TRUE(reservations.permits(kB, CommandClass::always));
  EXPECT_FALSE(reservations.permits(kA, CommandClass::reservation));
  EXPECT_EQ(ask(kA, {.action = register_key, .service_key = 1}), ReservationResult::conflict);
  EXPECT_EQ(ask(kA, {.action = release_unit}), ReservationResult::done);
  EXPECT_EQ(perform(IoOp::read, kB), Error());
}

TEST_F(ReservationsTest, AWholeUnitIsFreeAfterNexusLossAndReset) {
  ask(kA, {.action = reserve_unit});
  object_->reservations().detach(kA);
  EXPECT_EQ(perform(IoOp::write, kB), Error());
  ask(kB, {.action = reserve_unit});
  EXPECT_EQ(perform(IoOp::write, kStranger), BlockErrc::conflict);
  EXPECT_EQ(object_->reset(), Error());
  EXPECT_EQ(perform(IoOp::write, kStranger), Error());
}

TEST_F(ReservationsTest, AWholeUnitWithRegistrants) {
  ask(kA, {.action = register_key, .service_key = 1});
  for (auto action : {reserve_unit, release_unit}) {
    EXPECT_EQ(ask(kA, {.action = action}), ReservationResult::conflict);
    EXPECT_EQ(ask(kB, {.action = action}), ReservationResult::conflict);
  }
  ask(kA, {.action = reserve, .key = 1, .type = ReservationType::write_exclusive});
  for (auto action : {reserve_unit, release_unit}) {
    EXPECT_EQ(ask(kA, {.action = action}), ReservationResult::done);
    EXPECT_EQ(ask(kB, {.action = action}), ReservationResult::conflict);
  }
  EXPECT_EQ(perform(IoOp::read, kB), Error()) << "nothing was reserved by that";
}

// What outlives a restart.

TEST_F(ReservationsTest, WithoutAptplNothingOutlivesARestart) {
  hold(kA, ReservationType::exclusive_access);
  restart();
  EXPECT_EQ(object_->reservations().state(), object::ReservationState());
  EXPECT_EQ(perform(IoOp::write, kB), Error());
}

TEST_F(ReservationsTest, WithAptplEveryTypeOutlivesAPowerCut) {
  for (auto type : {ReservationType::write_exclusive, ReservationType::exclusive_access,
                    ReservationType::write_exclusive_registrants_only,
                    ReservationType::exclusive_access_registrants_only,
                    ReservationType::write_exclusive_all_registrants,
                    ReservationType::exclusive_access_all_registrants}) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      SCOPED_TRACE(static_cast<int>(type) * 100 + static_cast<int>(seed));
      ask(kB, {.action = register_and_ignore, .service_key = 5, .all_ports = true});
      hold(kA, type, true);
      auto before = object_->reservations().state();
      restart(disk_->power_cut(seed));
      auto after = object_->reservations().state();
      EXPECT_EQ(after.generation, 0u);
      before.generation = 0;
      EXPECT_EQ(after, before);
      EXPECT_EQ(perform(IoOp::write, kStranger), BlockErrc::conflict);
      EXPECT_EQ(perform(IoOp::write, kA), Error());
      ASSERT_EQ(ask(kA, {.action = clear, .key = kA}), ReservationResult::done);
    }
  }
}

TEST_F(ReservationsTest, ARegistrationWithoutAptplForgetsTheRecord) {
  hold(kA, ReservationType::exclusive_access, true);
  ask(kB, {.action = register_and_ignore, .service_key = 5, .aptpl = false});
  restart(disk_->power_cut(3));
  EXPECT_EQ(object_->reservations().state(), object::ReservationState());
}

TEST_F(ReservationsTest, WhatIsClearedStaysCleared) {
  hold(kA, ReservationType::exclusive_access, true);
  ASSERT_EQ(ask(kA, {.action = clear, .key = kA}), ReservationResult::done);
  restart(disk_->power_cut(5));
  EXPECT_TRUE(object_->reservations().state().registrations.empty());
  EXPECT_EQ(perform(IoOp::write, kStranger), Error());
}

TEST_F(ReservationsTest, WhatCannotBeKeptDoesNotHappen) {
  ASSERT_EQ(ask(kA, {.action = register_and_ignore, .service_key = 1, .aptpl = true}),
            ReservationResult::done);
  auto before = object_->reservations().state();
  disk_->inject({.op = SimOp::write, .error = EIO});
  EXPECT_EQ(ask(kA, {.action = reserve, .key = 1, .type = ReservationType::exclusive_access}),
            ReservationResult::not_durable);
  EXPECT_EQ(object_->reservations().state(), before);
  EXPECT_EQ(perform(IoOp::write, kB), Error());
}

TEST_F(ReservationsTest, AGrowKeepsTheRecord) {
  hold(kA, ReservationType::exclusive_access, true);
  ASSERT_TRUE(machine_->registry().resize("db", 2 * kMiB, false));
  restart(disk_->power_cut(7));
  EXPECT_EQ(object_->reservations().state().type, ReservationType::exclusive_access);
}

TEST_F(ReservationsTest, AnObjectThatIsNotServedChangesNothing) {
  auto kept = object_;
  ASSERT_TRUE(machine_->registry().set_offline("db"));
  EXPECT_EQ(ask(kA, {.action = register_key, .service_key = 1, .aptpl = true}),
            ReservationResult::offline);
}

TEST(ReservationRecord, NonsenseIsDropped) {
  format::pb::Trailer message;
  auto& record = *message.mutable_reservations();
  record.set_aptpl(true);
  record.set_type(1);
  EXPECT_EQ(object::read_reservations(message), object::ReservationState()) << "no holder";
  record.set_holder(0);
  EXPECT_EQ(object::read_reservations(message), object::ReservationState()) << "holder of none";
  record.add_registrations()->set_key(1);
  EXPECT_EQ(object::read_reservations(message).type, ReservationType::write_exclusive);
  record.set_type(2);
  EXPECT_EQ(object::read_reservations(message), object::ReservationState()) << "no such type";
}

TEST_F(ReservationsTest, WhoHasLeftReservesNothing) {
  object_->reservations().detach(kA);
  EXPECT_EQ(ask(kA, {.action = reserve_unit}), ReservationResult::conflict);
  EXPECT_EQ(perform(IoOp::write, kB), Error());
}

}  // namespace
}  // namespace caisson::tests
