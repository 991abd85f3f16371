// SPDX-License-Identifier: Apache-2.0
// Task management, and commands that meet the end of their session.
#include <gtest/gtest.h>

#include "gateway/iscsi/text.hpp"
#include "tests/support/iscsi_client.hpp"
#include "tests/support/iscsi_target.hpp"

namespace caisson::tests {
namespace {

using namespace iscsi;
using namespace std::chrono_literals;

constexpr auto kTarget = IscsiTarget::kTarget;

TaskFunctionResponse response_of(const Pdu& pdu) {
  EXPECT_EQ(pdu.opcode(), Opcode::task_management_response);
  return static_cast<TaskFunctionResponse>(pdu.as<TaskManagementResponseBhs>().response);
}

class IscsiTasks : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(client_.login(kTarget, {{"ImmediateData", "No"}}).status, 0);
    client_.clear_attentions();
  }
  void hold() {
    target_.on_thread([&] { target_.object->hold(); });
  }
  void release() {
    target_.on_thread([&] { target_.object->release(); });
  }
  TaskManagementBhs request(TaskFunction function, std::uint32_t tag, std::uint32_t number) {
    auto header = make_header<TaskManagementBhs>(Opcode::task_management);
    header.opcode |= kImmediateBit;
    header.function = kFinalBit | static_cast<std::byte>(function);
    header.initiator_task_tag = client_.next_tag();
    header.referenced_task_tag = tag;
    header.ref_cmd_sn = number;
    header.cmd_sn = client_.cmd_sn;
    return header;
  }

  IscsiTarget target_{{}, 1};
  IscsiClient client_{target_.port()};
};

TEST_F(IscsiTasks, AbortOfACommandThatWaitsForDataEndsIt) {
  auto number = client_.cmd_sn;
  auto tag = client_.send_command(write_16(0, 1), kFinalBit | kWriteBit, 512);
  auto r2t = client_.receive();
  EXPECT_EQ(response_of(client_.task_management(TaskFunction::abort_task, tag, number)),
            TaskFunctionResponse::complete);
  client_.answer_r2t(r2t, pattern(512));  // was on its way: dropped
  client_.clear_attentions();
  EXPECT_EQ(target_.object->bytes()[0], std::byte{0});
  EXPECT_EQ(target_.server->bytes_held(), 0u);
}

TEST_F(IscsiTasks, AbortOfACommandInTheObjectWaitsForItAndSilencesIt) {
  hold();
  auto number = client_.cmd_sn;
  auto tag = client_.send_command(read_16(0, 1), kFinalBit | kReadBit, 512);
  client_.send(request(TaskFunction::abort_task, tag, number));
  EXPECT_FALSE(client_.readable(50ms));
  release();
  EXPECT_EQ(response_of(client_.receive()), TaskFunctionResponse::complete);
  client_.clear_attentions();
}

TEST_F(IscsiTasks, AbortOfAnEndedCommandFindsNoTask) {
  auto number = client_.cmd_sn;
  auto tag = client_.send_command(test_unit_ready(), kFinalBit, 0);
  EXPECT_EQ(client_.finish(tag).status, 0);
  EXPECT_EQ(response_of(client_.task_management(TaskFunction::abort_task, tag, number)),
            TaskFunctionResponse::no_such_task);
}

TEST_F(IscsiTasks, AbortOfACommandThatNeverCamePlugsItsNumber) {
  auto lost = client_.cmd_sn++;
  auto later = client_.send_command(test_unit_ready(), kFinalBit, 0);
  EXPECT_FALSE(client_.readable(50ms));
  client_.send(request(TaskFunction::abort_task, 0x7777, lost));
  bool answered = false, ended = false;
  for (int i = 0; i < 2; ++i) {
    auto pdu = client_.receive();
    if (pdu.opcode() == Opcode::task_management_response)
      answered = response_of(pdu) == TaskFunctionResponse::complete;
    else
      ended = pdu.bhs.initiator_task_tag == later;
  }
  EXPECT_TRUE(answered && ended);
  EXPECT_EQ(client_.exp_cmd_sn, client_.cmd_sn);
}

TEST_F(IscsiTasks, LogicalUnitResetEndsCommandsAndTellsOthers) {
  IscsiClient other(target_.port());
  other.isid[5] = std::byte{1};
  ASSERT_EQ(other.login(kTarget).status, 0);
  other.clear_attentions();
  client_.send_command(write_16(0, 1), kFinalBit | kWriteBit, 512);
  client_.receive();
  EXPECT_EQ(response_of(client_.task_management(TaskFunction::logical_unit_reset, kNoTag, 0)),
            TaskFunctionResponse::complete);
  for (auto* client : {&client_, &other}) {
    auto result = client->finish(client->send_command(test_unit_ready(), kFinalBit, 0));
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.sense[2], std::byte{6});
    EXPECT_EQ(result.sense[12], std::byte{0x29});
    client->clear_attentions();
  }
}

TEST_F(IscsiTasks, ResetOfNoUnitSaysSo) {
  auto header = request(TaskFunction::logical_unit_reset, kNoTag, 0);
  header.lun = std::uint64_t{77} << 48;
  client_.send(header);
  EXPECT_EQ(response_of(client_.receive()), TaskFunctionResponse::no_such_lun);
}

TEST_F(IscsiTasks, AbortTaskSetEndsAllOfTheUnit) {
  for (int i = 0; i < 3; ++i) {
    client_.send_command(write_16(0, 1), kFinalBit | kWriteBit, 512);
    client_.receive();
  }
  EXPECT_EQ(response_of(client_.task_management(TaskFunction::abort_task_set, kNoTag, 0)),
            TaskFunctionResponse::complete);
  client_.clear_attentions();
  EXPECT_EQ(target_.server->bytes_held(), 0u);
}

TEST_F(IscsiTasks, OtherFunctionsAreDeclined) {
  EXPECT_EQ(response_of(client_.task_management(TaskFunction::target_warm_reset, kNoTag, 0)),
            TaskFunctionResponse::unsupported);
  EXPECT_EQ(response_of(client_.task_management(TaskFunction::task_reassign, kNoTag, 0)),
            TaskFunctionResponse::reassign_unsupported);
}

TEST_F(IscsiTasks, TagInUseIsRejected) {
  hold();
  auto tag = client_.send_command(read_16(0, 1), kFinalBit | kReadBit, 512);
  auto header = make_header<ScsiCommandBhs>(Opcode::scsi_command);
  header.initiator_task_tag = tag;
  header.cmd_sn = client_.cmd_sn++;
  client_.send(header);
  auto reply = client_.receive();
  EXPECT_EQ(reply.as<RejectBhs>().reason, RejectReason::task_in_progress);
  release();
  EXPECT_EQ(client_.finish(tag).status, 0);
}

TEST_F(IscsiTasks, ImmediateCommandsAreBounded) {
  hold();
  for (int i = 0; i < 33; ++i) {
    auto header = make_header<ScsiCommandBhs>(Opcode::scsi_command, kFinalBit | kReadBit);
    header.opcode |= kImmediateBit;
    header.initiator_task_tag = client_.next_tag();
    header.expected_length = 512;
    header.cmd_sn = client_.cmd_sn;
    auto cdb = read_16(0, 1);
    std::ranges::copy(cdb, header.cdb.begin());
    client_.send(header);
  }
  EXPECT_EQ(client_.receive().as<RejectBhs>().reason, RejectReason::too_many_immediate);
  release();
  for (int i = 0; i < 32; ++i) EXPECT_EQ(client_.receive().opcode(), Opcode::data_in);
}

TEST_F(IscsiTasks, LogoutWaitsForWhatIsInTheObject) {
  hold();
  client_.send_command(read_16(0, 1), kFinalBit | kReadBit, 512);
  auto header = make_header<LogoutRequestBhs>(Opcode::logout_request);
  header.reason = kFinalBit;
  header.cmd_sn = client_.cmd_sn++;
  client_.send(header);
  EXPECT_FALSE(client_.readable(50ms));
  release();
  EXPECT_EQ(client_.receive().opcode(), Opcode::logout_response);
  EXPECT_TRUE(client_.closed());
}

TEST_F(IscsiTasks, CommandsOutliveTheirConnectionAndTheNextLoginWaitsForThem) {
  hold();
  client_.send_command(read_16(0, 1), kFinalBit | kReadBit, 512);
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->bytes_held() != 0; }));
  client_.close();
  IscsiClient again(target_.port());
  std::string text;
  append_text(text, "InitiatorName", again.name);
  append_text(text, "TargetName", kTarget);
  again.send_login(1, 3, text);
  EXPECT_FALSE(again.readable(50ms));
  release();
  EXPECT_EQ(again.login_answer().status, 0);
  EXPECT_EQ(target_.sessions.list().size(), 1u);
}

}  // namespace
}  // namespace caisson::tests
