// SPDX-License-Identifier: Apache-2.0
// A ControlServer on a socket of its own, with a service that tests steer, and
// a peer that says whatever a test wants.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "nbs/control/control_server.hpp"
#include "nbs/wire/control.pb.h"
#include "nbs/wire/frame.hpp"
#include "nbs/wire/status.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::nbs::control {

/// One call as it reached the service.
struct SeenCall {
  const wire::Opcode* opcode = nullptr;
  Caller caller;
  std::string request;
  Progress progress;
  std::function<void(ControlReply)> done;
};

/// Answers everything with one message or by a script, or, while held, keeps calls until
/// the test answers them.
class FakeService final : public ControlService {
 public:
  void call(const wire::Opcode& opcode, const Caller& caller, std::string request,
            Progress progress, std::function<void(ControlReply)> done) override {
    std::unique_lock lock(mutex_);
    ++count_;
    last_caller_ = caller;
    if (hold_) {
      held_.push_back({&opcode, caller, std::move(request), std::move(progress), std::move(done)});
      arrived_.notify_all();
      return;
    }
    last_request_ = request;
    auto script = script_;
    auto answer = answer_;
    lock.unlock();
    done(script ? script(opcode, request, progress) : ControlReply::success(std::move(answer)));
  }

  void refused(const wire::Opcode& opcode, const Caller& caller, std::string request) override {
    std::lock_guard lock(mutex_);
    refusals_.push_back({&opcode, caller, std::move(request), {}, {}});
  }
  std::vector<SeenCall> refusals() {
    std::lock_guard lock(mutex_);
    return refusals_;
  }

  void hold() { hold_ = true; }
  using Script = std::function<ControlReply(const wire::Opcode&, const std::string&, Progress&)>;
  void answer_by(Script script) {
    std::lock_guard lock(mutex_);
    script_ = std::move(script);
  }
  void answer_with(std::string bytes) {
    std::lock_guard lock(mutex_);
    answer_ = std::move(bytes);
  }

  /// Waits for the next call of a held service.
  SeenCall next() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return !held_.empty(); });
    auto call = std::move(held_.front());
    held_.pop_front();
    return call;
  }
  std::size_t count() {
    std::lock_guard lock(mutex_);
    return count_;
  }
  std::string last_request() {
    std::lock_guard lock(mutex_);
    return last_request_;
  }
  Caller last_caller() {
    std::lock_guard lock(mutex_);
    return last_caller_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<SeenCall> held_;
  std::vector<SeenCall> refusals_;
  std::atomic<bool> hold_{false};
  std::string answer_;
  std::string last_request_;
  Script script_;
  std::size_t count_ = 0;
  Caller last_caller_;
};

/// A blocking peer on the socket. Every wait ends: a minute of silence fails the test.
class RawPeer {
 public:
  explicit RawPeer(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawPeer() { close(); }
  RawPeer(RawPeer&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        connected_(other.connected_),
        parser_(std::move(other.parser_)) {}

  bool connected() const { return connected_; }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  void send(const wire::Header& header, std::string_view body = {}) {
    std::string bytes;
    wire::append_frame(bytes, header, body);
    send(bytes);
  }
  /// The next frame; nullopt once the server has closed.
  std::optional<wire::Frame> receive() {
    for (;;) {
      auto frame = parser_.next();
      EXPECT_TRUE(frame.has_value());
      if (!frame) return std::nullopt;
      if (*frame) return std::move(**frame);
      pollfd entry{socket_, POLLIN, 0};
      if (::poll(&entry, 1, 60'000) != 1) {
        ADD_FAILURE() << "a minute of silence";
        return std::nullopt;
      }
      std::array<std::byte, 4096> input;
      auto count = ::recv(socket_, input.data(), input.size(), 0);
      if (count <= 0) return std::nullopt;
      parser_.feed(std::span(input).first(static_cast<std::size_t>(count)));
    }
  }
  wire::Frame hello() {
    wire::HelloRequest request;
    request.set_version(wire::kVersion);
    send(header(wire::Op::hello, 1), request.SerializeAsString());
    auto frame = receive();
    EXPECT_TRUE(frame.has_value());
    return frame ? std::move(*frame) : wire::Frame{};
  }
  static wire::Header header(wire::Op op, std::uint64_t id) {
    wire::Header header;
    header.opcode = wire::opcode(op).number;
    header.request_id = id;
    return header;
  }

 private:
  int socket_;
  bool connected_ = false;
  wire::FrameParser parser_{wire::kMaxControlBody};
};

class ControlServerTest : public ::testing::Test {
 protected:
  ControlServerTest() { options_.path = (dir_.path() / "control.sock").string(); }
  ~ControlServerTest() override { shut_down(); }

  /// Starts with options_ as the test set them.
  void serve() {
    options_.node = "node1";
    server_ = ControlServer::make(context_, service_, options_);
    auto started = server_->start();
    ASSERT_TRUE(started.has_value()) << started.error().message;
    thread_ = std::thread([this] { context_.run(); });
  }
  /// Runs on the control thread and waits for it.
  void on_control_thread(const std::function<void()>& work) {
    std::promise<void> done;
    boost::asio::post(context_, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  void shut_down() {
    if (!thread_.joinable()) return;
    on_control_thread([this] { server_->stop(); });
    guard_.reset();
    thread_.join();
    EXPECT_EQ(server_->connections(), 0U);
    server_.reset();
  }
  void be(wire::Role role) {
    options_.authorize = [role](const PeerCredentials&) { return std::optional(role); };
  }
  RawPeer peer() { return RawPeer(options_.path); }
  RawPeer greeted() {
    auto made = peer();
    made.hello();
    return made;
  }

  tests::TempDir dir_;
  FakeService service_;
  ControlServerOptions options_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      context_.get_executor()};
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

inline wire::Status status_of(const wire::Frame& frame) {
  return static_cast<wire::Status>(static_cast<std::uint16_t>(frame.header.status));
}

}  // namespace caisson::nbs::control
