// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/send_queue.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "storage_object/base/crc32c.hpp"

namespace caisson::iscsi {
namespace {

class SendQueueTest : public ::testing::Test, protected SendObserver {
 protected:
  SendQueueTest() {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets_), 0);
    int small = 4096;
    ::setsockopt(sockets_[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  }
  ~SendQueueTest() override {
    ::close(sockets_[0]);
    ::close(sockets_[1]);
  }
  void on_sent(Command& command) noexcept override { sent_.push_back(&command); }
  void push(std::uint32_t tag, std::span<const std::byte> data, Command* command = nullptr) {
    auto& pdu = SendQueue::make();
    pdu.data = data.data();
    pdu.data_length = static_cast<std::uint32_t>(data.size());
    pdu.command = command;
    auto header = make_header<DataInBhs>(Opcode::data_in);
    header.initiator_task_tag = tag;
    queue_.push(pdu, header);
  }
  std::vector<std::byte> drain() {
    std::vector<std::byte> all(1 << 20);
    auto n = ::recv(sockets_[1], all.data(), all.size(), MSG_DONTWAIT);
    all.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return all;
  }

  int sockets_[2];
  std::vector<Command*> sent_;
  SendQueue queue_{*this};
};

TEST_F(SendQueueTest, PaddingAndDigestsFollowTheData) {
  std::vector<std::byte> data(5, std::byte{0x5a});
  queue_.set_digests(true, true);
  push(7, data);
  EXPECT_EQ(queue_.bytes(), 48u + 4 + 5 + 3 + 4);
  ASSERT_TRUE(*queue_.send(sockets_[0]));
  auto wire = drain();
  ASSERT_EQ(wire.size(), 64u);
  std::span<const std::byte> all(wire);
  EXPECT_EQ(load<Bhs>(all).data_segment_length, 5u);
  EXPECT_EQ(load<le32>(all.subspan(48)), crc32c(all.first(48)));
  EXPECT_EQ(load<le32>(all.subspan(60)), crc32c(all.subspan(52, 8)));
  EXPECT_EQ(all[57], std::byte{0});
}

TEST_F(SendQueueTest, PartialSendsLoseNothing) {
  std::vector<std::byte> data(30'000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 7);
  Command command;
  for (std::uint32_t i = 0; i < 20; ++i) push(i, data, i == 19 ? &command : nullptr);
  std::vector<std::byte> wire;
  int blocked = 0;
  for (bool done = false; !done;) {
    auto sent = queue_.send(sockets_[0]);
    ASSERT_TRUE(sent);
    done = *sent;
    blocked += done ? 0 : 1;
    auto piece = drain();
    wire.insert(wire.end(), piece.begin(), piece.end());
  }
  EXPECT_GT(blocked, 0);
  EXPECT_EQ(sent_, std::vector<Command*>{&command});
  ASSERT_EQ(wire.size(), 20u * (48 + 30'000));
  for (std::uint32_t i = 0; i < 20; ++i) {
    auto pdu = std::span<const std::byte>(wire).subspan(i * 30'048u, 30'048);
    EXPECT_EQ(load<Bhs>(pdu).initiator_task_tag, i);
    EXPECT_TRUE(std::ranges::equal(pdu.subspan(48), data));
  }
  EXPECT_EQ(queue_.bytes(), 0u);
}

TEST_F(SendQueueTest, ClearGivesCommandsBack) {
  Command command;
  push(1, {}, &command);
  queue_.clear();
  EXPECT_EQ(sent_.size(), 1u);
  EXPECT_TRUE(queue_.empty());
}

TEST_F(SendQueueTest, APeerThatWentIsAnError) {
  ::shutdown(sockets_[0], SHUT_WR);
  push(1, {});
  EXPECT_FALSE(queue_.send(sockets_[0]));
}

}  // namespace
}  // namespace caisson::iscsi
