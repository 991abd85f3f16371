// SPDX-License-Identifier: Apache-2.0
// One control connection: HELLO, then requests in order until it ends.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "nbs/control/control_server.hpp"
#include "nbs/wire/frame.hpp"

namespace caisson::nbs::control {

class PendingCall;

/// Lives on the control thread; kept alive by serve() while that runs.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;

  Connection(Socket socket, Caller caller, ControlService& service,
             std::shared_ptr<const ControlServerOptions> options);

  /// Runs the connection; its socket is closed when it ends.
  boost::asio::awaitable<void> serve();

  /// Makes serve() end soon and lets go of a verb still running. Idempotent.
  void close();

  const Caller& caller() const noexcept { return caller_; }

 private:
  using Milliseconds = std::chrono::milliseconds;

  boost::asio::awaitable<bool> greet();
  boost::asio::awaitable<bool> answer(wire::Frame request);
  boost::asio::awaitable<bool> call_service(const wire::Opcode& opcode, wire::Frame request);
  boost::asio::awaitable<std::optional<wire::Frame>> receive(Milliseconds patience);
  boost::asio::awaitable<std::optional<wire::Frame>> refuse_stream(Failure cause);
  boost::asio::awaitable<bool> send(std::string bytes);
  boost::asio::awaitable<bool> send_progress(const wire::Header& request, std::uint64_t done,
                                             std::uint64_t total);
  boost::asio::awaitable<bool> reply(const wire::Header& request, std::string body);
  boost::asio::awaitable<bool> fail(const wire::Header& request, Failure failure,
                                    std::string partial = {});

  void arm(Milliseconds limit);
  void disarm();

  Socket socket_;
  boost::asio::steady_timer deadline_;
  boost::asio::steady_timer wake_;  // cancelled when the running verb has news
  Caller caller_;
  ControlService& service_;
  std::shared_ptr<const ControlServerOptions> options_;
  wire::FrameParser parser_{wire::kMaxControlBody};
  std::shared_ptr<PendingCall> pending_;
  std::array<std::byte, 8192> input_{};
};

}  // namespace caisson::nbs::control
