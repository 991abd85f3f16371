// SPDX-License-Identifier: Apache-2.0
#include "nbs/control/control_server.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "storage_object/base/errc.hpp"
#include "tests/unit/nbs/control/fixture.hpp"

namespace caisson::nbs::control {
namespace {

using wire::Op;
using wire::Status;

TEST_F(ControlServerTest, HelloSaysWhoBothAre) {
  be(wire::Role::operator_);
  serve();
  auto client = peer();
  auto answer = client.hello();
  EXPECT_EQ(status_of(answer), Status::ok);
  EXPECT_EQ(answer.header.flags & wire::kReply, wire::kReply);
  wire::HelloReply hello;
  ASSERT_TRUE(hello.ParseFromString(answer.body));
  EXPECT_EQ(hello.node(), "node1");
  EXPECT_EQ(hello.role(), "operator");
  EXPECT_EQ(hello.caller(), "uid:" + std::to_string(::getuid()));
  EXPECT_EQ(hello.version(), wire::kVersion);
  EXPECT_EQ(hello.max_body(), wire::kMaxControlBody);
}

TEST_F(ControlServerTest, TheServiceLearnsWhoAsksFromTheKernel) {
  serve();
  auto client = greeted();
  client.send(RawPeer::header(Op::status, 2));
  ASSERT_TRUE(client.receive());
  auto caller = service_.last_caller();
  EXPECT_EQ(caller.role, wire::Role::admin);
  EXPECT_EQ(caller.uid, ::getuid());
  EXPECT_EQ(caller.pid, ::getpid());
  EXPECT_EQ(caller.host_id, 0U);
}

TEST_F(ControlServerTest, AnythingBeforeHelloEndsTheConnection) {
  serve();
  for (auto op : {Op::status, Op::keepalive}) {
    auto client = peer();
    client.send(RawPeer::header(op, 1));
    auto answer = client.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(status_of(*answer), Status::protocol);
    EXPECT_FALSE(client.receive());
  }
  EXPECT_EQ(service_.count(), 0U);
}

TEST_F(ControlServerTest, ASecondHelloEndsTheConnection) {
  serve();
  auto client = greeted();
  EXPECT_EQ(status_of(client.hello()), Status::protocol);
  EXPECT_FALSE(client.receive());
}

TEST_F(ControlServerTest, AClientWithoutACommonVersionIsToldSo) {
  serve();
  auto client = peer();
  client.send(RawPeer::header(Op::hello, 1));  // an empty HelloRequest: version 0
  auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(status_of(*answer), Status::unsupported);
  EXPECT_FALSE(client.receive());
}

TEST_F(ControlServerTest, UnknownOperationsAreRefusedAndTheConnectionGoesOn) {
  serve();
  auto client = greeted();
  std::uint64_t id = 1;
  for (unsigned number : {0x0000U, 0x0003U, 0x0101U, 0x1005U, 0xffffU}) {
    wire::Header header;
    header.opcode = static_cast<std::uint16_t>(number);
    header.request_id = ++id;
    client.send(header);
    auto answer = client.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(status_of(*answer), Status::unsupported);
  }
  client.send(RawPeer::header(Op::status, ++id));
  auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(status_of(*answer), Status::ok);
}

TEST_F(ControlServerTest, WhatIsNoControlRequestEndsTheConnection) {
  serve();
  const std::vector<std::function<void(wire::Header&)>> lies = {
      [](wire::Header& h) { h.flags = wire::kReply; },
      [](wire::Header& h) { h.flags = wire::kEvent; },
      [](wire::Header& h) { h.flags = wire::kMore; },
      [](wire::Header& h) { h.flags = wire::kProgress; },
      [](wire::Header& h) { h.status = 1; },
      [](wire::Header& h) { h.request_id = 0; },
      [](wire::Header& h) { h.replaces_id = 1; },
      [](wire::Header& h) { h.object_handle = 1; },
      [](wire::Header& h) { h.object_config_id = 1; },
      [](wire::Header& h) { h.grant_config_id = 1; },
      [](wire::Header& h) { h.offset = 1; },
      [](wire::Header& h) { h.length = 1; },
  };
  for (const auto& lie : lies) {
    auto client = greeted();
    auto header = RawPeer::header(Op::status, 2);
    lie(header);
    client.send(header);
    auto answer = client.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(status_of(*answer), Status::protocol);
    EXPECT_FALSE(client.receive());
  }
  EXPECT_EQ(service_.count(), 0U);
}

TEST_F(ControlServerTest, AnOversizedFrameIsRefusedWithoutWaitingForItsBody) {
  serve();
  auto client = greeted();
  std::string frame;
  wire::append_frame(frame, RawPeer::header(Op::lun_create, 2),
                     std::string(wire::kMaxControlBody + 1, 'x'));
  client.send(std::string_view(frame).substr(0, sizeof(wire::Header)));
  auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(status_of(*answer), Status::protocol);
  EXPECT_EQ(answer->header.request_id, 2U);
  EXPECT_FALSE(client.receive());
}

TEST_F(ControlServerTest, TheLargestRequestArrivesWhole) {
  serve();
  service_.hold();
  auto client = greeted();
  std::thread sender([&] {
    client.send(RawPeer::header(Op::lun_create, 2), std::string(wire::kMaxControlBody, 'x'));
  });
  auto call = service_.next();
  sender.join();
  EXPECT_EQ(call.request, std::string(wire::kMaxControlBody, 'x'));
  call.done(ControlReply::success({}));
  EXPECT_TRUE(client.receive());
}

TEST_F(ControlServerTest, ALongReplyComesInChunks) {
  serve();
  std::string body(3 * wire::kReplyChunk + 5, 'r');
  service_.answer_with(body);
  auto client = greeted();
  client.send(RawPeer::header(Op::lun_list, 2));
  std::string joined;
  for (int frames = 0;; ++frames) {
    auto frame = client.receive();
    ASSERT_TRUE(frame);
    joined += frame->body;
    if ((frame->header.flags & wire::kMore) == 0) {
      EXPECT_EQ(frames, 3);
      break;
    }
  }
  EXPECT_EQ(joined, body);
}

TEST_F(ControlServerTest, GarbageIsCutOffAndDisturbsNobody) {
  serve();
  auto bystander = greeted();
  auto garbage = peer();
  garbage.send(std::string(4096, '\xa5'));
  EXPECT_FALSE(garbage.receive());
  bystander.send(RawPeer::header(Op::status, 2));
  EXPECT_TRUE(bystander.receive());
}

TEST_F(ControlServerTest, WhoNeverSaysHelloIsDropped) {
  options_.hello_timeout = std::chrono::milliseconds(50);
  serve();
  auto client = peer();
  EXPECT_FALSE(client.receive());
}

TEST_F(ControlServerTest, HalfAFrameIsDroppedEvenWhileItDrips) {
  options_.frame_timeout = std::chrono::milliseconds(200);
  serve();
  auto client = greeted();
  std::string frame;
  wire::append_frame(frame, RawPeer::header(Op::lun_create, 2), std::string(100'000, 'x'));
  std::atomic<bool> closed{false};
  std::thread drip([&] {
    for (std::size_t at = 0; at + 1 < frame.size() && !closed; ++at) {
      client.send(std::string_view(frame).substr(at, 1));
      std::this_thread::yield();
    }
  });
  EXPECT_FALSE(client.receive());
  closed = true;
  drip.join();
  EXPECT_EQ(service_.count(), 0U);
}

TEST_F(ControlServerTest, AnIdleConnectionIsClosed) {
  options_.idle_timeout = std::chrono::milliseconds(50);
  serve();
  auto client = greeted();
  EXPECT_FALSE(client.receive());
}

TEST_F(ControlServerTest, AWaitingVerbIsNotIdle) {
  options_.idle_timeout = std::chrono::milliseconds(1);
  options_.frame_timeout = std::chrono::milliseconds(60'000);
  serve();
  service_.hold();
  auto client = peer();
  wire::HelloRequest hello;
  hello.set_version(wire::kVersion);
  std::string both;
  wire::append_frame(both, RawPeer::header(Op::hello, 1), hello.SerializeAsString());
  wire::append_frame(both, RawPeer::header(Op::lun_import, 2), {});
  client.send(both);
  auto call = service_.next();
  // Another connection lives and dies of idleness meanwhile.
  EXPECT_FALSE([&] {
    auto other = greeted();
    return other.receive().has_value();
  }());
  call.done(ControlReply::success("end"));
  ASSERT_TRUE(client.receive());
  auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "end");
}

TEST_F(ControlServerTest, FiveHundredIdleConnectionsHoldUpNobody) {
  serve();
  constexpr int kIdle = 500;
  std::vector<RawPeer> idle;
  idle.reserve(kIdle);
  for (int i = 0; i < kIdle; ++i) idle.push_back(greeted());
  auto client = greeted();
  client.send(RawPeer::header(Op::status, 2));
  auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(status_of(*answer), Status::ok);
  std::size_t open = 0;
  on_control_thread([&] { open = server_->connections(); });
  EXPECT_EQ(open, 501U);
}

TEST_F(ControlServerTest, BeyondTheBoundAPeerIsToldWhyAndPlacesComeBack) {
  options_.max_connections = 2;
  serve();
  auto first = greeted();
  auto second = greeted();
  auto third = peer();
  auto refusal = third.receive();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->header.flags & wire::kEvent, wire::kEvent);
  EXPECT_EQ(status_of(*refusal), Status::in_use);
  EXPECT_FALSE(third.receive());
  first.close();
  for (;;) {  // until the server has seen the end of `first`
    auto again = peer();
    wire::HelloRequest hello;
    hello.set_version(wire::kVersion);
    again.send(RawPeer::header(Op::hello, 1), hello.SerializeAsString());
    auto answer = again.receive();
    ASSERT_TRUE(answer);
    if (status_of(*answer) == Status::ok) break;
  }
}

TEST_F(ControlServerTest, OperatorsCannotLockTheAdminOut) {
  options_.max_connections = 4;
  options_.max_operator_connections = 1;
  std::atomic<bool> admin{false};
  options_.authorize = [&](const PeerCredentials&) {
    return std::optional(admin ? wire::Role::admin : wire::Role::operator_);
  };
  serve();
  auto first = greeted();
  auto second = peer();
  auto refusal = second.receive();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(status_of(*refusal), Status::in_use);
  admin = true;
  auto third = peer();
  EXPECT_EQ(status_of(third.hello()), Status::ok);
}

TEST_F(ControlServerTest, ALongVerbHoldsUpNoOtherConnection) {
  serve();
  service_.hold();
  auto slow = greeted();
  slow.send(RawPeer::header(Op::lun_import, 2));
  auto import = service_.next();
  auto quick = greeted();
  quick.send(RawPeer::header(Op::status, 2));
  service_.next().done(ControlReply::success("now"));
  auto answer = quick.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "now");
  import.done(ControlReply::success("later"));
  answer = slow.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "later");
}

TEST_F(ControlServerTest, RequestsOfOneConnectionRunInOrder) {
  serve();
  service_.hold();
  auto client = greeted();
  client.send(RawPeer::header(Op::lun_create, 2), "a");
  client.send(RawPeer::header(Op::lun_delete, 3), "b");
  auto first = service_.next();
  EXPECT_EQ(first.request, "a");
  EXPECT_EQ(service_.count(), 1U);
  first.done(ControlReply::success({}));
  auto second = service_.next();
  EXPECT_EQ(second.request, "b");
  second.done(ControlReply::success({}));
  for (std::uint64_t id : {2, 3}) {
    auto answer = client.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->header.request_id, id);
  }
}

TEST_F(ControlServerTest, ProgressComesBeforeTheReply) {
  serve();
  service_.hold();
  auto client = greeted();
  client.send(RawPeer::header(Op::lun_import, 2));
  auto call = service_.next();
  call.progress(40, 100);
  auto step = client.receive();
  ASSERT_TRUE(step);
  EXPECT_EQ(step->header.flags & wire::kProgress, wire::kProgress);
  EXPECT_EQ(step->header.offset, 40U);
  EXPECT_EQ(step->header.length, 100U);
  EXPECT_EQ(step->header.request_id, 2U);
  call.done(ControlReply::success("end"));
  call.progress(41, 100);  // too late: dropped
  auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "end");
}

TEST_F(ControlServerTest, FailuresCarryTheirWordsAndWhatWasDone) {
  serve();
  service_.hold();
  auto client = greeted();
  client.send(RawPeer::header(Op::catalog_rebuild, 2));
  service_.next().done({"part", failure(Errc::partly_done, "one was lost", "look there")});
  auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(status_of(*answer), Status::partly_done);
  std::string partial;
  auto failed = wire::decode_failure(answer->header.status, answer->body, &partial);
  EXPECT_EQ(failed.message, "one was lost");
  EXPECT_EQ(failed.remedy, "look there");
  EXPECT_EQ(partial, "part");
}

TEST_F(ControlServerTest, AVerbWhoseClientLeftEndsInPeace) {
  serve();
  service_.hold();
  SeenCall call;
  {
    auto client = greeted();
    client.send(RawPeer::header(Op::lun_import, 2));
    call = service_.next();
  }
  call.progress(1, 2);
  call.done(ControlReply::success({}));
  call.done(ControlReply::success({}));
  auto next = greeted();
  EXPECT_TRUE(next.connected());
}

TEST_F(ControlServerTest, AVerbMayEndAfterTheServer) {
  serve();
  service_.hold();
  auto client = greeted();
  client.send(RawPeer::header(Op::lun_import, 2));
  auto call = service_.next();
  shut_down();
  EXPECT_FALSE(client.receive());
  call.progress(1, 2);
  call.done(ControlReply::success({}));
}

TEST_F(ControlServerTest, StoppingRemovesTheSocket) {
  serve();
  EXPECT_TRUE(std::filesystem::exists(options_.path));
  shut_down();
  EXPECT_FALSE(std::filesystem::exists(options_.path));
}

}  // namespace
}  // namespace caisson::nbs::control
