// SPDX-License-Identifier: Apache-2.0
// START STOP UNIT, PREVENT ALLOW MEDIUM REMOVAL and what an ejected disk serves.
#include "gateway/scsi/unit_attention.hpp"
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

class MediumTest : public ScsiTest {
 protected:
  static constexpr auto kEject = "1B 00 00 00 02 00", kLoad = "1B 00 00 00 03 00",
                        kPrevent = "1E 00 00 00 01 00", kAllow = "1E 00 00 00 00 00",
                        kTest = "00 00 00 00 00 00";
  MediumTest() {
    tests::MemoryObject::Setup setup;
    setup.identity.removable = true;
    attach(setup);
    other_ = std::make_unique<Nexus>(identity(2), std::vector<LunMapping>{{0, unit_, false}});
    clear(*other_);
  }
  ~MediumTest() override { other_.reset(); }

  Exchange on_other(std::string_view cdb) {
    Exchange x;
    start(*other_, x, hex(cdb));
    return x;
  }

  std::unique_ptr<Nexus> other_;
};

TEST_F(MediumTest, EjectedDiskHasNoMediumUntilItIsLoaded) {
  EXPECT_TRUE(run(kEject).good());
  for (auto cdb : {kTest, "25", "28 00 00000000 00 0001 00", "35", "1A 00 3F 00 FF 00"}) {
    auto x = run(cdb);
    if (std::string_view(cdb).starts_with("1A"))
      EXPECT_TRUE(x.good());
    else
      expect_sense(x, kMediumNotPresent);
  }
  expect_sense(on_other(kTest), kMediumNotPresent);
  EXPECT_TRUE(run("12 00 00 00 60 00").good());
  EXPECT_EQ(run("03 00 00 00 FC 00").data()[12], std::byte{0x3a});
  EXPECT_TRUE(run(kLoad).good());
  EXPECT_TRUE(run(kTest).good());
  expect_sense(on_other(kTest), {SenseKey::unit_attention, 0x28, 0x00});
  EXPECT_TRUE(on_other(kTest).good());
}

TEST_F(MediumTest, EjectFlushesUnlessToldNotTo) {
  EXPECT_TRUE(run(kEject).good());
  ASSERT_EQ(object_->seen().size(), 1u);
  EXPECT_EQ(object_->seen()[0].op, block::IoOp::flush);
  EXPECT_TRUE(run(kLoad).good());
  object_->forget_seen();
  EXPECT_TRUE(run("1B 00 00 00 06 00").good());
  EXPECT_TRUE(object_->seen().empty());
  expect_sense(run(kTest), kMediumNotPresent);
}

TEST_F(MediumTest, WhatCannotBeFlushedStays) {
  object_->fail(block::IoOp::flush, block::BlockErrc::failed);
  expect_sense(run(kEject), kInternalTargetFailure);
  EXPECT_TRUE(run(kTest).good());
}

TEST_F(MediumTest, StoppingFlushesAndTheDiskStaysReady) {
  EXPECT_TRUE(run("1B 00 00 00 00 00").good());
  EXPECT_EQ(object_->seen().size(), 1u);
  EXPECT_TRUE(run(kTest).good());
  EXPECT_TRUE(run("1B 01 00 00 01 00").good());
  EXPECT_EQ(object_->seen().size(), 1u) << "starting writes nothing back";
}

TEST_F(MediumTest, PreventedByAnyNexusItStays) {
  for (auto by_other : {false, true}) {
    EXPECT_TRUE((by_other ? on_other(kPrevent) : run(kPrevent)).good());
    expect_sense(run(kEject), kRemovalPrevented);
    expect_sense(run("1B 00 00 00 06 00"), kRemovalPrevented);
    EXPECT_TRUE(run(kTest).good());
    EXPECT_TRUE((by_other ? on_other(kAllow) : run(kAllow)).good());
  }
  EXPECT_TRUE(run(kEject).good());
}

TEST_F(MediumTest, PreventedItIsNotLoadedEither) {
  EXPECT_TRUE(run(kEject).good());
  EXPECT_TRUE(run(kPrevent).good());
  expect_sense(run(kLoad), kRemovalPrevented);
  EXPECT_TRUE(run(kAllow).good());
  EXPECT_TRUE(run(kLoad).good());
  EXPECT_TRUE(run(kPrevent).good());
  EXPECT_TRUE(run(kLoad).good()) << "it is there";
}

TEST_F(MediumTest, PreventionEndsWithItsNexusAndWithAReset) {
  on_other(kPrevent);
  other_.reset();
  EXPECT_TRUE(run(kEject).good());
  run(kLoad);
  run(kPrevent);
  EXPECT_TRUE(nexus_->reset(0));
  clear(*nexus_);
  EXPECT_TRUE(run(kEject).good());
}

TEST_F(MediumTest, FieldsThatMeanNothingHereAreRefused) {
  expect_field(run("1B 00 00 00 10 00"), 4, 7);
  expect_field(run("1E 00 00 00 02 00"), 4, 1);
  expect_field(run("1E 00 00 00 03 00"), 4, 1);
  attach({});
  expect_field(run(kEject), 4, 1);
  expect_field(run(kLoad), 4, 1);
  EXPECT_TRUE(run(kPrevent).good());
}

TEST_F(MediumTest, AHostThatMayOnlyReadMovesNothing) {
  tests::MemoryObject::Setup setup;
  setup.identity.removable = true;
  other_.reset();
  attach(setup, true);
  expect_sense(run(kEject), kWriteProtected);
  EXPECT_TRUE(run("1B 00 00 00 01 00").good());
}

TEST_F(MediumTest, ReservationsKeepOthersFromMovingIt) {
  EXPECT_TRUE(on_other("16 00 00 00 00 00").good());
  for (auto cdb : {kEject, kLoad, kPrevent})
    EXPECT_EQ(run(cdb).status(), Status::reservation_conflict) << cdb;
}

}  // namespace
}  // namespace caisson::scsi
