// SPDX-License-Identifier: Apache-2.0
// Task management while the file below hangs: a real object whose disk keeps
// requests until the test lets them go. What is answered is answered before.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <future>

#include "tests/support/foreign_initiator.hpp"
#include "tests/support/iscsi_client.hpp"
#include "tests/support/iscsi_target.hpp"
#include "tests/unit/storage_object/object/gated_machine.hpp"

namespace caisson::tests {
namespace {

using namespace iscsi;
using namespace std::chrono_literals;
using block::IoOp;
using ::testing::Contains;
using ::testing::Not;

constexpr const char* kHung = "iqn.2026-11.io.caisson:node:hung";
constexpr auto kAbortLimit = 300ms;
constexpr std::uint8_t kBusy = 0x08, kReservationConflict = 0x18, kTaskAborted = 0x40,
                       kCheckCondition = 0x02;

TaskFunctionResponse response_of(const Pdu& pdu) {
  EXPECT_EQ(pdu.opcode(), Opcode::task_management_response);
  return static_cast<TaskFunctionResponse>(pdu.as<TaskManagementResponseBhs>().response);
}

/// LUN 0 hangs when told to, LUN 1 never.
class IscsiHungFile : public ::testing::Test {
 protected:
  void SetUp() override {
    object_ = gated_.machine.make("db", 1 << 20);
    unit_ = std::make_shared<scsi::LogicalUnit>(object_);
    auto other = std::make_shared<scsi::LogicalUnit>(target_.object);
    target_.directory.grant(IscsiTarget::kOpenHost, kHung,
                            {scsi::Verdict::granted, {{0, unit_, false}, {1, other, false}}});
    client_ = login(0);
  }
  void TearDown() override {
    gate_->release();
    client_.reset();
    EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.server->bytes_held() == 0; }));
  }

  std::unique_ptr<IscsiClient> login(unsigned isid) {
    auto client = std::make_unique<IscsiClient>(target_.port());
    client->isid[5] = static_cast<std::byte>(isid);
    EXPECT_EQ(client->login(kHung).status, 0);
    client->clear_attentions();
    return client;
  }
  static void adjust(ServerOptions& options) {
    options.timers.abort = kAbortLimit;
    options.timers.unit_reset = 400ms;
    options.timers.target_reset = 500ms;
    options.timers.range_wait = 100ms;
  }

  static std::uint32_t send_write(IscsiClient& client, std::uint64_t lba,
                                  std::span<const std::byte> data) {
    return client.send_command(write_16(lba, static_cast<std::uint32_t>(data.size() / 512)),
                               kFinalBit | kWriteBit, static_cast<std::uint32_t>(data.size()),
                               data);
  }
  /// Sends a write that hangs; its tag.
  std::uint32_t hang_write(IscsiClient& client, std::uint64_t lba,
                           std::span<const std::byte> data) {
    auto before = gate_->hanging();
    gate_->hang(IoOp::write);
    auto tag = send_write(client, lba, data);
    EXPECT_TRUE(IscsiTarget::eventually([&] { return gate_->hanging() == before + 1; }));
    gate_->pass();
    return tag;
  }
  /// Writes until it is not BUSY any more.
  static void write_at_last(IscsiClient& client, std::uint64_t lba,
                            std::span<const std::byte> data) {
    EXPECT_TRUE(IscsiTarget::eventually([&] { return client.write(lba, data).status != kBusy; }));
  }
  /// PERSISTENT RESERVE OUT of an exclusive access reservation; its tag.
  static std::uint32_t send_reserve_out(IscsiClient& client, int action, int key, int service_key,
                                        bool kept = false) {
    std::vector<std::byte> cdb(16), list(24);
    cdb[0] = std::byte{0x5f};
    cdb[1] = static_cast<std::byte>(action);
    cdb[2] = std::byte{3};
    cdb[8] = std::byte{24};
    list[7] = static_cast<std::byte>(key);
    list[15] = static_cast<std::byte>(service_key);
    list[20] = static_cast<std::byte>(kept);  // APTPL
    return client.send_command(cdb, kFinalBit | kWriteBit, 24, list);
  }
  /// The same; its status.
  static std::uint8_t reserve_out(IscsiClient& client, int action, int key, int service_key,
                                  bool kept = false) {
    return client.finish(send_reserve_out(client, action, key, service_key, kept)).status;
  }
  static std::uint8_t status_of(const Pdu& pdu) {
    EXPECT_EQ(pdu.opcode(), Opcode::scsi_response);
    return pdu.as<ScsiResponseBhs>().status;
  }
  /// Of whatever was answered before a ping is.
  static std::vector<int> statuses_until_ping(IscsiClient& client) {
    auto ping = make_header<NopOutBhs>(Opcode::nop_out);
    ping.opcode |= kImmediateBit;
    ping.initiator_task_tag = client.next_tag();
    ping.target_transfer_tag = kNoTag;
    ping.cmd_sn = client.cmd_sn;
    client.send(ping);
    std::vector<int> statuses;
    for (;;) {
      auto pdu = client.receive();
      if (pdu.opcode() == Opcode::nop_in) return statuses;
      statuses.push_back(status_of(pdu));
    }
  }
  static IscsiClient::Result ready(IscsiClient& client) {
    return client.finish(client.send_command(test_unit_ready(), kFinalBit, 0));
  }
  static void expect_attention(IscsiClient& client, int asc, int ascq) {
    auto result = ready(client);
    ASSERT_EQ(result.status, kCheckCondition);
    EXPECT_EQ(result.sense[2], std::byte{6});
    EXPECT_EQ(result.sense[12], static_cast<std::byte>(asc));
    EXPECT_EQ(result.sense[13], static_cast<std::byte>(ascq));
  }

  GatedMachine gated_;
  GateDevice*& gate_ = gated_.gate;
  std::shared_ptr<object::StorageObject> object_;
  std::shared_ptr<scsi::LogicalUnit> unit_;
  IscsiTarget target_{adjust, 2};
  std::unique_ptr<IscsiClient> client_;
  const std::vector<std::byte> old_ = pattern(4096, 1), new_ = pattern(4096, 2);
};

TEST_F(IscsiHungFile, AbortedWriteKeepsNewerOnesOffUntilItEnds) {
  auto number = client_->cmd_sn;
  auto tag = hang_write(*client_, 0, old_);
  EXPECT_EQ(response_of(client_->task_management(TaskFunction::abort_task, tag, number)),
            TaskFunctionResponse::complete);
  EXPECT_EQ(gate_->hanging(), 1u) << "answered while the file hung";
  EXPECT_EQ(client_->write(4, new_).status, kBusy) << "overlaps in part";
  EXPECT_EQ(client_->read(0, 1).status, kBusy);
  EXPECT_EQ(client_->write(8, new_).status, 0) << "beside it";
  gate_->release();
  write_at_last(*client_, 0, new_);
  EXPECT_EQ(client_->read(0, 8).data, new_);
}

TEST_F(IscsiHungFile, NewerWriteThatWaitsLandsAfterTheOldOne) {
  auto number = client_->cmd_sn;
  auto tag = hang_write(*client_, 0, old_);
  client_->task_management(TaskFunction::abort_task, tag, number);
  auto other = login(1);
  auto newer = send_write(*other, 0, new_);
  gate_->release();
  if (other->finish(newer).status == kBusy) write_at_last(*other, 0, new_);
  EXPECT_EQ(other->read(0, 8).data, new_);
  EXPECT_EQ(client_->read(0, 8).data, new_) << "and no answer of the aborted one came before";
}

TEST_F(IscsiHungFile, TagAndPlaceOfAnAbortedWriteAreFree) {
  auto number = client_->cmd_sn;
  auto tag = hang_write(*client_, 0, old_);
  client_->task_management(TaskFunction::abort_task, tag, number);
  EXPECT_EQ(response_of(client_->task_management(TaskFunction::abort_task, tag, number)),
            TaskFunctionResponse::no_such_task);
  EXPECT_EQ(client_->exp_cmd_sn, client_->cmd_sn);
  EXPECT_EQ(client_->max_cmd_sn - client_->exp_cmd_sn + 1, 128u) << "the window is whole";
  EXPECT_GE(target_.server->bytes_held(), old_.size()) << "its memory is not";
}

TEST_F(IscsiHungFile, CommandThatWaitsForAHungOneIsAbortedAtOnce) {
  auto first = client_->cmd_sn;
  auto tag = hang_write(*client_, 0, old_);
  client_->task_management(TaskFunction::abort_task, tag, first);
  auto number = client_->cmd_sn;
  auto waiting = send_write(*client_, 0, new_);
  auto response = response_of(client_->task_management(TaskFunction::abort_task, waiting, number));
  EXPECT_EQ(response, TaskFunctionResponse::complete);
  EXPECT_EQ(gate_->hanging(), 1u);
}

TEST_F(IscsiHungFile, ResetByAnotherSessionIsAnsweredAndSilencesWhatHangs) {
  auto other = login(1);
  hang_write(*other, 0, old_);
  auto answer = client_->task_management(TaskFunction::logical_unit_reset, kNoTag, 0);
  EXPECT_EQ(response_of(answer), TaskFunctionResponse::complete);
  EXPECT_EQ(gate_->hanging(), 1u);
  expect_attention(*client_, 0x29, 0x03);
  expect_attention(*other, 0x29, 0x03);
  EXPECT_EQ(ready(*other).status, 0) << "and the reset is all it hears of";
  gate_->release();
  write_at_last(*client_, 0, new_);
  EXPECT_EQ(other->read(0, 8).data, new_);
}

TEST_F(IscsiHungFile, ClearTaskSetTellsTheOthersByAttention) {
  auto other = login(1);
  auto bystander = login(2);
  hang_write(*other, 0, old_);
  EXPECT_EQ(response_of(client_->task_management(TaskFunction::clear_task_set, kNoTag, 0)),
            TaskFunctionResponse::complete);
  EXPECT_EQ(gate_->hanging(), 1u);
  expect_attention(*other, 0x2f, 0x00);
  EXPECT_EQ(ready(*bystander).status, 0);
  EXPECT_EQ(ready(*client_).status, 0);
}

TEST_F(IscsiHungFile, ClearTaskSetWithTasAnswersTaskAborted) {
  std::promise<Error> changed;
  object_->change_modes({}, {.task_aborted = true}, [&](Error error) { changed.set_value(error); });
  ASSERT_EQ(changed.get_future().get(), Error());
  client_->clear_attentions();
  auto other = login(1);
  auto tag = hang_write(*other, 0, old_);
  hang_write(*client_, 64, old_);
  EXPECT_EQ(response_of(client_->task_management(TaskFunction::clear_task_set, kNoTag, 0)),
            TaskFunctionResponse::complete)
      << "its own are aborted without an answer";
  EXPECT_EQ(gate_->hanging(), 2u);
  EXPECT_EQ(other->finish(tag).status, kTaskAborted);
  EXPECT_EQ(ready(*other).status, 0) << "no attention beside it";
}

TEST_F(IscsiHungFile, HungReadLeavesTheSessionAnswerable) {
  gate_->hang(IoOp::read);
  client_->send_command(read_16(0, 1), kFinalBit | kReadBit, 512);
  ASSERT_TRUE(IscsiTarget::eventually([&] { return gate_->hanging() == 1; }));
  auto ping = make_header<NopOutBhs>(Opcode::nop_out);
  ping.opcode |= kImmediateBit;
  ping.initiator_task_tag = client_->next_tag();
  ping.target_transfer_tag = kNoTag;
  ping.cmd_sn = client_->cmd_sn;
  client_->send(ping);
  EXPECT_EQ(client_->receive().opcode(), Opcode::nop_in);
  auto command = make_header<ScsiCommandBhs>(Opcode::scsi_command, kFinalBit);
  command.lun = std::uint64_t{1} << 48;
  command.initiator_task_tag = client_->next_tag();
  command.cmd_sn = client_->cmd_sn++;
  client_->send(command);
  EXPECT_NE(client_->finish(command.initiator_task_tag).status, 0xff) << "the other LUN answers";
  EXPECT_EQ(client_->logout().opcode(), Opcode::logout_response);
  EXPECT_TRUE(client_->closed());
  EXPECT_EQ(gate_->hanging(), 1u);
}

TEST_F(IscsiHungFile, SessionThatEndsLeavesOnlyTheMemoryOfWhatHangs) {
  hang_write(*client_, 0, old_);
  client_->close();
  EXPECT_TRUE(IscsiTarget::eventually([&] { return target_.sessions.list().empty(); }));
  EXPECT_EQ(gate_->hanging(), 1u);
  EXPECT_GE(target_.server->bytes_held(), old_.size());
  auto again = login(0);
  EXPECT_EQ(again->write(0, new_).status, kBusy) << "it is fenced over the session's end";
  gate_->release();
  write_at_last(*again, 0, new_);
  EXPECT_EQ(again->read(0, 8).data, new_);
}

TEST_F(IscsiHungFile, ReinstatementDoesNotWaitForTheFile) {
  hang_write(*client_, 0, old_);
  auto again = login(0);
  EXPECT_EQ(gate_->hanging(), 1u);
  EXPECT_TRUE(client_->closed());
  EXPECT_EQ(target_.sessions.list().size(), 1u);
}

TEST_F(IscsiHungFile, ReservationsDoNotWaitForAHungWrite) {
  hang_write(*client_, 0, old_);
  auto other = login(1);
  EXPECT_EQ(reserve_out(*other, 0x00, 0, 1), 0);
  EXPECT_EQ(reserve_out(*other, 0x01, 1, 0), 0);
  EXPECT_EQ(other->write(64, new_).status, 0);
  EXPECT_EQ(other->write(0, new_).status, kBusy) << "until the old write has ended";
  EXPECT_EQ(gate_->hanging(), 1u);
  gate_->release();
  write_at_last(*other, 0, new_);
  EXPECT_EQ(other->read(0, 8).data, new_);
}

/// A cluster fences a node whose write hangs; its own, and a third one's, hang too.
TEST_F(IscsiHungFile, PreemptAndAbortEndsWhatHangs) {
  auto loser = login(1), winner = login(2), third = login(3);
  reserve_out(*loser, 0x00, 0, 0x11);
  reserve_out(*winner, 0x00, 0, 0x22);
  auto of_winner = hang_write(*winner, 128, old_);
  auto of_third = hang_write(*third, 256, old_);
  auto number = loser->cmd_sn;
  auto tag = hang_write(*loser, 0, old_);
  auto from = std::chrono::steady_clock::now();
  EXPECT_EQ(reserve_out(*winner, 0x05, 0x22, 0x11), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - from, 2 * kAbortLimit);
  EXPECT_EQ(gate_->hanging(), 3u) << "answered while the file hung";
  EXPECT_EQ(response_of(loser->task_management(TaskFunction::abort_task, tag, number)),
            TaskFunctionResponse::no_such_task)
      << "it has ended";
  loser->clear_attentions();
  EXPECT_EQ(reserve_out(*winner, 0x01, 0x22, 0), 0);
  EXPECT_EQ(loser->write(64, old_).status, kReservationConflict);
  EXPECT_EQ(winner->write(0, new_).status, kBusy) << "until the old write has ended";
  EXPECT_EQ(winner->write(256, new_).status, kBusy);
  gate_->release();
  EXPECT_EQ(winner->finish(of_winner).status, 0) << "what was fenced is answered all the same";
  EXPECT_EQ(third->finish(of_third).status, 0);
  for (int lba : {0, 256}) write_at_last(*winner, lba, new_);
  for (int lba : {0, 256}) EXPECT_EQ(winner->read(lba, 8).data, new_);
}

/// The other is told of the conflict, or aborted without a word.
TEST_F(IscsiHungFile, OfTwoThatPreemptEachOtherOneWins) {
  std::array clients = {login(1), login(2)};
  for (int round = 0; round < 20; ++round) {
    for (int i : {0, 1}) {
      clients[i]->clear_attentions();
      ASSERT_EQ(reserve_out(*clients[i], 0x06, 0, 0x11 + i), 0);
    }
    for (int i : {0, 1}) send_reserve_out(*clients[i], 0x05, 0x11 + i, 0x12 - i);
    int winner = -1;
    EXPECT_TRUE(IscsiTarget::eventually([&] {
      for (int i : {0, 1})
        if (clients[i]->readable(0ms) && status_of(clients[i]->receive()) == 0) winner = i;
      return winner >= 0;
    }));
    auto& loser = *clients[1 - winner];
    EXPECT_THAT(statuses_until_ping(loser), Not(Contains(0)));
    loser.clear_attentions();
    EXPECT_NE(reserve_out(loser, 0x01, 0x12 - winner, 0), 0) << "it is not registered any more";
    EXPECT_EQ(reserve_out(*clients[winner], 0x01, 0x11 + winner, 0), 0);
    EXPECT_EQ(reserve_out(*clients[winner], 0x02, 0x11 + winner, 0), 0);
  }
}

/// What is kept over a power loss cannot be kept while the file hangs.
TEST_F(IscsiHungFile, PreemptAndAbortOfWhatIsKeptIsToldThatTheFileHangs) {
  auto loser = login(1), winner = login(2);
  reserve_out(*loser, 0x00, 0, 0x11, true);
  reserve_out(*loser, 0x01, 0x11, 0);
  reserve_out(*winner, 0x00, 0, 0x22, true);
  hang_write(*loser, 0, old_);
  auto told = winner->finish(send_reserve_out(*winner, 0x05, 0x22, 0x11));
  EXPECT_EQ(told.status, kCheckCondition);
  ASSERT_GE(told.sense.size(), 14u);
  EXPECT_EQ(told.sense[2], std::byte{2});
  EXPECT_EQ(told.sense[12], std::byte{0x04});
  EXPECT_EQ(told.sense[13], std::byte{0x07});
  EXPECT_EQ(gate_->hanging(), 1u);
  EXPECT_EQ(loser->write(64, old_).status, 0) << "nothing has changed";
  gate_->release();
  EXPECT_TRUE(IscsiTarget::eventually([&] { return reserve_out(*winner, 0x05, 0x22, 0x11) == 0; }));
}

TEST_F(IscsiHungFile, LibiscsiResetsAndIsToldOfResets) {
  ForeignInitiator foreign("127.0.0.1:" + std::to_string(target_.port()), kHung);
  foreign.clear_attentions();
  EXPECT_TRUE(foreign.abort_task_set());
  hang_write(*client_, 0, old_);
  EXPECT_TRUE(foreign.lun_reset());
  EXPECT_EQ(gate_->hanging(), 1u);
  auto told = foreign.test_unit_ready();
  EXPECT_EQ(told.key, 6);
  EXPECT_EQ(told.asc, 0x29);
  EXPECT_EQ(told.ascq, 0x03);
  expect_attention(*client_, 0x29, 0x03);
  EXPECT_EQ(foreign.read(0, 512).status, kBusy);
  EXPECT_TRUE(foreign.warm_reset());
  expect_attention(*client_, 0x29, 0x03);
}

TEST_F(IscsiHungFile, MemoryOfAbortedCommandsIsBounded) {
  IscsiTarget small([](ServerOptions& options) {
    adjust(options);
    options.limits.session_bytes = 16 << 10;
  });
  small.directory.grant(IscsiTarget::kOpenHost, kHung,
                        {scsi::Verdict::granted, {{0, unit_, false}}});
  IscsiClient client(small.port());
  ASSERT_EQ(client.login(kHung, {{"ImmediateData", "No"}}).status, 0);
  client.clear_attentions();
  gate_->hang(IoOp::read);
  bool refused = false;
  for (unsigned i = 0; i < 8 && !refused; ++i) {
    auto number = client.cmd_sn;
    auto tag = client.send_command(read_16(8 * i, 8), kFinalBit | kReadBit, 4096);
    client.send(client.abort_of(tag, number));
    auto answer = client.receive();
    refused =
        answer.opcode() == Opcode::scsi_response && answer.as<ScsiResponseBhs>().status == 0x28;
    if (refused) client.receive();
  }
  EXPECT_TRUE(refused) << "TASK SET FULL";
  EXPECT_LE(small.server->bytes_held(), std::size_t{16} << 10);
  gate_->release();
  client.close();
  EXPECT_TRUE(IscsiTarget::eventually([&] { return small.server->bytes_held() == 0; }));
}

/// A read of the other LUN that waits for memory which the hung one holds.
class IscsiHungMemory : public IscsiHungFile {
 protected:
  IscsiHungMemory()
      : small_([](ServerOptions& options) {
          adjust(options);
          options.limits.session_bytes = 16 << 10;
        }) {}
  void start() {
    auto other = std::make_shared<scsi::LogicalUnit>(small_.object);
    small_.directory.grant(IscsiTarget::kOpenHost, kHung,
                           {scsi::Verdict::granted, {{0, unit_, false}, {1, other, false}}});
    small_client_ = std::make_unique<IscsiClient>(small_.port());
    ASSERT_EQ(small_client_->login(kHung).status, 0);
    small_client_->clear_attentions();
    gate_->hang(IoOp::read);
    number_ = small_client_->cmd_sn;
    hung_ = small_client_->send_command(read_16(0, 30), kFinalBit | kReadBit, 30 * 512);
    EXPECT_TRUE(IscsiTarget::eventually([&] { return gate_->hanging() == 1; }));
    small_client_->finish(send_to_other({}, 0));  // what it has to tell of its power on
    waiting_ = send_to_other(read_16(0, 8), 8 * 512);
  }
  std::uint32_t send_to_other(const std::vector<std::byte>& cdb, std::uint32_t length) {
    auto command = make_header<ScsiCommandBhs>(Opcode::scsi_command,
                                               length == 0 ? kFinalBit : kFinalBit | kReadBit);
    command.lun = std::uint64_t{1} << 48;
    command.initiator_task_tag = small_client_->next_tag();
    command.cmd_sn = small_client_->cmd_sn++;
    command.expected_length = length;
    std::ranges::copy(cdb, command.cdb.begin());
    small_client_->send(command);
    return command.initiator_task_tag;
  }
  void TearDown() override {
    gate_->release();
    small_client_.reset();
    IscsiHungFile::TearDown();
  }

  IscsiTarget small_;
  std::unique_ptr<IscsiClient> small_client_;
  std::uint32_t number_ = 0, hung_ = 0, waiting_ = 0;
};

TEST_F(IscsiHungMemory, WhoWaitsForItIsNotKeptWaitingByAnotherLun) {
  start();
  EXPECT_EQ(small_client_->finish(waiting_).status, 0x28) << "TASK SET FULL";
  EXPECT_EQ(gate_->hanging(), 1u);
}

TEST_F(IscsiHungFile, LogoutThatAFunctionSetsFreeEndsTheFunction) {
  auto next = client_->cmd_sn;
  auto logout = make_header<LogoutRequestBhs>(Opcode::logout_request);
  logout.reason = kFinalBit;
  logout.initiator_task_tag = client_->next_tag();
  logout.cid = 1;
  logout.cmd_sn = next + 1;
  client_->send(logout);
  client_->cmd_sn = next + 2;
  client_->send(client_->abort_of(0x1234, next));
  EXPECT_EQ(client_->receive().opcode(), Opcode::logout_response);
  EXPECT_TRUE(client_->closed());
}

}  // namespace
}  // namespace caisson::tests
