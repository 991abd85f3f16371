// SPDX-License-Identifier: Apache-2.0
// What a peer may do to us, and that others do not notice.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "gateway/iscsi/text.hpp"
#include "tests/integration/hostile.hpp"

namespace caisson::tests {
namespace {

using namespace iscsi;
using namespace std::chrono_literals;

constexpr auto kTarget = IscsiTarget::kTarget;

TEST_F(IscsiHostile, RandomBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 100; ++round) {
    IscsiClient client(target_.port());
    auto bytes = pattern(random() % 3000 + 48, random());
    try {
      client.send_raw(bytes);
    } catch (const std::runtime_error&) {
      continue;  // closed while we were sending
    }
    client.close();
  }
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->connections() == 1; }));
}

TEST_F(IscsiHostile, RandomBytesInTheFullFeaturePhase) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    IscsiClient client(target_.port());
    login(client);
    try {
      client.send_raw(pattern(4096, seed));
      client.close();
    } catch (const std::runtime_error&) {
      continue;
    }
  }
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->connections() == 1; }));
}

TEST_F(IscsiHostile, RandomFieldsOfValidRequests) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    IscsiClient client(target_.port());
    login(client);
    auto header =
        make_header<Bhs>(static_cast<Opcode>(std::array{0, 1, 2, 3, 4, 5, 6, 16}[random() % 8]),
                         static_cast<std::byte>(random()));
    for (auto& b : header.rest) b = static_cast<std::byte>(random() % 4);
    if (random() % 2 != 0) header.opcode |= kImmediateBit;
    header.initiator_task_tag = static_cast<std::uint32_t>(random() % 3);
    auto sn = header_cast<ScsiCommandBhs>(header);
    sn.cmd_sn = client.cmd_sn + random() % 2;
    try {
      client.send(sn, pattern(random() % 600, random()), pattern(random() % 3 * 4, random()));
      client.close();
    } catch (const std::runtime_error&) {
      continue;
    }
  }
}

TEST_F(IscsiHostile, SegmentsLongerThanDeclared) {
  IscsiClient before(target_.port());
  auto login_header = make_header<LoginRequestBhs>(Opcode::login_request);
  before.send(login_header, pattern(8193));
  EXPECT_TRUE(before.closed());
  IscsiClient after(target_.port());
  login(after);
  auto header = make_header<NopOutBhs>(Opcode::nop_out);
  after.send(header, pattern(262145));
  EXPECT_TRUE(after.closed());
}

TEST_F(IscsiHostile, AdditionalHeadersThatLie) {
  std::vector<std::byte> lies[] = {
      {std::byte{0xff}, std::byte{0xff}, std::byte{1}, std::byte{0}},
      {std::byte{0}, std::byte{0}, std::byte{1}, std::byte{0}},
      {std::byte{0}, std::byte{9}, std::byte{1}, std::byte{0}},
  };
  for (const auto& lie : lies) {
    IscsiClient client(target_.port());
    login(client);
    auto header = make_header<ScsiCommandBhs>(Opcode::scsi_command);
    header.cmd_sn = client.cmd_sn;
    client.send(header, {}, lie);
    EXPECT_TRUE(client.closed());
  }
}

TEST_F(IscsiHostile, FirstRequestIsNoLogin) {
  IscsiClient client(target_.port());
  client.send_command(test_unit_ready(), kFinalBit, 0);
  EXPECT_TRUE(client.closed());
}

TEST_F(IscsiHostile, RequestBehindALoginRequest) {
  IscsiClient client(target_.port());
  std::string text;
  append_text(text, "InitiatorName", client.name);
  append_text(text, "TargetName", kTarget);
  auto header = make_header<LoginRequestBhs>(Opcode::login_request, std::byte{0x87});
  header.data_segment_length = static_cast<std::uint32_t>(text.size());
  text.resize(padded(static_cast<std::uint32_t>(text.size())));
  auto bytes = bytes_of(header);
  std::vector<std::byte> twice(bytes.begin(), bytes.end());
  auto more = to_bytes(text);
  twice.insert(twice.end(), more.begin(), more.end());
  auto once = twice;
  twice.insert(twice.end(), once.begin(), once.end());
  client.send_raw(twice);
  EXPECT_TRUE(client.closed());
}

TEST_F(IscsiHostile, EndlessLoginText) {
  IscsiClient client(target_.port());
  std::string text(8000, 'a');
  for (int i = 0; i < 2; ++i) {
    client.send_login(1, 0, text, kContinueBit);
    EXPECT_EQ(client.login_answer().status, 0);
  }
  client.send_login(1, 0, text, kContinueBit);
  EXPECT_EQ(client.login_answer().status, 0x0200);
  EXPECT_TRUE(client.closed());
}

TEST_F(IscsiHostile, FloodOfKeys) {
  IscsiClient client(target_.port());
  IscsiClient::Keys keys{{"InitiatorName", client.name}, {"TargetName", kTarget}};
  for (int i = 0; i < 63; ++i) keys.emplace_back("X-k" + std::to_string(i), "1");
  EXPECT_EQ(client.login_step(1, 3, keys).status, 0x0200);
}

TEST_F(IscsiHostile, NegotiationThatNeverEnds) {
  IscsiClient client(target_.port());
  client.login_step(1, 0, {{"InitiatorName", client.name}, {"TargetName", kTarget}});
  int rounds = 0;
  while (client.login_step(1, 0, {}).status == 0) ASSERT_LT(++rounds, 40);
  EXPECT_TRUE(client.closed());
}

TEST_F(IscsiHostile, DataForUnknownTags) {
  IscsiClient client(target_.port());
  login(client);
  auto data = pattern(65536);
  for (std::uint32_t i = 0; i < 200; ++i)
    client.send_data_out(i, i % 2 == 0 ? kNoTag : i, 0, i * 4096, data, true);
  client.clear_attentions();
  EXPECT_EQ(target_.server->bytes_held(), 0u);
}

TEST_F(IscsiHostile, AnswersThatNobodyReads) {
  IscsiClient client(target_.port(), "127.0.0.1", 4096);
  login(client);
  auto header = make_header<NopOutBhs>(Opcode::nop_out);
  header.opcode |= kImmediateBit;
  header.initiator_task_tag = 1;
  auto data = pattern(65536);
  EXPECT_THROW(
      {
        for (int i = 0; i < 10000; ++i) client.send(header, data);
      },
      std::runtime_error);
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->connections() == 1; }));
}

NopOutBhs ping_of(IscsiClient& client, std::uint32_t number, std::byte bits) {
  auto header = make_header<NopOutBhs>(Opcode::nop_out);
  header.opcode |= bits;
  header.initiator_task_tag = client.next_tag();
  header.target_transfer_tag = kNoTag;
  header.cmd_sn = number;
  return header;
}

TEST_F(IscsiHostile, PingsThatNobodyReadsHoldLittleMemory) {
  IscsiClient client(target_.port(), "127.0.0.1", 4096);
  login(client);
  std::size_t most = 0;
  auto data = pattern(262144);
  EXPECT_THROW(
      {
        for (int i = 0; i < 500; ++i) {
          client.send(ping_of(client, client.cmd_sn, kImmediateBit), data);
          most = std::max(most, target_.server->bytes_held());
        }
      },
      std::runtime_error);
  EXPECT_LE(most, Limits{}.control_bytes);
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->connections() == 1; }));
}

TEST_F(IscsiHostile, RequestsAheadOfTheirTurnHoldLittleMemory) {
  for (auto opcode : {Opcode::nop_out, Opcode::text_request}) {
    IscsiClient client(target_.port());
    client.isid[5] = std::byte{0xee};
    ASSERT_EQ(client.discover().status, 0);
    std::size_t most = 0;
    auto data = pattern(262144);
    EXPECT_THROW(
        {
          for (std::uint32_t i = 1; i < 100; ++i) {
            auto header = ping_of(client, client.cmd_sn + i, std::byte{0});
            header.opcode = static_cast<std::byte>(opcode);
            client.send(header, data);
            most = std::max(most, target_.server->bytes_held());
          }
        },
        std::runtime_error);
    EXPECT_LE(most, Limits{}.control_bytes);
    EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->connections() == 1; }));
  }
}

TEST_F(IscsiHostile, APingIsAccountedForWhileItArrivesAndWaits) {
  IscsiClient client(target_.port());
  login(client, {{"MaxRecvDataSegmentLength", "262144"}});
  client.send(ping_of(client, client.cmd_sn + 1, std::byte{0}), pattern(100000));
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->bytes_held() >= 100000; }));
  auto header = ping_of(client, client.cmd_sn, kImmediateBit);
  header.data_segment_length = 50000;
  client.send_raw(bytes_of(header));
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->bytes_held() >= 150000; }));
  client.send_raw(pattern(50000));
  EXPECT_EQ(client.receive().data, pattern(50000));
  client.send(ping_of(client, client.cmd_sn, std::byte{0}), pattern(8));
  EXPECT_EQ(client.receive().data, pattern(8));
  EXPECT_EQ(client.receive().data, pattern(100000));
  client.cmd_sn += 2;
  client.clear_attentions();
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->bytes_held() == 0; }));
}

TEST_F(IscsiHostile, CutInsideDataForACommandAheadOfItsTurn) {
  IscsiClient client(target_.port());
  login(client, {{"InitialR2T", "No"}});
  ++client.cmd_sn;  // the number before never comes
  auto header = make_header<DataOutBhs>(Opcode::data_out, kFinalBit);
  header.initiator_task_tag = client.send_command(write_16(0, 16), kWriteBit, 8192, pattern(512));
  header.target_transfer_tag = kNoTag;
  header.buffer_offset = 512;
  header.data_segment_length = 4096;
  client.send_raw(bytes_of(header));
  client.send_raw(pattern(100));
  ASSERT_TRUE(IscsiTarget::eventually([&] { return target_.server->bytes_held() != 0; }));
  client.close();
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->connections() == 1; }));
  EXPECT_EQ(target_.server->bytes_held(), 0u);
}

/// Many TEST UNIT READY in one piece, numbered onward.
std::vector<std::byte> many_commands(IscsiClient& client, int count, std::byte opcode_bits) {
  std::vector<std::byte> bytes;
  for (int i = 0; i < count; ++i) {
    auto header = make_header<ScsiCommandBhs>(Opcode::scsi_command, kFinalBit);
    header.opcode |= opcode_bits;
    header.initiator_task_tag = client.next_tag();
    header.cmd_sn = opcode_bits == kImmediateBit ? client.cmd_sn : client.cmd_sn++;
    auto one = bytes_of(header);
    bytes.insert(bytes.end(), one.begin(), one.end());
  }
  return bytes;
}

TEST_F(IscsiHostile, StatusesThatNobodyReadCloseTheWindow) {
  IscsiClient client(target_.port(), "127.0.0.1", 4096);
  login(client);
  auto before = allocated();
  for (int i = 0; i < 200; ++i) client.send_raw(many_commands(client, 1000, {}));
  auto ping = make_header<NopOutBhs>(Opcode::nop_out);
  ping.opcode |= kImmediateBit;
  ping.initiator_task_tag = client.next_tag();
  ping.target_transfer_tag = kNoTag;
  client.send(ping);
  EXPECT_EQ(good_.read(0, 8).status, 0);
  std::uint32_t answers = 0;
  for (auto pdu = client.receive(); pdu.opcode() != Opcode::nop_in; pdu = client.receive())
    ++answers;
  EXPECT_LT(answers, 200'000u);
  EXPECT_LT(allocated(), before + (std::size_t{8} << 20));
  client.send(ping);  // who reads has the window back
  client.receive();
  EXPECT_GE(client.max_cmd_sn, client.exp_cmd_sn);
  client.cmd_sn = client.exp_cmd_sn;
  client.clear_attentions();
}

TEST_F(IscsiHostile, ImmediateStatusesThatNobodyReadsEndTheConnection) {
  IscsiClient client(target_.port(), "127.0.0.1", 4096);
  login(client);
  EXPECT_THROW(
      {
        for (int i = 0; i < 500; ++i) client.send_raw(many_commands(client, 1000, kImmediateBit));
      },
      std::runtime_error);
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->connections() == 1; }));
}

TEST_F(IscsiHostile, CommandsInDiscoveryLeaveNothingBehind) {
  IscsiClient client(target_.port());
  ASSERT_EQ(client.discover().status, 0);
  auto before = allocated();
  for (std::uint32_t round = 0; round < 2000; ++round) {
    auto first = client.cmd_sn;
    client.cmd_sn = first + 1;  // this one must wait for the next
    client.send_command(test_unit_ready(), kFinalBit, 0);
    client.cmd_sn = first;
    client.send_command(test_unit_ready(), kFinalBit, 0);
    client.cmd_sn = first + 2;
    for (int i = 0; i < 2; ++i) ASSERT_EQ(client.receive().opcode(), Opcode::reject);
  }
  EXPECT_LT(allocated(), before + (std::size_t{512} << 10));
}

TEST_F(IscsiHostile, RejectsAreLoggedOnceAndCounted) {
  ::testing::internal::CaptureStderr();
  {
    IscsiClient client(target_.port());
    login(client);
    for (int i = 0; i < 500; ++i) {
      client.send(make_header<Bhs>(Opcode::snack));
      ASSERT_EQ(client.receive().opcode(), Opcode::reject);
    }
  }
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->connections() == 1; }));
  auto log = ::testing::internal::GetCapturedStderr();
  EXPECT_LT(std::ranges::count(log, '\n'), 10);
  EXPECT_NE(log.find("500 PDUs were rejected"), log.npos) << log;
}
}  // namespace
}  // namespace caisson::tests
