// SPDX-License-Identifier: Apache-2.0
// Logical block provisioning thresholds: what hosts read of them, and hear.
#include "gateway/scsi/thresholds.hpp"

#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr Sense kThresholdReached{SenseKey::unit_attention, 0x38, 0x07};
constexpr auto kModePage = "1A 08 1C 02 FF 00";
constexpr auto kLogPage = "4D 00 4C 00 00 0000 0100 00";

class ThresholdsTest : public ScsiTest {
 protected:
  /// Of a store of 1000 MiB.
  void publish(std::uint64_t used, std::uint64_t own = 3) {
    object_->publish_space({1000 * kMiB, (1000 - used) * kMiB, own * kMiB});
  }
  static Exchange ready(Nexus& nexus) {
    Exchange x;
    start(nexus, x, hex("00"));
    return x;
  }
};

TEST_F(ThresholdsTest, SetsAreOneMebibyteForEveryBlockSize) {
  EXPECT_EQ(threshold_exponent(512), 11);
  EXPECT_EQ(threshold_exponent(4096), 8);
  EXPECT_EQ(threshold_sets(3 * kMiB - 1), 2u);
  EXPECT_EQ(threshold_sets(~std::uint64_t{0}), 0xffffffffu);
}

TEST_F(ThresholdsTest, EveryNexusHearsOncePerCrossing) {
  Nexus other(identity(2), {{0, unit_}});
  clear(other);
  publish(700);
  EXPECT_TRUE(ready(*nexus_).good());
  publish(800);
  publish(810);
  for (auto* nexus : {nexus_.get(), &other}) {
    expect_sense(ready(*nexus), kThresholdReached);
    EXPECT_TRUE(ready(*nexus).good());
  }
  publish(760);
  publish(820);
  EXPECT_TRUE(ready(*nexus_).good()) << "it was not re-armed";
  publish(740);
  publish(800);
  expect_sense(ready(*nexus_), kThresholdReached);
  expect_sense(ready(other), kThresholdReached);
}

TEST_F(ThresholdsTest, TheSecondThresholdIsHeardToo) {
  publish(100);
  publish(850);
  expect_sense(ready(*nexus_), kThresholdReached);
  publish(949);
  EXPECT_TRUE(ready(*nexus_).good());
  publish(950);
  expect_sense(ready(*nexus_), kThresholdReached);
}

TEST_F(ThresholdsTest, ReadsAndWritesGoOnAfterwards) {
  publish(100);
  publish(850);
  expect_sense(run("28 00 00000000 00 0001 00"), kThresholdReached);
  EXPECT_TRUE(run("28 00 00000000 00 0001 00").good());
  EXPECT_TRUE(run("2A 00 00000000 00 0001 00", filled(kBlock, 'x')).good());
}

TEST_F(ThresholdsTest, ModePageSaysWhereTheyAre) {
  EXPECT_EQ(run(kModePage).data(), hex("23 00 10 00  DC 02 001C 00 0000000000000000000000"
                                       "00 00 0000 00000000  00 00 0000 00000000"))
      << "none before the store was looked at";
  publish(100);
  EXPECT_EQ(run(kModePage).data(), hex("23 00 10 00  DC 02 001C 00 0000000000000000000000"
                                       "80 01 0000 000000C8  80 01 0000 00000032"));
  EXPECT_EQ(run("1A 08 5C 02 FF 00").data(), hex("23 00 10 00  DC 02 001C 00 0000000000000000000000"
                                                 "00 00 0000 00000000  00 00 0000 00000000"))
      << "nothing is changeable";
  for (auto cdb : {"1A 08 9C 02 FF 00", "1A 08 DC 02 FF 00"})
    EXPECT_EQ(run(cdb).data(), run(kModePage).data());
}

TEST_F(ThresholdsTest, ModeSelectTakesThePageAsItIs) {
  publish(100);
  auto list = run(kModePage).data();
  list[0] = list[2] = std::byte{0};
  EXPECT_TRUE(run("15 11 0000 24 00", list).good());
  list[4 + 16 + 7] ^= std::byte{1};
  auto x = run("15 11 0000 24 00", list);
  expect_sense(x, kInvalidParameter);
  EXPECT_EQ(x.sense().field->byte, 4 + 16 + 7);
}

TEST_F(ThresholdsTest, ReportingIsOnInTheErrorRecoveryPage) {
  EXPECT_EQ(run("1A 08 01 00 FF 00").data()[4 + 7], std::byte{0x80}) << "LBPERE";
}

TEST_F(ThresholdsTest, LogPageCountsWhatIsLeftAndUsed) {
  EXPECT_EQ(run(kLogPage).data(), hex("8C 00 0000"));
  publish(700, 42);
  EXPECT_EQ(run(kLogPage).data(), hex("8C 00 0018  0001 03 08 0000012C 02 000000"
                                      "0002 03 08 0000002A 01 000000"));
  EXPECT_EQ(run("4D 00 4C 00 00 0002 0100 00").data(),
            hex("8C 00 000C  0002 03 08 0000002A 01 000000"));
}

TEST_F(ThresholdsTest, OnlyThinUnitsHaveThem) {
  tests::MemoryObject::Setup setup;
  setup.features.unmap = false;
  attach(setup);
  expect_field(run(kModePage), 3, 7);
  expect_field(run(kLogPage), 2, 5);
  EXPECT_EQ(run("1A 08 01 00 FF 00").data()[4 + 7], std::byte{0});
  EXPECT_EQ(run("4D 00 40 00 00 0000 0100 00").data(), hex("00 00 0003 00 19 2F"));
  auto list = hex("00 00 00 00  1C 00");
  list[4] |= std::byte{0x40};
  list[5] = std::byte{2};
  list.resize(4 + 32);
  list[4 + 3] = std::byte{0x1c};
  auto x = run("15 10 0000 24 00", list);
  expect_sense(x, kInvalidParameter);
}

}  // namespace
}  // namespace caisson::scsi
