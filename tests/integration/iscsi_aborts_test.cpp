// SPDX-License-Identifier: Apache-2.0
// Functions that end sets of tasks, against commands and data that are still on
// their way (RFC 7143 4.2.3.3).
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/iscsi_client.hpp"
#include "tests/support/iscsi_target.hpp"

namespace caisson::tests {
namespace {

using namespace iscsi;
using namespace std::chrono_literals;

constexpr auto kTarget = IscsiTarget::kTarget;

void brief(ServerOptions& options) {
  options.timers.abort = options.timers.unit_reset = options.timers.target_reset = 400ms;
}
void patient(ServerOptions& options) {
  options.timers.abort = options.timers.unit_reset = options.timers.target_reset = 60s;
}

TaskFunctionResponse response_of(const Pdu& pdu) {
  EXPECT_EQ(pdu.opcode(), Opcode::task_management_response);
  return static_cast<TaskFunctionResponse>(pdu.as<TaskManagementResponseBhs>().response);
}

class IscsiAborts : public ::testing::TestWithParam<TaskFunction> {
 protected:
  explicit IscsiAborts(const IscsiTarget::Adjust& adjust = patient) : target_(adjust, 1) {}
  void SetUp() override {
    ASSERT_EQ(client_.login(kTarget, {{"InitialR2T", "No"}}).status, 0);
    client_.clear_attentions();
  }
  void TearDown() override {
    client_.clear_attentions();
    EXPECT_EQ(client_.finish(client_.send_command(test_unit_ready(), kFinalBit, 0)).status, 0);
    EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->bytes_held() == 0; }));
  }
  /// A WRITE of 4 KiB under this number, whose data follows unasked.
  std::uint32_t send_write(std::uint32_t number) {
    auto before = std::exchange(client_.cmd_sn, number);
    auto tag = client_.send_command(write_16(0, 8), kWriteBit | std::byte{1}, 4096);
    client_.cmd_sn = before;
    return tag;
  }
  void send_function(TaskFunction function, std::uint32_t number, std::uint32_t referenced = kNoTag,
                     std::uint32_t ref_cmd_sn = 0) {
    auto header = client_.task_request(function, referenced, ref_cmd_sn);
    header.cmd_sn = number;
    client_.send(header);
  }
  void send_data(std::uint32_t tag) {
    auto data = pattern(512);
    for (std::uint32_t i = 0; i < 4; ++i)
      client_.send_data_out(tag, kNoTag, i, i * 512, data, false);
  }
  /// Waits until the target has taken what was sent.
  void ping() {
    auto header = make_header<NopOutBhs>(Opcode::nop_out);
    header.opcode |= kImmediateBit;
    header.initiator_task_tag = client_.next_tag();
    header.target_transfer_tag = kNoTag;
    header.cmd_sn = client_.cmd_sn;
    client_.send(header);
    EXPECT_EQ(client_.receive().opcode(), Opcode::nop_in);
  }

  IscsiTarget target_;
  IscsiClient client_{target_.port()};
};

class IscsiBriefAborts : public IscsiAborts {
 protected:
  IscsiBriefAborts() : IscsiAborts(brief) {}
};

TEST_F(IscsiAborts, DataOfAHeldCommandThatWasAbortedIsDropped) {
  auto first = client_.cmd_sn;
  auto tag = send_write(first + 1);
  send_function(TaskFunction::abort_task, first + 2, tag + 77, first + 1);
  EXPECT_EQ(response_of(client_.receive()), TaskFunctionResponse::complete);
  send_data(tag);
  ping();
  EXPECT_EQ(client_.finish(client_.send_command(test_unit_ready(), kFinalBit, 0)).status, 0);
  client_.cmd_sn = first + 2;
  ping();
  EXPECT_EQ(client_.exp_cmd_sn, first + 2);
}

TEST_F(IscsiAborts, DataOfAHeldCommandWhoseSetWasAbortedIsDropped) {
  auto first = client_.cmd_sn;
  auto tag = send_write(first + 1);
  send_function(TaskFunction::abort_task_set, first + 2);
  send_data(tag);
  client_.send_command(test_unit_ready(), kFinalBit, 0);  // what was missing
  EXPECT_EQ(response_of(client_.receive()), TaskFunctionResponse::complete);
  client_.cmd_sn = first + 2;
  ping();
  EXPECT_EQ(client_.exp_cmd_sn, first + 2);
}

TEST_P(IscsiAborts, ASetIncludesLowerNumbersThatComeLater) {
  auto first = client_.cmd_sn;
  send_function(GetParam(), first + 2);
  EXPECT_FALSE(client_.readable(50ms)) << "two numbers are missing";
  auto data = pattern(512);
  client_.send_command(write_16(0, 1), kFinalBit | kWriteBit | std::byte{1}, 512, data);
  EXPECT_FALSE(client_.readable(50ms)) << "one number is missing";
  client_.send_command(write_16(0, 1), kFinalBit | kWriteBit | std::byte{1}, 512, data);
  EXPECT_EQ(response_of(client_.receive()), TaskFunctionResponse::complete);
  client_.clear_attentions();
  EXPECT_EQ(client_.read(0, 1).data, std::vector<std::byte>(512));
}

TEST_P(IscsiAborts, WaitsForTheDataThatWasAskedFor) {
  auto tag = client_.send_command(write_16(0, 256), kFinalBit | kWriteBit | std::byte{1}, 131072);
  auto r2t = client_.receive();
  ASSERT_EQ(r2t.opcode(), Opcode::ready_to_transfer);
  send_function(GetParam(), client_.cmd_sn);
  EXPECT_FALSE(client_.readable(50ms));
  auto whole = pattern(131072);
  std::span<const std::byte> data(whole);
  auto ask = r2t.as<ReadyToTransferBhs>();
  ASSERT_EQ(std::uint32_t{ask.desired_length}, 131072u);
  client_.send_data_out(tag, ask.target_transfer_tag, 0, 0, data.first(65536), false);
  EXPECT_FALSE(client_.readable(50ms));
  client_.send_data_out(tag, ask.target_transfer_tag, 1, 65536, data.subspan(65536), true);
  EXPECT_EQ(response_of(client_.receive()), TaskFunctionResponse::complete);
  client_.clear_attentions();
  EXPECT_EQ(client_.read(0, 1).data, std::vector<std::byte>(512));
}

INSTANTIATE_TEST_SUITE_P(Functions, IscsiAborts,
                         ::testing::Values(TaskFunction::abort_task_set,
                                           TaskFunction::clear_task_set,
                                           TaskFunction::logical_unit_reset));

TEST_F(IscsiBriefAborts, DoNotWaitForeverForNumbers) {
  auto first = client_.cmd_sn;
  send_function(TaskFunction::abort_task_set, first + 1);
  EXPECT_EQ(response_of(client_.receive()), TaskFunctionResponse::complete);
  auto data = pattern(512);
  client_.send_command(write_16(0, 1), kFinalBit | kWriteBit | std::byte{1}, 512, data);
  EXPECT_EQ(client_.read(0, 1).data, std::vector<std::byte>(512)) << "it belongs to the set still";
}

TEST_F(IscsiBriefAborts, DoNotWaitForeverForData) {
  client_.send_command(write_16(0, 8), kFinalBit | kWriteBit | std::byte{1}, 4096);
  auto r2t = client_.receive();
  send_function(TaskFunction::abort_task_set, client_.cmd_sn);
  EXPECT_EQ(response_of(client_.receive()), TaskFunctionResponse::complete);
  client_.answer_r2t(r2t, pattern(4096));  // too late: dropped
}

TEST_F(IscsiBriefAborts, GiveUpWhileTheDataIsArriving) {
  auto tag = client_.send_command(write_16(0, 8), kFinalBit | kWriteBit | std::byte{1}, 4096);
  auto ask = client_.receive().as<ReadyToTransferBhs>();
  auto header = make_header<DataOutBhs>(Opcode::data_out, kFinalBit);
  header.initiator_task_tag = tag;
  header.target_transfer_tag = ask.target_transfer_tag;
  header.data_segment_length = 4096;
  send_function(TaskFunction::abort_task_set, client_.cmd_sn);
  client_.send_raw(bytes_of(header));
  client_.send_raw(pattern(100));
  EXPECT_EQ(response_of(client_.receive()), TaskFunctionResponse::complete);
  client_.send_raw(pattern(3996));
}

TEST_F(IscsiAborts, AConnectionThatIsLostInTheMiddleLeavesNothing) {
  IscsiClient other(target_.port());
  other.isid[5] = std::byte{1};
  ASSERT_EQ(other.login(kTarget).status, 0);
  other.clear_attentions();
  auto tag = other.send_command(write_16(0, 8), kFinalBit | kWriteBit | std::byte{1}, 4096);
  auto ask = other.receive().as<ReadyToTransferBhs>();
  auto header = make_header<DataOutBhs>(Opcode::data_out, kFinalBit);
  header.initiator_task_tag = tag;
  header.target_transfer_tag = ask.target_transfer_tag;
  header.data_segment_length = 4096;
  other.send_raw(bytes_of(header));
  other.send_raw(pattern(100));
  ASSERT_TRUE(IscsiTarget::eventually([&] { return target_.server->bytes_held() != 0; }));
  // Aborted from here, while its data arrives.
  send_function(TaskFunction::logical_unit_reset, client_.cmd_sn);
  EXPECT_EQ(response_of(client_.receive()), TaskFunctionResponse::complete);
  other.close();
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->bytes_held() == 0; }));
}

}  // namespace
}  // namespace caisson::tests
