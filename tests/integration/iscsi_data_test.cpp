// SPDX-License-Identifier: Apache-2.0
// Commands and their data over a real socket: bursts, digests, residuals,
// numbering.
#include <gtest/gtest.h>

#include <tuple>

#include "tests/support/iscsi_client.hpp"
#include "tests/support/iscsi_target.hpp"

namespace caisson::tests {
namespace {

using namespace iscsi;
using namespace std::chrono_literals;

constexpr auto kTarget = IscsiTarget::kTarget;
constexpr std::uint8_t kCheckCondition = 2;

class IscsiData : public ::testing::Test {
 protected:
  void login(const IscsiClient::Keys& keys = {}) {
    ASSERT_EQ(client_.login(kTarget, keys).status, 0);
    client_.clear_attentions();
  }
  std::vector<std::byte> stored(std::size_t offset, std::size_t length) const {
    auto all = target_.object->copy();
    auto at = all.begin() + static_cast<std::ptrdiff_t>(offset);
    return {at, at + static_cast<std::ptrdiff_t>(length)};
  }
  IscsiTarget target_{{}, 1};
  IscsiClient client_{target_.port()};
};

TEST_F(IscsiData, ReadsWhatItWrote) {
  login();
  auto data = pattern(64 * 512);
  EXPECT_EQ(client_.write(8, data).status, 0);
  EXPECT_EQ(stored(8 * 512, data.size()), data);
  auto result = client_.read(8, 64);
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.data, data);
  EXPECT_EQ(result.residual_flags, std::byte{0});
}

/// InitialR2T, ImmediateData, FirstBurstLength, MaxBurstLength, digests.
using Combination = std::tuple<bool, bool, int, int, bool>;
class IscsiBursts : public ::testing::TestWithParam<Combination> {};

TEST_P(IscsiBursts, EveryCombinationMovesTheSameBytes) {
  auto [initial_r2t, immediate, first, burst, digests] = GetParam();
  IscsiTarget target;
  IscsiClient client(target.port());
  const char* digest = digests ? "CRC32C" : "None";
  auto reply = client.login(kTarget, {{"InitialR2T", initial_r2t ? "Yes" : "No"},
                                      {"ImmediateData", immediate ? "Yes" : "No"},
                                      {"FirstBurstLength", std::to_string(first)},
                                      {"MaxBurstLength", std::to_string(burst)},
                                      {"MaxOutstandingR2T", "4"},
                                      {"MaxRecvDataSegmentLength", "4096"},
                                      {"HeaderDigest", digest},
                                      {"DataDigest", digest}});
  ASSERT_EQ(reply.status, 0);
  client.max_recv = 3000;  // odd pieces, so that there is padding
  client.clear_attentions();
  for (std::uint32_t length : {512u, 4096u, 8192u, 61440u, 262144u}) {
    auto data = pattern(length, length);
    // What may come unasked comes in the command and in Data-Outs behind it.
    auto now = immediate ? std::min<std::size_t>({data.size(), 3000, client.first_burst}) : 0;
    auto unasked = initial_r2t ? now : std::min<std::size_t>(data.size(), client.first_burst);
    auto final = unasked > now ? std::byte{0} : kFinalBit;
    auto tag = client.send_command(write_16(16, length / 512), final | kWriteBit, length,
                                   std::span(data).first(now));
    std::uint32_t data_sn = 0;
    for (auto at = now; at < unasked;) {
      auto piece = std::min<std::size_t>(3000, unasked - at);
      client.send_data_out(tag, kNoTag, data_sn++, static_cast<std::uint32_t>(at),
                           std::span(data).subspan(at, piece), at + piece == unasked);
      at += piece;
    }
    auto written = client.finish(tag, data);
    EXPECT_EQ(written.status, 0);
    EXPECT_EQ(written.residual_flags, std::byte{0});
    EXPECT_EQ(written.r2ts, (length - unasked + burst - 1) / burst);
    auto result = client.read(16, length / 512);
    EXPECT_EQ(result.data, data) << length;
    EXPECT_EQ(result.data_ins >= length / 4096, true);
  }
}
INSTANTIATE_TEST_SUITE_P(All, IscsiBursts,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool(),
                                            ::testing::Values(512, 8192, 65536),
                                            ::testing::Values(4096, 65536), ::testing::Bool()));

struct ResidualCase {
  std::uint32_t blocks;
  std::uint32_t expected;
  std::byte flags;
  std::uint32_t residual;
  std::size_t moved;
};
const ResidualCase kResiduals[] = {
    {1, 0, kOverflowBit, 512, 0},     {1, 10000, kUnderflowBit, 10000 - 512, 512},
    {1, 200, kOverflowBit, 312, 200}, {2, 512, kOverflowBit, 512, 512},
    {2, 1024, std::byte{0}, 0, 1024},
};

TEST_F(IscsiData, ReadResiduals) {
  login();
  for (const auto& c : kResiduals) {
    auto result = client_.finish(
        client_.send_command(read_16(0, c.blocks), kFinalBit | kReadBit, c.expected));
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.data.size(), c.moved);
    EXPECT_EQ(result.residual_flags, c.flags);
    EXPECT_EQ(result.residual, c.residual);
  }
}

TEST_F(IscsiData, WriteResiduals) {
  login();
  for (const auto& c : kResiduals) {
    auto data = pattern(c.expected);
    auto result = client_.finish(
        client_.send_command(write_16(0, c.blocks), kFinalBit | kWriteBit, c.expected, data));
    EXPECT_EQ(result.residual_flags, c.flags);
    EXPECT_EQ(result.residual, c.residual);
  }
}

TEST_F(IscsiData, SenseComesWithTheResponse) {
  login();
  auto result = client_.read(1u << 30, 1);
  EXPECT_EQ(result.status, kCheckCondition);
  ASSERT_GE(result.sense.size(), 14u);
  EXPECT_EQ(result.sense[2], std::byte{5});
  EXPECT_EQ(result.sense[12], std::byte{0x21});
}

TEST_F(IscsiData, DataOutsMustBeInOrder) {
  login({{"InitialR2T", "No"}, {"ImmediateData", "No"}});
  auto data = pattern(1024);
  std::span<const std::byte> all(data);
  struct Row {
    std::uint32_t first_sn, second_sn, second_offset;
  };
  for (auto row : {Row{0, 0, 512}, Row{27, 28, 512}, Row{0xffffffff, 0, 512}, Row{1, 0, 512},
                   Row{0, 1, 0}, Row{0, 1, 1024}}) {
    auto tag = client_.send_command(write_16(0, 2), kWriteBit, 1024);
    client_.send_data_out(tag, kNoTag, row.first_sn, 0, all.first(512), false);
    client_.send_data_out(tag, kNoTag, row.second_sn, row.second_offset, all.last(512), true);
    auto result = client_.finish(tag);
    EXPECT_EQ(result.status, kCheckCondition);
    ASSERT_GE(result.sense.size(), 14u);
    EXPECT_EQ(result.sense[2], std::byte{0x0b});
  }
  EXPECT_EQ(client_.write(0, data).status, 0);
}

TEST_F(IscsiData, SolicitedDataMustFitItsR2t) {
  login({{"ImmediateData", "No"}});
  auto data = pattern(2048);
  auto tag = client_.send_command(write_16(0, 4), kFinalBit | kWriteBit, 2048);
  auto r2t = client_.receive().as<ReadyToTransferBhs>();
  EXPECT_EQ(r2t.desired_length, 2048u);
  EXPECT_EQ(r2t.r2t_sn, 0u);
  client_.send_data_out(tag, r2t.target_transfer_tag, 0, 512, data, true);
  EXPECT_EQ(client_.finish(tag).status, kCheckCondition);
}

TEST_F(IscsiData, UnaskedDataIsRefusedWhereItWasNotAgreed) {
  login({{"ImmediateData", "No"}, {"InitialR2T", "Yes"}});
  auto data = pattern(512);
  auto result =
      client_.finish(client_.send_command(write_16(0, 1), kFinalBit | kWriteBit, 512, data));
  EXPECT_EQ(result.status, kCheckCondition);
  EXPECT_EQ(result.sense[12], std::byte{0x0c});
  EXPECT_EQ(result.sense[13], std::byte{0x0c});
}

TEST_F(IscsiData, NumbersOutsideTheWindowAreIgnored) {
  login();
  auto right = client_.cmd_sn;
  for (std::uint32_t wrong : {right - 1, client_.max_cmd_sn + 1}) {
    client_.cmd_sn = wrong;
    client_.send_command(test_unit_ready(), kFinalBit, 0);
  }
  client_.cmd_sn = right;
  auto tag = client_.send_command(test_unit_ready(), kFinalBit, 0);
  EXPECT_EQ(client_.finish(tag).status, 0);  // and nothing came before it
}

TEST_F(IscsiData, CommandsRunInTheOrderOfTheirNumbers) {
  login();
  auto first = client_.cmd_sn;
  auto data = pattern(512), newer = pattern(512, 2);
  client_.cmd_sn = first + 1;
  auto second_tag = client_.send_command(write_16(0, 1), kFinalBit | kWriteBit, 512, newer);
  EXPECT_FALSE(client_.readable(50ms));
  client_.cmd_sn = first;
  auto first_tag = client_.send_command(write_16(0, 1), kFinalBit | kWriteBit, 512, data);
  EXPECT_EQ(client_.finish(first_tag).status, 0);
  EXPECT_EQ(client_.finish(second_tag).status, 0);
  EXPECT_EQ(client_.exp_cmd_sn, first + 2);
  EXPECT_EQ(stored(0, 512), newer);
}

TEST_F(IscsiData, WindowClosesWithOpenCommands) {
  login();
  auto window = client_.max_cmd_sn - client_.exp_cmd_sn + 1;
  EXPECT_GE(window, 128u);
  target_.on_thread([&] { target_.object->hold(); });
  std::vector<std::uint32_t> tags;
  for (std::uint32_t i = 0; i < window; ++i)
    tags.push_back(client_.send_command(read_16(i, 1), kFinalBit | kReadBit, 512));
  auto beyond = client_.cmd_sn;
  client_.send_command(read_16(0, 1), kFinalBit | kReadBit, 512);  // ignored
  auto ping = make_header<NopOutBhs>(Opcode::nop_out);
  ping.opcode |= kImmediateBit;
  ping.initiator_task_tag = 99;
  ping.cmd_sn = client_.cmd_sn;
  client_.send(ping);
  EXPECT_EQ(client_.receive().opcode(), Opcode::nop_in);
  EXPECT_EQ(client_.exp_cmd_sn, beyond);
  EXPECT_EQ(client_.max_cmd_sn, beyond - 1);
  target_.on_thread([&] { target_.object->release(); });
  for (auto tag : tags) EXPECT_EQ(client_.finish(tag).status, 0);
  EXPECT_EQ(client_.max_cmd_sn, beyond + window - 1);
}

TEST_F(IscsiData, DamagedDataIsRejectedWithItsHeader) {
  login({{"DataDigest", "CRC32C"}, {"HeaderDigest", "CRC32C"}, {"ImmediateData", "Yes"}});
  auto data = pattern(512);
  auto number = client_.cmd_sn;
  client_.corrupt_data_digest = true;
  auto tag = client_.send_command(write_16(0, 1), kFinalBit | kWriteBit, 512, data);
  auto reject = client_.receive();
  ASSERT_EQ(reject.opcode(), Opcode::reject);
  EXPECT_EQ(reject.as<RejectBhs>().reason, RejectReason::data_digest_error);
  EXPECT_EQ(load<Bhs>(reject.data).initiator_task_tag, tag);
  EXPECT_EQ(client_.exp_cmd_sn, number);  // the number is not used up
  client_.cmd_sn = number;
  EXPECT_EQ(client_.write(0, data).status, 0);
}

TEST_F(IscsiData, DamagedDataOutFailsItsCommand) {
  login({{"DataDigest", "CRC32C"}, {"ImmediateData", "No"}});
  auto data = pattern(512);
  auto tag = client_.send_command(write_16(0, 1), kFinalBit | kWriteBit, 512);
  auto r2t = client_.receive().as<ReadyToTransferBhs>();
  client_.corrupt_data_digest = true;
  client_.send_data_out(tag, r2t.target_transfer_tag, 0, 0, data, true);
  EXPECT_EQ(client_.receive().opcode(), Opcode::reject);
  auto result = client_.finish(tag);
  EXPECT_EQ(result.status, kCheckCondition);
  EXPECT_EQ(result.sense[12], std::byte{0x47});
}

TEST_F(IscsiData, DamagedHeaderEndsTheConnection) {
  login({{"HeaderDigest", "CRC32C"}});
  client_.corrupt_header_digest = true;
  client_.send_command(test_unit_ready(), kFinalBit, 0);
  EXPECT_TRUE(client_.closed());
}

TEST_F(IscsiData, PingsAreEchoed) {
  login();
  auto header = make_header<NopOutBhs>(Opcode::nop_out);
  header.initiator_task_tag = 5;
  header.target_transfer_tag = kNoTag;
  header.cmd_sn = client_.cmd_sn++;
  auto data = to_bytes("nopping");
  client_.send(header, data);
  auto reply = client_.receive();
  EXPECT_EQ(reply.opcode(), Opcode::nop_in);
  EXPECT_EQ(reply.data, data);
  EXPECT_EQ(client_.exp_cmd_sn, client_.cmd_sn);
}

TEST_F(IscsiData, SnackIsRejected) {
  login();
  auto header = make_header<Bhs>(Opcode::snack);
  client_.send(header);
  auto reply = client_.receive();
  ASSERT_EQ(reply.opcode(), Opcode::reject);
  EXPECT_EQ(reply.as<RejectBhs>().reason, RejectReason::snack_rejected);
}

TEST_F(IscsiData, SlowReaderGetsEverythingAndHoldsABoundedAmount) {
  IscsiTarget target([](ServerOptions& options) { options.limits.session_bytes = 4 << 20; }, 1);
  IscsiClient slow(target.port(), "127.0.0.1", 8192);
  ASSERT_EQ(slow.login(kTarget).status, 0);
  slow.clear_attentions();
  target.object->bytes() = pattern(target.object->bytes().size());
  std::vector<std::uint32_t> tags;
  for (std::uint32_t i = 0; i < 64; ++i)
    tags.push_back(slow.send_command(read_16(0, 2048), kFinalBit | kReadBit, 2048 * 512));
  ASSERT_TRUE(slow.readable(5s));
  IscsiClient other(target.port());
  other.isid[5] = std::byte{1};
  ASSERT_EQ(other.login(kTarget).status, 0);
  other.clear_attentions();
  EXPECT_LE(target.server->bytes_held(), std::size_t{6} << 20);
  for (auto tag : tags) {
    auto result = slow.finish(tag);
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.data.size(), 2048u * 512);
  }
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target.server->bytes_held() == 0; }));
}

TEST_F(IscsiData, WithoutMemoryCommandsEndTaskSetFull) {
  IscsiTarget target([](ServerOptions& options) { options.limits.total_bytes = 64 * 1024; });
  IscsiClient client(target.port());
  ASSERT_EQ(client.login(kTarget).status, 0);
  client.clear_attentions();
  EXPECT_EQ(client.read(0, 256).status, 0x28);
  EXPECT_EQ(client.write(0, pattern(256 * 512)).status, 0x28);
  EXPECT_EQ(client.read(0, 8).status, 0);
}

}  // namespace
}  // namespace caisson::tests
