// SPDX-License-Identifier: Apache-2.0
// REPORT TARGET PORT GROUPS and the states of paths, the other reports, and
// LOG SENSE.
#include "gateway/scsi/task_functions.hpp"
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

class ReportsTest : public ScsiTest {
 protected:
  static constexpr auto kTest = "00 00 00 00 00 00", kRead = "28 00 00000000 00 0001 00",
                        kGroups = "A3 0A 00 00 00 00 00000100 00 00", kModes = "1A 00 3F 00 FF 00",
                        kInquiry = "12 00 00 00 60 00", kLuns = "A0 00 00 00 00 00 00000100 00 00",
                        kKeys = "5E 00 0000000000 0100 00";
};

TEST_F(ReportsTest, InquirySaysImplicitAccess) {
  EXPECT_EQ(run(kInquiry).data()[5], std::byte{0x10});
}

TEST_F(ReportsTest, EveryGroupIsListedWithItsPorts) {
  auto id = identity(5);
  id.port_groups = {{1, {1}}, {3, {2, 7}}};
  Nexus nexus(id, {{0, unit_}});
  clear(nexus);
  Exchange x;
  start(nexus, x, hex(kGroups));
  EXPECT_EQ(x.data(), hex("0000001C  00 8F 0001 00 00 00 01 0000 0001"
                          "          00 8F 0003 00 00 00 02 0000 0002 0000 0007"));
}

TEST_F(ReportsTest, ExtendedHeaderNamesTheTransitionTime) {
  auto data = run("A3 2A 00 00 00 00 00000100 00 00").data();
  EXPECT_EQ(Bytes(data.begin() + 4, data.begin() + 8), hex("10 3C 0000"));
  EXPECT_EQ(std::uint32_t{at<be32>(data, 0)}, data.size() - 4);
  expect_field(run("A3 4A 00 00 00 00 00000100 00 00"), 1, 7);
}

TEST_F(ReportsTest, AllocationLengthCuts) {
  EXPECT_EQ(run("A3 0A 00 00 00 00 00000006 00 00").data().size(), 6u);
  EXPECT_TRUE(run("A3 0A 00 00 00 00 00000000 00 00").good());
}

TEST_F(ReportsTest, GroupsAreNotForHostsToSet) {
  expect_sense(run("A4 0A 00 00 00 00 00000000 00 00"), kInvalidOpcode);
}

TEST_F(ReportsTest, EachStateOfThePathsHasItsSense) {
  struct Case {
    AccessState state;
    Sense sense;
    bool media, settings;
  };
  for (auto [state, sense, media, settings] :
       {Case{AccessState::active_non_optimized, {}, true, true},
        Case{AccessState::standby, kPathStandby, false, true},
        Case{AccessState::unavailable, kPathUnavailable, false, false},
        Case{AccessState::transitioning, kPathTransition, false, false}}) {
    SCOPED_TRACE(static_cast<int>(state));
    unit_->set_access_state(state);
    expect_sense(run(kModes), {SenseKey::unit_attention, 0x2a, 0x06});
    for (auto cdb : {kInquiry, kLuns}) EXPECT_TRUE(run(cdb).good());
    auto groups = run(kGroups);
    ASSERT_TRUE(groups.good());
    EXPECT_EQ(groups.data()[4], static_cast<std::byte>(state));
    EXPECT_EQ(groups.data()[9], std::byte{0x02}) << "changed implicitly";
    for (auto cdb : {kTest, kRead}) {
      auto x = run(cdb);
      if (media)
        EXPECT_TRUE(x.good());
      else
        expect_sense(x, sense);
    }
    for (auto cdb : {kModes, kKeys}) {
      auto x = run(cdb);
      if (settings)
        EXPECT_TRUE(x.good()) << cdb;
      else
        expect_sense(x, sense);
    }
    if (media) continue;
    EXPECT_EQ(run("03 00 00 00 FC 00").data()[13], static_cast<std::byte>(sense.ascq));
  }
  unit_->set_access_state(AccessState::active_optimized);
  clear(*nexus_);
  EXPECT_TRUE(run(kTest).good());
  unit_->set_access_state(AccessState::active_optimized);
  EXPECT_EQ(nexus_->pending(0), 0u) << "nothing changed";
}

TEST_F(ReportsTest, TaskFunctionsAreThoseOfTheTable) {
  auto data = run("A3 0D 00 00 00 00 00000100 00 00").data();
  EXPECT_EQ(data, (Bytes{std::byte{kTaskFunctions}, std::byte{kNexusFunctions}, {}, {}}));
  data = run("A3 0D 80 00 00 00 00000100 00 00").data();
  ASSERT_EQ(data.size(), 16u);
  EXPECT_EQ(data[3], std::byte{12});
}

TEST_F(ReportsTest, PriorityIsTheDefaultOfThisNexus) {
  auto data = run("A3 0E 00 00 00 00 00000100 00 00").data();
  EXPECT_EQ(std::uint32_t{at<be32>(data, 0)}, data.size() - 4);
  EXPECT_EQ(data[4], std::byte{0});
  EXPECT_EQ(std::uint16_t{at<be16>(data, 6)}, 2u) << "relative target port";
  EXPECT_EQ(std::uint16_t{at<be16>(data, 10)}, data.size() - 12);
  EXPECT_EQ(data[12], std::byte{0x45}) << "TransportID of an iSCSI initiator port";
  EXPECT_EQ(run("A3 0E 40 00 00 00 00000100 00 00").data(), hex("00000000"));
  expect_field(run("A3 0E 80 00 00 00 00000100 00 00"), 2, 7);
}

TEST_F(ReportsTest, TimestampIsTheGatewaysClock) {
  auto before = std::chrono::system_clock::now().time_since_epoch();
  auto data = run("A3 0F 00 00 00 00 00000100 00 00").data();
  auto after = std::chrono::system_clock::now().time_since_epoch();
  ASSERT_EQ(data.size(), 12u);
  EXPECT_EQ(Bytes(data.begin(), data.begin() + 4), hex("000A 03 00"));
  auto ms = std::uint64_t{at<be16>(data, 4)} << 32 | at<be32>(data, 6);
  auto count = [](auto time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  };
  EXPECT_GE(static_cast<std::int64_t>(ms), count(before));
  EXPECT_LE(static_cast<std::int64_t>(ms), count(after));
}

// LOG SENSE

TEST_F(ReportsTest, LogPagesAreListedWithAndWithoutSubpages) {
  EXPECT_EQ(run("4D 00 40 00 00 0000 0100 00").data(), hex("00 00 0004 00 0C 19 2F"));
  EXPECT_EQ(run("4D 00 40 FF 00 0000 0100 00").data(),
            hex("40 FF 000A 00 00 00 FF 0C 00 19 00 2F 00"));
}

TEST_F(ReportsTest, EveryLogPageSaysHowLongItIs) {
  for (auto cdb : {"4D 00 59 00 00 0000 0100 00", "4D 00 6F 00 00 0000 0100 00"}) {
    auto data = run(cdb).data();
    EXPECT_EQ(std::uint16_t{at<be16>(data, 2)}, data.size() - 4) << cdb;
    EXPECT_EQ(std::size_t{std::to_integer<std::size_t>(data[7])}, data.size() - 8) << cdb;
  }
}

TEST_F(ReportsTest, ParametersBelowThePointerAreLeftOut) {
  EXPECT_EQ(run("4D 00 59 00 00 0001 0100 00").data().size(), 4u + 4 + 64);
  expect_field(run("4D 00 59 00 00 0002 0100 00"), 5, 7);
  expect_field(run("4D 00 40 00 00 0001 0100 00"), 5, 7);
}

TEST_F(ReportsTest, LogSenseChecksItsCdb) {
  expect_field(run("4D 00 0F 00 00 0000 0100 00"), 2, 7);
  expect_field(run("4D 00 4D 00 00 0000 0100 00"), 2, 5);
  expect_field(run("4D 00 59 01 00 0000 0100 00"), 3, 7);
  expect_field(run("4D 01 40 00 00 0000 0100 00"), 1, 0);
}

}  // namespace
}  // namespace caisson::scsi
