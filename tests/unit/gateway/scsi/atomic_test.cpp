// SPDX-License-Identifier: Apache-2.0
// COMPARE AND WRITE and ORWRITE (SBC-3 5.2, 5.7).
#include <thread>

#include "gateway/scsi/extent.hpp"
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

class AtomicTest : public ScsiTest {
 protected:
  static Bytes cdb(std::uint8_t opcode, std::uint64_t lba, std::uint32_t blocks,
                   std::uint8_t flags = 0) {
    Bytes bytes(16);
    bytes[0] = static_cast<std::byte>(opcode);
    bytes[1] = static_cast<std::byte>(flags);
    store(std::span(bytes).subspan(2), be64(lba));
    store(std::span(bytes).subspan(10), be32(blocks));
    return bytes;
  }
  static Bytes compare_and_write(std::uint64_t lba, std::uint8_t blocks, std::uint8_t flags = 0) {
    return cdb(0x89, lba, blocks, flags);
  }
  static Bytes both(Bytes expected, const Bytes& fresh) {
    expected.insert(expected.end(), fresh.begin(), fresh.end());
    return expected;
  }
  Bytes medium(std::uint64_t lba, std::uint64_t blocks) {
    auto range = std::span(object_->bytes()).subspan(lba * kBlock, blocks * kBlock);
    return {range.begin(), range.end()};
  }
};

TEST_F(AtomicTest, WritesWhatComesSecondWhereTheFirstIsThere) {
  auto out = both(filled(2 * kBlock, '\0'), filled(2 * kBlock, 'n'));
  EXPECT_TRUE(run(compare_and_write(5, 2), out).good());
  EXPECT_EQ(medium(5, 2), filled(2 * kBlock, 'n'));
  EXPECT_EQ(medium(4, 1), filled(kBlock, '\0'));
  EXPECT_EQ(medium(7, 1), filled(kBlock, '\0'));
}

TEST_F(AtomicTest, MiscompareSaysWhereAndChangesNothing) {
  for (std::size_t at : {std::size_t{0}, std::size_t{1}, kBlock - 1, kBlock, 2 * kBlock - 1}) {
    auto expected = filled(2 * kBlock, '\0');
    expected[at] = std::byte{1};
    auto x = run(compare_and_write(5, 2), both(expected, filled(2 * kBlock, 'n')));
    expect_sense(x, kMiscompare);
    EXPECT_EQ(x.sense().information, at);
    EXPECT_FALSE(x.sense().field);
    EXPECT_EQ(medium(5, 2), filled(2 * kBlock, '\0'));
  }
}

TEST_F(AtomicTest, MiscompareIsEncodedWithItsOffset) {
  auto x = run(compare_and_write(0, 1), both(filled(kBlock, 'x'), filled(kBlock, 'y')));
  std::array<std::byte, kMaxSense> room{};
  ASSERT_EQ(encode(x.sense(), false, room), 18u);
  EXPECT_EQ(room[0], std::byte{0xf0}) << "INFORMATION is valid";
  EXPECT_EQ(room[2], std::byte{0x0e});
  EXPECT_EQ(room[12], std::byte{0x1d});
}

TEST_F(AtomicTest, ZeroBlocksMoveNothing) {
  auto x = run(compare_and_write(5, 0));
  EXPECT_TRUE(x.good());
  EXPECT_EQ(x.plan.length, 0u);
  x = run(cdb(0x8b, 5, 0));
  EXPECT_TRUE(x.good());
  EXPECT_EQ(x.plan.length, 0u);
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(AtomicTest, LongestIsWhatTheLimitsPageSays) {
  auto limits = run("12 01 B0 00 FF 00").data();
  ASSERT_EQ(std::to_integer<unsigned>(limits[5]), kMaxCompareAndWrite);
  auto length = kMaxCompareAndWrite * kBlock;
  EXPECT_TRUE(run(compare_and_write(0, kMaxCompareAndWrite),
                  both(filled(length, '\0'), filled(length, 'z')))
                  .good());
  expect_field(run(compare_and_write(0, kMaxCompareAndWrite + 1)), 13, 7);
  expect_field(run(cdb(0x8b, 0, kMaxTransfer / kBlock + 1)), 10, 7);
}

TEST_F(AtomicTest, RangeIsCheckedFirst) {
  auto last = object_->bytes().size() / kBlock - 1;
  for (auto opcode : {0x89, 0x8b}) {
    auto x = run(cdb(static_cast<std::uint8_t>(opcode), last, 2));
    expect_sense(x, kLbaOutOfRange);
    EXPECT_EQ(x.sense().information, last + 1);
  }
}

TEST_F(AtomicTest, ForceUnitAccessReachesTheMediumAndDpoIsTaken) {
  auto out = both(filled(kBlock, '\0'), filled(kBlock, '\0'));
  for (auto [flags, fua] : {std::pair{0x00, false}, {0x10, false}, {0x08, true}, {0x02, true}}) {
    for (auto opcode : {0x89, 0x8b}) {
      object_->forget_seen();
      auto x = run(cdb(static_cast<std::uint8_t>(opcode), 0, 1, static_cast<std::uint8_t>(flags)),
                   opcode == 0x89 ? out : filled(kBlock, '\0'));
      EXPECT_TRUE(x.good());
      ASSERT_EQ(object_->seen().size(), 1u);
      EXPECT_EQ(object_->seen()[0].fua, fua);
    }
  }
}

TEST_F(AtomicTest, ProtectionInformationIsRefused) {
  expect_field(run(compare_and_write(0, 1, 0x20)), 1, 5);
  expect_field(run(cdb(0x8b, 0, 1, 0x20)), 1, 5);
}

TEST_F(AtomicTest, HostsThatMayOnlyReadAreRefused) {
  attach({}, true);
  expect_sense(run(compare_and_write(0, 1)), kWriteProtected);
  expect_sense(run(cdb(0x8b, 0, 1)), kWriteProtected);
}

TEST_F(AtomicTest, HalfOfTheDataIsNoCompareAndWrite) {
  expect_sense(run(compare_and_write(0, 1), filled(kBlock, '\0')), kInvalidInformationUnit);
  EXPECT_EQ(medium(0, 1), filled(kBlock, '\0'));
}

TEST_F(AtomicTest, OrWriteKeepsOnesAndAddsOnes) {
  EXPECT_TRUE(run(cdb(0x8b, 3, 2), filled(2 * kBlock, '\x05')).good());
  EXPECT_TRUE(run(cdb(0x8b, 3, 1), filled(kBlock, '\x0a')).good());
  EXPECT_EQ(medium(3, 1), filled(kBlock, '\x0f'));
  EXPECT_EQ(medium(4, 1), filled(kBlock, '\x05'));
  EXPECT_EQ(medium(5, 1), filled(kBlock, '\0'));
}

// Sixteen nexuses, each on its own thread, count in one block: every one reads,
// adds one and writes back only over what it has read.
TEST_F(AtomicTest, SixteenNexusesCountWithoutALostUpdate) {
  constexpr std::uint64_t kNexuses = 16, kEach = 50;
  auto count = [&](std::uint64_t id) {
    Nexus nexus(identity(id), {{0, unit_}});
    clear(nexus);
    for (std::uint64_t done = 0; done < kEach;) {
      Exchange read, write;
      start(nexus, read, cdb(0x88, 9, 1));
      auto before = read.data();
      auto after = before;
      store(std::span(after), be64(at<be64>(before, 0) + 1));
      start(nexus, write, compare_and_write(9, 1), both(before, after));
      ASSERT_EQ(write.completions, 1);
      if (write.good())
        ++done;
      else
        ASSERT_EQ(write.sense(), kMiscompare);
    }
  };
  std::vector<std::thread> threads;
  for (std::uint64_t id = 100; id < 100 + kNexuses; ++id) threads.emplace_back(count, id);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(std::uint64_t{at<be64>(medium(9, 1), 0)}, kNexuses * kEach);
}

}  // namespace
}  // namespace caisson::scsi
