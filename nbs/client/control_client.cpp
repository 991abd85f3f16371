// SPDX-License-Identifier: Apache-2.0
#include "nbs/client/control_client.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "nbs/client/address.hpp"
#include "nbs/wire/status.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::nbs::client {
namespace {

using Clock = std::chrono::steady_clock;

Failure connection_lost(std::string cause) {
  return failure(Errc::offline, "the connection to the gateway was lost: " + std::move(cause),
                 "see caissond's log; whether the change took place shows in list or show");
}

}  // namespace

Outcome<std::unique_ptr<ControlClient>> ControlClient::connect(std::string_view server,
                                                               const ConnectOptions& options) {
  auto socket = open_socket(server, options.timeout);
  if (!socket) return socket.error();
  std::unique_ptr<ControlClient> client(new ControlClient(*socket));
  if (auto greeted = client->say_hello(options); !greeted) return greeted.error();
  return client;
}

ControlClient::~ControlClient() { ::close(socket_); }

Failure ControlClient::lost(Failure why) {
  broken_ = true;
  return why;
}

Outcome<> ControlClient::say_hello(const ConnectOptions& options) {
  wire::HelloRequest request;
  request.set_version(wire::kVersion);
  request.set_software(options.software);
  if (auto said = call(wire::Op::hello, request, hello_, {options.timeout, {}}); !said)
    return said.error();
  if (hello_.version() == wire::kVersion) return {};
  return lost(failure(Errc::unsupported,
                      fmt::format("the gateway wants NBS version {}", hello_.version()),
                      "use the caisson that came with it"));
}

Outcome<> ControlClient::call(wire::Op op, const google::protobuf::Message& request,
                              google::protobuf::Message& reply, const CallOptions& options) {
  if (broken_) return connection_lost("an earlier call failed");
  auto body = request.SerializeAsString();
  if (body.size() > wire::kMaxControlBody)
    return failure(Errc::invalid_argument,
                   fmt::format("{}: the request is {} bytes long, {} are allowed",
                               wire::opcode(op).name, body.size(), wire::kMaxControlBody));
  wire::Header header;
  header.opcode = wire::opcode(op).number;
  header.request_id = ++last_id_;
  std::string bytes;
  wire::append_frame(bytes, header, body);
  // A gateway that turns us away says why before it hears us: read all the same.
  auto sent = send(bytes, Clock::now() + options.timeout);
  auto done = read_reply(last_id_, reply, options);
  if (!sent && !done && done.error().code == Errc::offline) return sent.error();
  return done;
}

Outcome<> ControlClient::read_reply(std::uint64_t id, google::protobuf::Message& reply,
                                    const CallOptions& options) {
  std::string body;
  for (;;) {
    auto frame = receive(Clock::now() + options.timeout);
    if (!frame) return frame.error();
    const auto& header = frame->header;
    if ((header.flags & wire::kEvent) != 0) {
      // On this channel an event is only ever the refusal of the connection.
      if (header.status == 0) continue;
      return lost(wire::decode_failure(header.status, frame->body, nullptr));
    }
    if ((header.flags & wire::kReply) == 0 || header.request_id != id)
      return lost(failure(Errc::protocol, "the gateway answered something nobody asked"));
    if ((header.flags & wire::kProgress) != 0) {
      if (options.progress) options.progress(header.offset, header.length);
      continue;
    }
    if (body.size() + frame->body.size() > wire::kMaxReplyTotal)
      return lost(failure(Errc::protocol, "the gateway's answer does not end"));
    body += frame->body;
    if ((header.flags & wire::kMore) != 0) continue;
    if (header.status == 0) {
      if (reply.ParseFromString(body)) return {};
      return lost(failure(Errc::protocol, "the gateway's answer is not what was asked for",
                          "use the caisson that came with it"));
    }
    std::string partial;
    auto failed = wire::decode_failure(header.status, body, &partial);
    if (failed.code == Errc::partly_done) reply.ParseFromString(partial);
    return failed;
  }
}

Outcome<> ControlClient::wait_for(short events, Deadline deadline) {
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd entry{socket_, events, 0};
    int ready = ::poll(&entry, 1, static_cast<int>(std::clamp<long>(left, 0, 1'000'000'000)));
    if (ready > 0) return {};
    if (ready == 0)
      return lost(failure(Errc::timed_out, "the gateway did not answer in time",
                          "see caissond's log, or allow more with --timeout"));
    if (errno != EINTR) return lost(connection_lost("poll failed"));
  }
}

Outcome<> ControlClient::send(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (auto ready = wait_for(POLLOUT, deadline); !ready) return ready.error();
    } else if (errno != EINTR) {
      return lost(connection_lost(Error(errno, boost::system::system_category()).message()));
    }
  }
  return {};
}

Outcome<wire::Frame> ControlClient::receive(Deadline deadline) {
  std::array<std::byte, 65536> input;
  for (;;) {
    auto frame = parser_.next();
    if (!frame) return lost(frame.error());
    if (*frame) return std::move(**frame);
    if (auto ready = wait_for(POLLIN, deadline); !ready) return ready.error();
    auto count = ::recv(socket_, input.data(), input.size(), MSG_DONTWAIT);
    if (count > 0) {
      parser_.feed(std::span(input).first(static_cast<std::size_t>(count)));
    } else if (count == 0) {
      return lost(connection_lost("it was closed"));
    } else if (errno != EINTR && errno != EAGAIN) {
      return lost(connection_lost(Error(errno, boost::system::system_category()).message()));
    }
  }
}

}  // namespace caisson::nbs::client
