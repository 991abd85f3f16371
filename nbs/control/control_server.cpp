// SPDX-License-Identifier: Apache-2.0
#include "nbs/control/control_server.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>
#include <utility>

#include "nbs/control/connection.hpp"
#include "nbs/control/unix_socket.hpp"
#include "nbs/wire/frame.hpp"
#include "nbs/wire/status.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::nbs::control {
namespace asio = boost::asio;
using boost::asio::local::stream_protocol;

namespace {

constexpr int kBacklog = 512;
constexpr std::chrono::milliseconds kAcceptPause{200};  // when descriptors ran out

/// Tells a peer that is not let in why, as far as its empty socket takes it.
void turn_away(stream_protocol::socket& socket, const Failure& why) {
  wire::Header header;
  header.opcode = wire::opcode(wire::Op::hello).number;
  header.flags = wire::kEvent;
  header.status = static_cast<std::uint16_t>(wire::to_status(why.code));
  std::string bytes;
  wire::append_frame(bytes, header, wire::encode_failure(why));
  [[maybe_unused]] auto sent =
      ::send(socket.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/// What the server and the ends of its coroutines share.
class State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& context, ControlService& service, ControlServerOptions options)
      : context_(context),
        acceptor_(context),
        pause_(context),
        service_(service),
        options_(std::make_shared<const ControlServerOptions>(std::move(options))) {}

  Outcome<> start();
  void stop();
  std::size_t connections() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  asio::awaitable<void> accept_all();
  void admit(stream_protocol::socket socket);
  Outcome<Caller> judge(stream_protocol::socket& socket) const;
  void ended(const std::shared_ptr<Connection>& connection, std::exception_ptr error);

  asio::io_context& context_;
  stream_protocol::acceptor acceptor_;
  asio::steady_timer pause_;
  ControlService& service_;
  std::shared_ptr<const ControlServerOptions> options_;
  std::optional<UnixListener> listener_;
  std::set<std::shared_ptr<Connection>> open_;
  std::size_t operators_ = 0;
  std::atomic<std::size_t> count_{0};
};

Outcome<> State::start() {
  auto listener = UnixListener::open(options_->path, options_->group, kBacklog);
  if (!listener) return listener.error();
  listener_.emplace(std::move(*listener));
  acceptor_.assign(stream_protocol(), listener_->release_descriptor());
  asio::co_spawn(
      context_, [self = shared_from_this()] { return self->accept_all(); },
      [](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);
      });
  return {};
}

void State::stop() {
  Error ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  listener_.reset();
  for (const auto& connection : open_) connection->close();
}

asio::awaitable<void> State::accept_all() {
  while (acceptor_.is_open()) {
    Error error;
    stream_protocol::socket socket(context_);
    co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (!acceptor_.is_open()) break;
    if (!error) {
      admit(std::move(socket));
      continue;
    }
    log::warning("control: cannot accept: {}", error.message());
    pause_.expires_after(kAcceptPause);
    co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

Outcome<Caller> State::judge(stream_protocol::socket& socket) const {
  auto peer = credentials_of(socket.native_handle());
  if (!peer) return Failure{peer.error(), "the peer's credentials cannot be read", {}};
  auto role = options_->authorize ? options_->authorize(*peer) : role_of(*peer, options_->group);
  auto name = fmt::format("uid:{}", peer->uid);
  if (!role)
    return failure(Errc::permission_denied, fmt::format("{} may not control this gateway", name),
                   fmt::format("be root or a member of group '{}'", options_->group));
  bool full = open_.size() >= options_->max_connections ||
              (*role != wire::Role::admin && operators_ >= options_->max_operator_connections);
  if (full)
    return failure(Errc::in_use,
                   fmt::format("this gateway has {} control connections open, {} may not add one",
                               open_.size(), name),
                   "close some, or try again later");
  return Caller{*role, std::move(name), 0, peer->uid, peer->gid, peer->pid};
}

void State::admit(stream_protocol::socket socket) {
  auto caller = judge(socket);
  if (!caller) {
    log::warning("control: peer refused: {}", caller.error().message);
    turn_away(socket, caller.error());
    return;
  }
  if (caller->role != wire::Role::admin) ++operators_;
  auto connection =
      std::make_shared<Connection>(std::move(socket), std::move(*caller), service_, options_);
  open_.insert(connection);
  count_.store(open_.size(), std::memory_order_relaxed);
  asio::co_spawn(
      context_, [connection] { return connection->serve(); },
      [self = shared_from_this(), connection](std::exception_ptr error) {
        self->ended(connection, error);
      });
}

void State::ended(const std::shared_ptr<Connection>& connection, std::exception_ptr error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const std::exception& bug) {
    log::error("control: connection of {} ended by an exception: {}", connection->caller().name,
               bug.what());
  }
  connection->close();
  if (connection->caller().role != wire::Role::admin) --operators_;
  open_.erase(connection);
  count_.store(open_.size(), std::memory_order_relaxed);
}

class Server final : public ControlServer {
 public:
  explicit Server(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~Server() override { state_->stop(); }
  Outcome<> start() override { return state_->start(); }
  void stop() override { state_->stop(); }
  std::size_t connections() const noexcept override { return state_->connections(); }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace

std::unique_ptr<ControlServer> ControlServer::make(asio::io_context& context,
                                                   ControlService& service,
                                                   ControlServerOptions options) {
  return std::make_unique<Server>(std::make_shared<State>(context, service, std::move(options)));
}

}  // namespace caisson::nbs::control
