// SPDX-License-Identifier: Apache-2.0
// What several writers and several readers see of one container, in every
// cache mode and block size, through the whole gateway.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "storage_object/base/byte_order.hpp"
#include "tests/support/foreign_initiator.hpp"
#include "tests/support/iscsi_client.hpp"
#include "tests/support/running_gateway.hpp"

namespace caisson::tests {
namespace {

constexpr std::uint64_t kSize = 64 << 20;

class CacheModeTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    gateway_.create_lun("a", kSize, GetParam());
    target_ = gateway_.show("a").target_name();
  }
  ForeignInitiator initiator(int number) {
    return {gateway_.portal(), target_,
            "iqn.2026-11.io.caisson.test:writer" + std::to_string(number)};
  }
  RunningGateway gateway_;
  std::string target_;
};

/// Rewrites sector `lba` again and again, each time with the next number, and
/// checks that what it wrote last is what it reads.
void rewrite(ForeignInitiator& initiator, std::uint64_t lba, int rounds, int& lost) {
  std::array<std::byte, 512> sector;
  initiator.clear_attentions();
  for (int round = 1; round <= rounds; ++round) {
    sector.fill(static_cast<std::byte>(round * 7 + static_cast<int>(lba)));
    if (!initiator.write(lba, sector).good()) ++lost;
    auto read = initiator.read(lba, sector.size());
    if (!std::ranges::equal(read.data, sector)) ++lost;
  }
}

TEST_P(CacheModeTest, NeighbouringSectorsOfSixteenWritersLoseNoUpdate) {
  constexpr int kWriters = 16;  // two physical blocks of eight sectors
  constexpr int kRounds = 150;
  std::array<int, kWriters> lost{};
  std::vector<std::thread> threads;
  threads.reserve(kWriters);
  for (int writer = 0; writer < kWriters; ++writer)
    threads.emplace_back([this, writer, &lost] {
      auto own = initiator(writer);
      rewrite(own, static_cast<std::uint64_t>(writer), kRounds, lost[writer]);
    });
  for (auto& thread : threads) thread.join();
  for (int writer = 0; writer < kWriters; ++writer) EXPECT_EQ(lost[writer], 0) << writer;
}

/// Reads `bytes` at `offset` in a process of its own and compares; its exit
/// status says whether all of them are `expected`.
int status_of_foreign_reader(const std::string& path, off_t offset, std::size_t bytes,
                             std::byte expected) {
  auto child = ::fork();
  if (child == 0) {
    std::vector<std::byte> data(bytes);
    auto file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    bool whole = ::pread(file, data.data(), bytes, offset) == static_cast<ssize_t>(bytes);
    bool same = std::ranges::all_of(data, [&](std::byte b) { return b == expected; });
    ::_exit(whole && same ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

TEST_P(CacheModeTest, ReaderOfTheContainerSeesEveryCompletedWrite) {
  auto own = initiator(0);
  own.clear_attentions();
  for (int round = 1; round <= 40; ++round) {
    auto pattern = static_cast<std::byte>(round);
    std::vector<std::byte> data(round % 2 == 0 ? 4096 : 512 * 3, pattern);
    std::uint64_t lba = static_cast<std::uint64_t>(round % 5) * 11;
    ASSERT_TRUE(own.write(lba, data).good());
    EXPECT_EQ(status_of_foreign_reader(gateway_.container("a"), static_cast<off_t>(lba * 512),
                                       data.size(), pattern),
              0)
        << "round " << round;
  }
}

TEST_P(CacheModeTest, ForcedAndFlushedWritesSucceed) {
  auto own = initiator(0);
  own.clear_attentions();
  std::vector<std::byte> data(64 * 1024, std::byte{0x42});
  EXPECT_TRUE(own.write(100, data, 512, true).good());
  EXPECT_TRUE(own.flush().good());
  EXPECT_EQ(own.read(100, 64 * 1024).data, data);
}

/// Adds one to the number in sector 0, `rounds` times, against all others who do.
void count_up(IscsiClient& session, std::uint32_t rounds) {
  std::vector<std::byte> cdb(16), swap(1024);
  cdb[0] = std::byte{0x89};
  cdb[13] = std::byte{1};
  session.clear_attentions();
  for (std::uint32_t done = 0; done < rounds;) {
    auto now = session.read(0, 1);
    std::ranges::copy(now.data, swap.begin());
    std::ranges::copy(now.data, swap.begin() + 512);
    auto number = std::uint64_t{load<be64>(now.data)} + 1;
    store(std::span(swap).subspan(512), be64(number));
    auto tag = session.send_command(cdb, iscsi::kFinalBit | iscsi::kWriteBit, 1024, swap);
    if (session.finish(tag, swap).status == 0) ++done;
  }
}

TEST_P(CacheModeTest, SixteenSessionsCountByCompareAndWriteWithoutALostUpdate) {
  constexpr std::uint32_t kSessions = 16, kRounds = 25;
  auto portal = gateway_.portal();
  auto port = static_cast<std::uint16_t>(std::stoi(portal.substr(portal.rfind(':') + 1)));
  std::vector<std::unique_ptr<IscsiClient>> sessions;
  for (std::uint32_t i = 0; i < kSessions; ++i) {
    auto& session = sessions.emplace_back(std::make_unique<IscsiClient>(port));
    session->name += std::to_string(i);
    ASSERT_EQ(session->login(target_).status, 0);
  }
  std::vector<std::thread> threads;
  threads.reserve(sessions.size());
  for (auto& session : sessions) threads.emplace_back([&session] { count_up(*session, kRounds); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(std::uint64_t{load<be64>(sessions[0]->read(0, 1).data)}, kSessions * kRounds);
}

INSTANTIATE_TEST_SUITE_P(Modes, CacheModeTest,
                         ::testing::Values("writeback", "none", "writethrough"),
                         [](const auto& info) { return info.param; });

class BlockSizeTest : public ::testing::TestWithParam<std::pair<const char*, std::uint32_t>> {};

TEST_P(BlockSizeTest, LastBlockIsAtTheCapacity) {
  auto [name, block] = GetParam();
  RunningGateway gateway;
  gateway.create_lun("a", kSize, "", name);
  ForeignInitiator initiator(gateway.portal(), gateway.show("a").target_name());
  initiator.clear_attentions();
  auto last = kSize / block - 1;
  EXPECT_EQ(initiator.last_lba(), last);
  std::vector<std::byte> data(block, std::byte{0x77});
  EXPECT_TRUE(initiator.write(last, data, block).good());
  EXPECT_EQ(initiator.read(last, block, block).data, data);
  auto beyond = initiator.read(last + 1, block, block);
  EXPECT_EQ(std::make_tuple(beyond.key, beyond.asc, beyond.ascq), std::make_tuple(0x5, 0x21, 0x00));
}

INSTANTIATE_TEST_SUITE_P(Sizes, BlockSizeTest,
                         ::testing::Values(std::pair{"512e", 512U}, std::pair{"512n", 512U},
                                           std::pair{"4096", 4096U}),
                         [](const auto& info) { return "Size" + std::string(info.param.first); });

}  // namespace
}  // namespace caisson::tests
