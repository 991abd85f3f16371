// SPDX-License-Identifier: Apache-2.0
#include "nbs/control/connection.hpp"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <span>
#include <utility>

#include "nbs/control/pending_call.hpp"
#include "nbs/wire/control.pb.h"
#include "nbs/wire/status.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::nbs::control {
namespace asio = boost::asio;
namespace {

/// A header that asks for something and leaves the fields of block data alone.
bool is_control_request(const wire::Header& header) {
  constexpr std::uint16_t answers = wire::kReply | wire::kEvent | wire::kProgress | wire::kMore;
  return (header.flags & answers) == 0 && header.status == 0 && header.request_id != 0 &&
         header.replaces_id == 0 && header.object_handle == 0 && header.object_config_id == 0 &&
         header.grant_config_id == 0 && header.offset == 0 && header.length == 0;
}

wire::Header reply_header(const wire::Header& request) {
  wire::Header header;
  header.opcode = request.opcode;
  header.flags = wire::kReply;
  header.request_id = request.request_id;
  return header;
}

}  // namespace

Connection::Connection(Socket socket, Caller caller, ControlService& service,
                       std::shared_ptr<const ControlServerOptions> options)
    : socket_(std::move(socket)),
      deadline_(socket_.get_executor()),
      wake_(socket_.get_executor()),
      caller_(std::move(caller)),
      service_(service),
      options_(std::move(options)) {}

void Connection::close() {
  if (pending_) pending_->abandon();
  deadline_.cancel();
  wake_.cancel();
  Error ignored;
  socket_.close(ignored);
}

void Connection::arm(Milliseconds limit) {
  deadline_.expires_after(limit);
  deadline_.async_wait([weak = weak_from_this()](Error error) {
    auto self = weak.lock();
    // An expiry that was on its way when the deadline was moved does not count.
    if (error || !self || self->deadline_.expiry() > asio::steady_timer::clock_type::now()) return;
    log::info("control: {} (pid {}) took too long; connection closed", self->caller_.name,
              self->caller_.pid);
    self->close();
  });
}

void Connection::disarm() { deadline_.expires_at(asio::steady_timer::time_point::max()); }

asio::awaitable<void> Connection::serve() {
  auto self = shared_from_this();
  bool open = co_await greet();
  while (open) {
    auto request = co_await receive(options_->idle_timeout);
    if (!request) break;
    open = co_await answer(std::move(*request));
  }
  close();
}

asio::awaitable<bool> Connection::greet() {
  auto request = co_await receive(options_->hello_timeout);
  if (!request) co_return false;
  wire::HelloRequest hello;
  if (!is_control_request(request->header) ||
      request->header.opcode != wire::opcode(wire::Op::hello).number ||
      !hello.ParseFromString(request->body)) {
    co_await fail(request->header, failure(Errc::protocol, "the first frame must be a HELLO"));
    co_return false;
  }
  if (hello.version() < wire::kVersion) {
    co_await fail(request->header,
                  failure(Errc::unsupported,
                          fmt::format("NBS version {} is not spoken here", hello.version()),
                          fmt::format("use a client that speaks version {}", wire::kVersion)));
    co_return false;
  }
  wire::HelloReply answer;
  answer.set_version(wire::kVersion);
  answer.set_node(options_->node);
  answer.set_software(options_->software);
  answer.set_role(std::string(to_string(caller_.role)));
  answer.set_caller(caller_.name);
  answer.set_max_body(wire::kMaxControlBody);
  bool sent = co_await reply(request->header, answer.SerializeAsString());
  co_return sent;
}

asio::awaitable<bool> Connection::answer(wire::Frame request) {
  const auto& header = request.header;
  const auto* opcode = wire::find_opcode(header.opcode);
  bool open = false;
  if (!is_control_request(header)) {
    co_await fail(header, failure(Errc::protocol, "the frame is no control request"));
  } else if (opcode == nullptr) {
    open = co_await fail(header, failure(Errc::unsupported,
                                         fmt::format("operation 0x{:04x} is not known here",
                                                     static_cast<unsigned>(header.opcode)),
                                         "use a client that is not newer than the gateway"));
  } else if (!opcode->roles.contains(caller_.role)) {
    service_.refused(*opcode, caller_, std::move(request.body));
    open = co_await fail(header, failure(Errc::permission_denied,
                                         fmt::format("{} is not permitted to {} ({})", opcode->name,
                                                     caller_.name, to_string(caller_.role)),
                                         "ask an administrator of this gateway"));
  } else if (opcode->number == wire::opcode(wire::Op::keepalive).number) {
    open = co_await reply(header, {});
  } else if (opcode->number == wire::opcode(wire::Op::hello).number) {
    co_await fail(header, failure(Errc::protocol, "HELLO was said before"));
  } else {
    open = co_await call_service(*opcode, std::move(request));
  }
  co_return open;
}

asio::awaitable<bool> Connection::call_service(const wire::Opcode& opcode, wire::Frame request) {
  pending_ =
      std::make_shared<PendingCall>([weak = weak_from_this(), executor = socket_.get_executor()] {
        asio::post(executor, [weak] {
          if (auto self = weak.lock()) self->wake_.cancel();
        });
      });
  service_.call(
      opcode, caller_, std::move(request.body),
      [call = pending_](std::uint64_t done, std::uint64_t total) { call->progress(done, total); },
      [call = pending_](ControlReply reply) { call->finish(std::move(reply)); });
  for (;;) {
    auto news = pending_->take();
    if (!socket_.is_open()) co_return false;
    if (news.reply) {
      pending_.reset();
      bool sent = false;
      if (news.reply->failure)
        sent = co_await fail(request.header, std::move(*news.reply->failure),
                             std::move(news.reply->bytes));
      else
        sent = co_await reply(request.header, std::move(news.reply->bytes));
      co_return sent;
    }
    if (news.step) {
      bool sent = co_await send_progress(request.header, news.step->done, news.step->total);
      if (!sent) co_return false;
      continue;
    }
    // News that came since take() is posted behind this wait, and so ends it.
    Error cancelled;
    wake_.expires_at(asio::steady_timer::time_point::max());
    co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
}

asio::awaitable<std::optional<wire::Frame>> Connection::receive(Milliseconds patience) {
  bool inside = parser_.partial();
  arm(inside ? options_->frame_timeout : patience);
  for (;;) {
    auto frame = parser_.next();
    if (!frame) co_return co_await refuse_stream(frame.error());
    if (*frame) {
      disarm();
      co_return std::move(*frame);
    }
    // The clock of a frame runs from its first byte; more bytes do not stop it.
    if (!inside && parser_.partial()) {
      inside = true;
      arm(std::min(patience, options_->frame_timeout));
    }
    Error error;
    auto count = co_await socket_.async_read_some(asio::buffer(input_),
                                                  asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return std::nullopt;
    parser_.feed(std::span(input_).first(count));
  }
}

asio::awaitable<std::optional<wire::Frame>> Connection::refuse_stream(Failure cause) {
  log::warning("control: {} (pid {}) sent no valid frame: {}; connection closed", caller_.name,
               caller_.pid, cause.message);
  if (parser_.refused()) co_await fail(*parser_.refused(), std::move(cause));
  co_return std::nullopt;
}

asio::awaitable<bool> Connection::send(std::string bytes) {
  arm(options_->frame_timeout);
  Error error;
  co_await asio::async_write(socket_, asio::buffer(bytes),
                             asio::redirect_error(asio::use_awaitable, error));
  disarm();
  co_return !error;
}

asio::awaitable<bool> Connection::send_progress(const wire::Header& request, std::uint64_t done,
                                                std::uint64_t total) {
  auto header = reply_header(request);
  header.flags = wire::kReply | wire::kProgress;
  header.offset = done;
  header.length = total;
  std::string bytes;
  wire::append_frame(bytes, header, {});
  return send(std::move(bytes));
}

asio::awaitable<bool> Connection::reply(const wire::Header& request, std::string body) {
  if (body.size() > wire::kMaxReplyTotal)
    return fail(request, failure(Errc::internal, "the answer is too long to be sent",
                                 "ask for fewer objects at once"));
  std::string bytes;
  wire::append_reply(bytes, reply_header(request), body);
  return send(std::move(bytes));
}

asio::awaitable<bool> Connection::fail(const wire::Header& request, Failure failure,
                                       std::string partial) {
  auto header = reply_header(request);
  header.status = static_cast<std::uint16_t>(wire::to_status(failure.code));
  std::string bytes;
  wire::append_reply(bytes, header, wire::encode_failure(failure, partial));
  return send(std::move(bytes));
}

}  // namespace caisson::nbs::control
