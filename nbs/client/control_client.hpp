// SPDX-License-Identifier: Apache-2.0
// The client's end of the control channel: connects to a gateway, says HELLO,
// and runs one verb at a time.
//
//   auto gateway = ControlClient::connect("unix:/run/caisson/caisson.sock", {});
//   wire::LunShowRequest request;
//   request.set_name("db1");
//   wire::LunReply reply;
//   if (auto done = (*gateway)->call(wire::Op::lun_show, request, reply, {}); !done)
//     complain(done.error());
#pragma once

#include <google/protobuf/message.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "nbs/wire/control.pb.h"
#include "nbs/wire/frame.hpp"
#include "nbs/wire/opcode.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::nbs::client {

/// Where `caisson` looks when nobody names a server.
inline constexpr std::string_view kDefaultServer = "unix:/run/caisson/caisson.sock";

struct ConnectOptions {
  std::string software;  ///< name and version, for the gateway's log
  std::chrono::milliseconds timeout{10'000};
};

struct CallOptions {
  /// Longest silence of the gateway; its progress frames break it. When it
  /// passes the call fails with Errc::timed_out and the connection is of no
  /// more use; the verb may still run at the gateway.
  std::chrono::milliseconds timeout{600'000};
  /// Called between request and reply; `total` 0: unknown. May be empty.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

/// Blocking; used by one thread at a time.
class ControlClient {
 public:
  /// `server`: "unix:PATH". Failures: Errc::invalid_argument (no such form),
  /// Errc::unsupported (HOST:PORT), Errc::offline (nobody listens),
  /// Errc::permission_denied, Errc::in_use (too many connections), protocol.
  static Outcome<std::unique_ptr<ControlClient>> connect(std::string_view server,
                                                         const ConnectOptions& options);
  ~ControlClient();
  ControlClient(const ControlClient&) = delete;
  ControlClient& operator=(const ControlClient&) = delete;

  /// What the gateway said of itself and of us.
  const wire::HelloReply& hello() const noexcept { return hello_; }

  /// Runs a verb. `request` and `reply` are the messages of its row in the
  /// opcode table. Fails with what the gateway answered; with Errc::partly_done
  /// `reply` holds what was done. Errc::offline: the connection was lost, and
  /// whether the verb took place is unknown.
  Outcome<> call(wire::Op op, const google::protobuf::Message& request,
                 google::protobuf::Message& reply, const CallOptions& options);

 private:
  explicit ControlClient(int socket) : socket_(socket) {}
  using Deadline = std::chrono::steady_clock::time_point;

  Outcome<> say_hello(const ConnectOptions& options);
  Outcome<> send(std::string_view bytes, Deadline deadline);
  Outcome<wire::Frame> receive(Deadline deadline);
  Outcome<> wait_for(short events, Deadline deadline);
  Outcome<> read_reply(std::uint64_t id, google::protobuf::Message& reply,
                       const CallOptions& options);
  Failure lost(Failure why);

  int socket_;
  std::uint64_t last_id_ = 0;
  bool broken_ = false;
  wire::FrameParser parser_{wire::kMaxControlBody};
  wire::HelloReply hello_;
};

}  // namespace caisson::nbs::client
