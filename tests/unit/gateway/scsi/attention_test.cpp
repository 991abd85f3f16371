// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "gateway/scsi/unit_attention.hpp"
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

using object::ObjectEvent;

constexpr Sense attention(std::uint8_t asc, std::uint8_t ascq) {
  return {SenseKey::unit_attention, asc, ascq};
}

class AttentionTest : public ScsiTest {
 protected:
  std::unique_ptr<Nexus> another(std::uint64_t id) {
    return std::make_unique<Nexus>(identity(id), std::vector<LunMapping>{{0, unit_}});
  }
  static Exchange ready(Nexus& nexus, std::uint64_t lun = 0) {
    Exchange x;
    start(nexus, x, hex("00"), {}, lun_address(lun));
    return x;
  }
};

TEST_F(AttentionTest, NewNexusHearsOfThePowerOnFirst) {
  auto nexus = another(2);
  expect_sense(ready(*nexus), attention(0x29, 0x00));
  EXPECT_TRUE(ready(*nexus).good());
}

TEST_F(AttentionTest, OnePerUnit) {
  auto other = std::make_shared<LogicalUnit>(std::make_shared<tests::MemoryObject>());
  Nexus nexus(identity(2), {{4, other}, {0, unit_}});
  expect_sense(ready(nexus, 4), attention(0x29, 0x00));
  expect_sense(ready(nexus, 0), attention(0x29, 0x00));
  EXPECT_TRUE(ready(nexus, 4).good());
}

TEST_F(AttentionTest, EveryAttentionHasItsSense) {
  for (const auto& row : kAttentions) {
    unit_->raise(row.attention);
    expect_sense(ready(*nexus_), attention(row.asc, row.ascq));
    EXPECT_TRUE(ready(*nexus_).good());
  }
}

TEST_F(AttentionTest, ReportedInOrderEachOnce) {
  for (const auto& row : kAttentions) {
    unit_->raise(row.attention);
    unit_->raise(row.attention);
  }
  for (const auto& row : kAttentions) expect_sense(ready(*nexus_), attention(row.asc, row.ascq));
  EXPECT_TRUE(ready(*nexus_).good());
}

TEST_F(AttentionTest, EventsOfTheObjectReachEveryNexus) {
  auto other = another(2);
  clear(*other);
  for (auto [event, sense] : {std::pair{ObjectEvent::capacity_changed, attention(0x2a, 0x09)},
                              {ObjectEvent::mode_changed, attention(0x2a, 0x01)},
                              {ObjectEvent::identity_changed, attention(0x3f, 0x03)},
                              {ObjectEvent::online, attention(0x28, 0x00)},
                              {ObjectEvent::reset, attention(0x29, 0x03)},
                              {ObjectEvent::space_low, attention(0x38, 0x07)}}) {
    object_->announce(event);
    for (auto* nexus : {nexus_.get(), other.get()}) {
      expect_sense(ready(*nexus), sense);
      EXPECT_TRUE(ready(*nexus).good());
    }
  }
  object_->announce(ObjectEvent::failed);
  object_->announce(ObjectEvent::offline);
  EXPECT_EQ(nexus_->pending(0), 0u);
}

TEST_F(AttentionTest, GrownDiskShowsItsNewSizeAfterTheAttention) {
  object_->resize(std::uint64_t{32} << 20);
  expect_sense(run("25"), attention(0x2a, 0x09));
  EXPECT_EQ(run("25").data(), hex("0000FFFF 00000200"));
}

TEST_F(AttentionTest, TheOneWhoCausedItCanBeSpared) {
  auto other = another(2);
  clear(*other);
  unit_->raise(UnitAttention::mode_parameters_changed, nexus_.get());
  EXPECT_TRUE(ready(*nexus_).good());
  expect_sense(ready(*other), attention(0x2a, 0x01));
}

TEST_F(AttentionTest, RequestSenseTakesIt) {
  unit_->raise(UnitAttention::capacity_changed);
  EXPECT_EQ(run("03 00 0000 FC 00").data(), hex("70 00 06 00000000 0A 00000000 2A 09 00 000000"));
  EXPECT_EQ(run("03 00 0000 FC 00").data(), hex("70 00 00 00000000 0A 00000000 00 00 00 000000"));
  EXPECT_TRUE(ready(*nexus_).good());
}

TEST_F(AttentionTest, RequestSenseInEitherFormatAndCut) {
  unit_->raise(UnitAttention::capacity_changed);
  EXPECT_EQ(run("03 01 0000 FC 00").data(), hex("72 06 2A 09 000000 00"));
  EXPECT_EQ(run("03 01 0000 04 00").data(), hex("72 00 00 00"));
}

TEST_F(AttentionTest, RequestSenseOfUnitsThatAreNotThereOrNotServed) {
  EXPECT_EQ(run("03 01 0000 FC 00", {}, lun_address(1)).data(), hex("72 05 25 00 000000 00"));
  object_->set_state(catalog::LunState::offline);
  EXPECT_EQ(run("03 01 0000 FC 00").data(), hex("72 02 04 03 000000 00"));
}

TEST_F(AttentionTest, InquiryAndReportLunsLeaveItPending) {
  unit_->raise(UnitAttention::capacity_changed);
  EXPECT_TRUE(run("12 00 00 00FF 00").good());
  EXPECT_TRUE(run("A0 00 00 000000 00000100 00 00").good());
  expect_sense(ready(*nexus_), attention(0x2a, 0x09));
}

TEST_F(AttentionTest, ReportLunsListsNumbersInOrderAndSelects) {
  std::vector<LunMapping> units;
  for (std::uint64_t number : {300u, 0u, 7u}) units.push_back({number, unit_});
  Nexus nexus(identity(2), units);
  auto report = [&](std::string_view cdb) {
    Exchange x;
    start(nexus, x, hex(cdb), {}, lun_address(99));
    EXPECT_TRUE(x.good());
    return x.data();
  };
  auto all = hex("00000018 00000000 0000000000000000 0007000000000000 412C000000000000");
  EXPECT_EQ(report("A0 00 00 000000 00000100 00 00"), all);
  EXPECT_EQ(report("A0 00 02 000000 00000100 00 00"), all);
  EXPECT_EQ(report("A0 00 01 000000 00000100 00 00"), hex("00000000 00000000"));
  EXPECT_EQ(report("A0 00 00 000000 00000010 00 00"), Bytes(all.begin(), all.begin() + 16));
  Exchange x;
  start(nexus, x, hex("A0 00 03 000000 00000100 00 00"));
  expect_field(x, 2, 7);
}

TEST_F(AttentionTest, RemapIsHeardByWhatStaysAndWhatComes) {
  auto other = std::make_shared<LogicalUnit>(std::make_shared<tests::MemoryObject>());
  nexus_->remap({{0, unit_, true}, {1, other}});
  expect_sense(ready(*nexus_), attention(0x3f, 0x0e));
  expect_sense(ready(*nexus_, 1), attention(0x29, 0x00));
  expect_sense(ready(*nexus_, 1), attention(0x3f, 0x0e));
  expect_sense(run("2A 00 00000000 00 0001 00"), kWriteProtected);
  nexus_->remap({{1, other}});
  expect_sense(ready(*nexus_, 0), kNoSuchLun);
  unit_->raise(UnitAttention::capacity_changed);
  EXPECT_EQ(nexus_->pending(1), bit(UnitAttention::reported_luns_changed));
}

TEST_F(AttentionTest, NumberGivenToAnotherUnitEndsWhatWasMeantForTheFirst) {
  auto disk = std::make_shared<tests::MemoryObject>();
  auto other = std::make_shared<LogicalUnit>(disk);
  Exchange x;
  std::ranges::copy(hex("2A 00 00000000 00 0001 00"), x.task.cdb.begin());
  x.task.cdb_length = 16;
  x.task.owner = &x;
  x.task.complete = [](Task& task) noexcept { ++static_cast<Exchange*>(task.owner)->completions; };
  clear(*nexus_, 0);
  ASSERT_TRUE(nexus_->prepare(x.task, x.plan));
  nexus_->remap({{0, other}, {1, unit_}});
  x.task.data_out = Buffer(512);
  std::ranges::fill(x.task.data_out.span(), std::byte{0x5a});
  x.task.data_out_length = 512;
  nexus_->execute(x.task);
  expect_sense(x, kNoSuchLun);
  EXPECT_EQ(disk->accounting().writes, 0u);
}

TEST_F(AttentionTest, ReportLunsEndsTheNewsOfChangedLuns) {
  nexus_->remap({{0, unit_}});
  run("A0 00 00 000000 00000100 00 00");
  EXPECT_TRUE(ready(*nexus_).good());
}

TEST_F(AttentionTest, RemapGivesUnitsBack) {
  std::weak_ptr<LogicalUnit> watched;
  {
    auto other = std::make_shared<LogicalUnit>(std::make_shared<tests::MemoryObject>());
    watched = other;
    nexus_->remap({{0, unit_}, {1, other}});
  }
  EXPECT_FALSE(watched.expired());
  nexus_->remap({{0, unit_}});
  EXPECT_TRUE(watched.expired());
}

TEST_F(AttentionTest, UnmappedUnitStaysUntilItsLastRequestHasEnded) {
  auto disk = std::make_shared<tests::MemoryObject>();
  std::weak_ptr<LogicalUnit> watched;
  {
    auto other = std::make_shared<LogicalUnit>(disk);
    watched = other;
    nexus_->remap({{0, unit_}, {1, other}});
  }
  clear(*nexus_, 1);
  disk->hold();
  Exchange first, second;
  start(*nexus_, first, hex("28 00 00000000 00 0001 00"), {}, lun_address(1));
  start(*nexus_, second, hex("28 00 00000000 00 0001 00"), {}, lun_address(1));
  nexus_->remap({{0, unit_}});
  auto third = std::make_shared<LogicalUnit>(std::make_shared<tests::MemoryObject>());
  nexus_->remap({{0, unit_}, {2, third}});
  EXPECT_FALSE(watched.expired());
  EXPECT_EQ(disk->release(), 2u);
  EXPECT_TRUE(first.good() && second.good());
  EXPECT_TRUE(watched.expired());
}

TEST_F(AttentionTest, ImmediateFlushMayOutlastTheNexus) {
  object_->hold();
  Exchange x;
  clear(*nexus_);
  start(*nexus_, x, hex("35 02 00000000 00 0000 00"));
  EXPECT_TRUE(x.good());
  nexus_.reset();
  std::weak_ptr<LogicalUnit> watched = unit_;
  unit_.reset();
  EXPECT_FALSE(watched.expired());
  EXPECT_EQ(object_->release(), 1u);
  EXPECT_TRUE(watched.expired());
}

TEST_F(AttentionTest, UnitStopsListeningWhenItGoes) {
  EXPECT_EQ(object_->observers(), 1u);
  nexus_.reset();
  unit_.reset();
  EXPECT_EQ(object_->observers(), 0u);
}

TEST_F(AttentionTest, RaisedFromManyThreadsWhileTheNexusWorksAndRemaps) {
  constexpr int kRounds = 2000;
  auto other = std::make_shared<LogicalUnit>(std::make_shared<tests::MemoryObject>());
  std::vector<std::jthread> raisers;
  for (auto kind : {UnitAttention::capacity_changed, UnitAttention::mode_parameters_changed})
    raisers.emplace_back([&, kind] {
      for (int i = 0; i < kRounds; ++i) {
        unit_->raise(kind);
        other->raise(kind);
        nexus_->raise(*unit_, kind);
      }
    });
  raisers.emplace_back([&] {
    for (int i = 0; i < kRounds / 20; ++i) {
      auto passing = another(100 + static_cast<std::uint64_t>(i));
      ready(*passing);
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    ready(*nexus_);
    if (i % 50 == 0) nexus_->remap({{0, unit_}, {1, other}});
    if (i % 50 == 25) nexus_->remap({{0, unit_}});
  }
  raisers.clear();
  clear(*nexus_);
  unit_->raise(UnitAttention::capacity_changed);
  expect_sense(ready(*nexus_), attention(0x2a, 0x09));
  EXPECT_TRUE(ready(*nexus_).good());
}

TEST_F(AttentionTest, ResetReachesTheObjectAndEveryNexus) {
  EXPECT_TRUE(nexus_->reset(lun_address(0)));
  expect_sense(ready(*nexus_), attention(0x29, 0x03));
  EXPECT_FALSE(nexus_->reset(lun_address(8)));
}

}  // namespace
}  // namespace caisson::scsi
