// SPDX-License-Identifier: Apache-2.0
// Task management, and commands that meet the end of their session.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

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
    return client_.task_request(function, tag, number);
  }
  std::uint32_t send_with(IscsiClient& client, std::span<const std::byte> cdb, unsigned attribute,
                          std::byte direction = {}, std::uint32_t expected = 0) {
    return client.send_command(cdb, kFinalBit | direction | static_cast<std::byte>(attribute),
                               expected);
  }
  std::unique_ptr<IscsiClient> another(unsigned isid) {
    auto client = std::make_unique<IscsiClient>(target_.port());
    client->isid[5] = static_cast<std::byte>(isid);
    EXPECT_EQ(client->login(kTarget, {{"iSCSIProtocolLevel", "2"}}).status, 0);
    client->clear_attentions();
    return client;
  }
  static constexpr unsigned kSimple = 1, kOrdered = 2, kHead = 3, kAca = 4;

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
  EXPECT_EQ(target_.object->copy()[0], std::byte{0});
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
  auto r2t = client_.receive();
  client_.send(request(TaskFunction::logical_unit_reset, kNoTag, 0));
  client_.answer_r2t(r2t, pattern(512));
  EXPECT_EQ(response_of(client_.receive()), TaskFunctionResponse::complete);
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
  std::vector<Pdu> asked;
  for (int i = 0; i < 3; ++i) {
    client_.send_command(write_16(0, 1), kFinalBit | kWriteBit, 512);
    asked.push_back(client_.receive());
  }
  client_.send(request(TaskFunction::abort_task_set, kNoTag, 0));
  for (const auto& r2t : asked) client_.answer_r2t(r2t, pattern(512));
  EXPECT_EQ(response_of(client_.receive()), TaskFunctionResponse::complete);
  client_.clear_attentions();
  EXPECT_EQ(target_.server->bytes_held(), 0u);
}

TEST_F(IscsiTasks, OtherFunctionsAreDeclined) {
  for (auto function : {TaskFunction::clear_aca, TaskFunction{11}, TaskFunction{12}})
    EXPECT_EQ(response_of(client_.task_management(function, kNoTag, 0)),
              TaskFunctionResponse::unsupported);
  EXPECT_EQ(response_of(client_.task_management(TaskFunction::query_task, kNoTag, 0)),
            TaskFunctionResponse::unsupported)
      << "only of iSCSIProtocolLevel 2";
  EXPECT_EQ(response_of(client_.task_management(TaskFunction::task_reassign, kNoTag, 0)),
            TaskFunctionResponse::reassign_unsupported);
}

TEST_F(IscsiTasks, QueriesFindWhatIsOpen) {
  auto other = another(1);
  auto query = [&](TaskFunction function, std::uint32_t tag) {
    return response_of(other->task_management(function, tag, 0));
  };
  hold();
  auto tag = other->send_command(read_16(0, 1), kFinalBit | kReadBit, 512);
  EXPECT_EQ(query(TaskFunction::query_task, tag), TaskFunctionResponse::succeeded);
  EXPECT_EQ(query(TaskFunction::query_task_set, kNoTag), TaskFunctionResponse::succeeded);
  EXPECT_EQ(query(TaskFunction::query_task, tag + 100), TaskFunctionResponse::complete);
  release();
  EXPECT_EQ(other->finish(tag).status, 0);
  EXPECT_EQ(query(TaskFunction::query_task, tag), TaskFunctionResponse::complete);
  EXPECT_EQ(query(TaskFunction::query_task_set, kNoTag), TaskFunctionResponse::complete);
}

TEST_F(IscsiTasks, WarmResetEndsCommandsOfEverySessionAndTellsThem) {
  auto other = another(1);
  other->send_command(write_16(0, 1), kFinalBit | kWriteBit, 512);
  EXPECT_EQ(other->receive().opcode(), Opcode::ready_to_transfer);
  EXPECT_EQ(response_of(client_.task_management(TaskFunction::target_warm_reset, kNoTag, 0)),
            TaskFunctionResponse::complete);
  for (auto* client : {&client_, other.get()}) {
    auto result = client->finish(client->send_command(test_unit_ready(), kFinalBit, 0));
    ASSERT_EQ(result.status, 2);
    EXPECT_EQ(result.sense[12], std::byte{0x29});
    client->clear_attentions();
  }
  EXPECT_EQ(target_.server->bytes_held(), 0u);
}

TEST_F(IscsiTasks, ColdResetEndsEverySession) {
  auto other = another(1);
  EXPECT_EQ(response_of(client_.task_management(TaskFunction::target_cold_reset, kNoTag, 0)),
            TaskFunctionResponse::complete);
  EXPECT_TRUE(client_.closed());
  EXPECT_TRUE(other->closed());
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.sessions.list().empty(); }));
}

/// A host that may read LUN 0 only, and write LUN 1.
class IscsiReader : public IscsiTasks {
 protected:
  static constexpr const char* kReaders = "iqn.2026-11.io.caisson:node:readers";
  void SetUp() override {
    IscsiTasks::SetUp();
    auto own = std::make_shared<scsi::LogicalUnit>(std::make_shared<MemoryObject>());
    target_.directory.grant(IscsiTarget::kOpenHost, kReaders,
                            {scsi::Verdict::granted, {{0, target_.unit, true}, {1, own, false}}});
    ASSERT_EQ(reader_.login(kReaders).status, 0);
    reader_.clear_attentions();
  }
  TaskFunctionResponse ask(TaskFunction function, std::uint64_t lun = 0) {
    auto header = reader_.task_request(function, kNoTag, 0);
    header.lun = lun << 48;
    reader_.send(header);
    return response_of(reader_.receive());
  }
  IscsiClient reader_{target_.port()};
};

TEST_F(IscsiReader, EndsNothingOfOthers) {
  auto tag = client_.send_command(write_16(0, 1), kFinalBit | kWriteBit, 512);
  auto r2t = client_.receive();
  for (auto function : {TaskFunction::clear_task_set, TaskFunction::logical_unit_reset,
                        TaskFunction::target_warm_reset, TaskFunction::target_cold_reset})
    EXPECT_EQ(ask(function), TaskFunctionResponse::not_authorized) << static_cast<int>(function);
  client_.answer_r2t(r2t, pattern(512));
  EXPECT_EQ(client_.finish(tag).status, 0);
  EXPECT_EQ(client_.finish(client_.send_command(test_unit_ready(), kFinalBit, 0)).status, 0)
      << "and it has nothing to hear";
}

TEST_F(IscsiReader, EndsItsOwnAndThoseOfWhatItMayWrite) {
  hold();
  auto tag = reader_.send_command(read_16(0, 1), kFinalBit | kReadBit, 512);
  reader_.send(reader_.task_request(TaskFunction::abort_task_set, kNoTag, 0));
  EXPECT_FALSE(reader_.readable(50ms)) << "the read has begun";
  release();
  EXPECT_EQ(response_of(reader_.receive()), TaskFunctionResponse::complete);
  EXPECT_EQ(response_of(reader_.task_management(TaskFunction::abort_task, tag, reader_.cmd_sn - 1)),
            TaskFunctionResponse::no_such_task);
  for (auto function : {TaskFunction::clear_task_set, TaskFunction::logical_unit_reset})
    EXPECT_EQ(ask(function, 1), TaskFunctionResponse::complete) << static_cast<int>(function);
}

/// PERSISTENT RESERVE OUT; where there is a type it is write exclusive.
IscsiClient::Result reserve_out(IscsiClient& client, std::uint8_t action, std::uint64_t key,
                                std::uint64_t service_key) {
  std::array<std::byte, 16> cdb{std::byte{0x5f}, std::byte{action}, std::byte{0x01}};
  std::array<std::byte, 24> list{};
  cdb[8] = std::byte{list.size()};
  list[7] = static_cast<std::byte>(key);
  list[15] = static_cast<std::byte>(service_key);
  auto tag = client.send_command(cdb, kFinalBit | kWriteBit | std::byte{1}, list.size());
  return client.finish(tag, list);
}

class IscsiPreempt : public IscsiTasks {
 protected:
  static constexpr std::uint8_t kRegister = 0, kPreempt = 4, kPreemptAndAbort = 5;
  void SetUp() override {
    IscsiTasks::SetUp();
    other_ = another(7);
    EXPECT_EQ(reserve_out(client_, kRegister, 0, 1).status, 0);
    EXPECT_EQ(reserve_out(*other_, kRegister, 0, 2).status, 0);
    tag_ = other_->send_command(write_16(0, 1), kFinalBit | kWriteBit, 512);
    r2t_ = other_->receive();
  }
  std::unique_ptr<IscsiClient> other_;
  std::uint32_t tag_ = 0;
  Pdu r2t_;
};

TEST_F(IscsiPreempt, PreemptAndAbortEndsWhatThePreemptedHaveOpen) {
  EXPECT_EQ(reserve_out(client_, kPreemptAndAbort, 1, 2).status, 0);
  other_->answer_r2t(r2t_, pattern(512));  // was on its way: dropped
  auto heard = other_->finish(other_->send_command(test_unit_ready(), kFinalBit, 0));
  EXPECT_EQ(heard.sense[12], std::byte{0x2f}) << "COMMANDS CLEARED BY ANOTHER INITIATOR";
  heard = other_->finish(other_->send_command(test_unit_ready(), kFinalBit, 0));
  EXPECT_EQ(heard.sense[12], std::byte{0x2a}) << "REGISTRATIONS PREEMPTED";
  EXPECT_EQ(heard.sense[13], std::byte{0x05});
  EXPECT_EQ(target_.object->copy()[0], std::byte{0});
}

TEST_F(IscsiPreempt, PreemptAloneEndsNothing) {
  EXPECT_EQ(reserve_out(client_, kPreempt, 1, 2).status, 0);
  other_->answer_r2t(r2t_, pattern(512));
  EXPECT_EQ(other_->finish(tag_).status, 0);
  EXPECT_EQ(target_.object->copy()[0], pattern(512)[0]);
}

TEST_F(IscsiPreempt, TheirOwnCommandsAndThoseOfOthersGoOn) {
  auto third = another(8);
  auto tag = third->send_command(write_16(8, 1), kFinalBit | kWriteBit, 512);
  auto r2t = third->receive();
  EXPECT_EQ(reserve_out(client_, kPreemptAndAbort, 1, 2).status, 0);
  third->answer_r2t(r2t, pattern(512));
  EXPECT_EQ(third->finish(tag).status, 0);
}

TEST_F(IscsiPreempt, OfTwoThatPreemptEachOtherOneIsLeft) {
  EXPECT_EQ(reserve_out(client_, kPreemptAndAbort, 1, 2).status, 0);
  other_->clear_attentions();
  EXPECT_EQ(reserve_out(*other_, kPreemptAndAbort, 2, 1).status, 0x18);
}

TEST_F(IscsiTasks, AnOrderedCommandWaitsForOlderOnesAndHoldsUpLaterOnes) {
  hold();
  auto first = send_with(client_, read_16(0, 1), kSimple, kReadBit, 512);
  auto ordered = send_with(client_, test_unit_ready(), kOrdered);
  auto last = send_with(client_, test_unit_ready(), kSimple);
  auto head = send_with(client_, test_unit_ready(), kHead);
  EXPECT_EQ(client_.finish(head).status, 0) << "the head of the queue waits for nobody";
  EXPECT_FALSE(client_.readable(50ms));
  release();
  EXPECT_EQ(client_.finish(first).status, 0);
  EXPECT_EQ(client_.finish(ordered).status, 0);
  EXPECT_EQ(client_.finish(last).status, 0);
}

TEST_F(IscsiTasks, AnOrderedCommandWaitsForAWriteWhoseDataHasNotCome) {
  auto write = send_with(client_, write_16(0, 1), kSimple, kWriteBit, 512);
  auto r2t = client_.receive();
  auto ordered = send_with(client_, read_16(0, 1), kOrdered, kReadBit, 512);
  EXPECT_FALSE(client_.readable(50ms));
  auto data = pattern(512);
  client_.answer_r2t(r2t, data);
  EXPECT_EQ(client_.finish(write).status, 0);
  EXPECT_EQ(client_.finish(ordered).data, data);
}

TEST_F(IscsiTasks, AbortOfADormantCommandIsAnsweredAtOnceAndTheNextGoesOn) {
  hold();
  auto first = send_with(client_, read_16(0, 1), kSimple, kReadBit, 512);
  auto number = client_.cmd_sn;
  auto ordered = send_with(client_, test_unit_ready(), kOrdered);
  auto last = send_with(client_, test_unit_ready(), kSimple);
  client_.send(request(TaskFunction::abort_task, ordered, number));
  bool aborted = false, ended = false;
  for (int i = 0; i < 2; ++i) {
    auto pdu = client_.receive();
    aborted = aborted || pdu.opcode() == Opcode::task_management_response;
    ended = ended || pdu.bhs.initiator_task_tag == last;
  }
  EXPECT_TRUE(aborted && ended) << "while the first one still runs";
  release();
  EXPECT_EQ(client_.finish(first).status, 0);
}

TEST_F(IscsiTasks, AnAcaCommandIsRefused) {
  auto result = client_.finish(send_with(client_, test_unit_ready(), kAca));
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.sense[2], std::byte{5});
  EXPECT_EQ(result.sense[12], std::byte{0x49});
  auto naca = test_unit_ready();
  naca[5] = std::byte{4};
  EXPECT_EQ(client_.finish(client_.send_command(naca, kFinalBit, 0)).sense[12], std::byte{0x24});
}

/// Sessions of one target, each logged in.
std::vector<std::unique_ptr<IscsiClient>> log_in(const IscsiTarget& target, unsigned count) {
  std::vector<std::unique_ptr<IscsiClient>> clients;
  for (unsigned i = 0; i < count; ++i) {
    auto& client = clients.emplace_back(std::make_unique<IscsiClient>(target.port()));
    client->isid[5] = static_cast<std::byte>(i);
    EXPECT_EQ(client->login(kTarget, {{"ImmediateData", "No"}}).status, 0);
    client->clear_attentions();
  }
  return clients;
}

TEST(IscsiTaskSet, OrderedCommandsCountTheOldOnesOfEverySession) {
  IscsiTarget target({}, 1);
  auto clients = log_in(target, 3);
  auto &a = clients[0], &b = clients[1], &c = clients[2];
  target.on_thread([&] { target.object->hold(); });
  auto old = a->send_command(read_16(0, 1), kFinalBit | kReadBit | std::byte{1}, 512);
  ASSERT_TRUE(IscsiTarget::eventually([&] { return target.server->bytes_held() != 0; }));
  auto ordered = b->send_command(test_unit_ready(), kFinalBit | std::byte{2}, 0);
  EXPECT_FALSE(b->readable(50ms));
  auto later = c->send_command(test_unit_ready(), kFinalBit | std::byte{1}, 0);
  EXPECT_FALSE(c->readable(50ms));
  target.on_thread([&] { target.object->release(); });
  EXPECT_EQ(a->finish(old).status, 0);
  EXPECT_EQ(b->finish(ordered).status, 0);
  EXPECT_EQ(c->finish(later).status, 0);
}

/// Sessions on threads of their own.
TEST(IscsiTaskSet, DataThatDoesNotComeHoldsUpNoOtherSession) {
  IscsiTarget target({}, 2);
  auto clients = log_in(target, 2);
  auto &a = clients[0], &b = clients[1];
  auto write = a->send_command(write_16(0, 1), kFinalBit | kWriteBit | std::byte{2}, 512);
  auto r2t = a->receive();
  auto ordered = b->send_command(read_16(0, 1), kFinalBit | kReadBit | std::byte{2}, 512);
  EXPECT_EQ(b->finish(ordered).status, 0);
  a->answer_r2t(r2t, pattern(512));
  EXPECT_EQ(a->finish(write).status, 0);
  EXPECT_EQ(b->read(0, 1).data, pattern(512));
}

TEST(IscsiTaskSet, OrderedAndHeadOfQueueFromManySessionsAllEnd) {
  IscsiTarget target({}, 3);
  std::vector<std::jthread> hosts;
  std::atomic<int> wrong = 0;
  for (unsigned i = 0; i < 6; ++i)
    hosts.emplace_back([&, i] {
      IscsiClient client(target.port());
      client.isid[5] = static_cast<std::byte>(i);
      client.login(kTarget);
      client.clear_attentions();
      for (int round = 0; round < 40; ++round) {
        std::vector<std::uint32_t> tags;
        for (unsigned n = 0; n < 6; ++n) {
          auto attribute = static_cast<std::byte>(1 + (n + i + static_cast<unsigned>(round)) % 3);
          tags.push_back(client.send_command(read_16(n, 1), kFinalBit | kReadBit | attribute, 512));
        }
        for (auto left = tags.size(); left != 0; --left)
          if (client.receive().opcode() != Opcode::data_in) ++wrong;
      }
    });
  hosts.clear();
  EXPECT_EQ(wrong, 0);
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
