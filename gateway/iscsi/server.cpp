// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/server.hpp"

#include <fmt/format.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <future>

#include "gateway/iscsi/connection.hpp"
#include "gateway/iscsi/server_state.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::iscsi {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr int kBacklog = 1024;
constexpr auto kRetryAccept = std::chrono::milliseconds(100);  // out of descriptors
/// After the drain: for connections to notice that they were closed.
constexpr auto kLastMoment = std::chrono::seconds(5);

void run_connection(const std::shared_ptr<Connection>& connection) {
  asio::co_spawn(connection->thread().context(), connection->serve(),
                 [connection](std::exception_ptr) {});
}

}  // namespace

std::string Portal::to_string() const {
  return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, port)
                                                : fmt::format("[{}]:{}", address, port);
}

/// The listening sockets. All live on the first I/O thread; what they accept
/// goes round-robin over all.
class Server::Acceptors : public std::enable_shared_from_this<Server::Acceptors> {
 public:
  explicit Acceptors(std::shared_ptr<ServerState> state) : state_(std::move(state)) {}

  Outcome<> listen(const Portal& portal) {
    boost::system::error_code error;
    auto address = asio::ip::make_address(portal.address, error);
    if (error) return refused(portal, error);
    tcp::endpoint endpoint(address, portal.port);
    auto listener = std::make_shared<Listener>(first_thread().context());
    auto& acceptor = listener->acceptor;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && address.is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(kBacklog, error);
    if (error) return refused(portal, error);
    listener->portal = {portal.address, acceptor.local_endpoint().port(), portal.group};
    state_->bound.push_back(listener->portal);
    listeners_.push_back(std::move(listener));
    return {};
  }

  void start() {
    first_thread().post([self = shared_from_this()] {
      for (const auto& listener : self->listeners_) self->accept(listener);
    });
  }

  /// Returns when nothing more will be accepted.
  void close() {
    std::promise<void> closed;
    first_thread().post([&] {
      for (const auto& listener : listeners_) {
        boost::system::error_code ignored;
        listener->acceptor.close(ignored);
        listener->retry.cancel();
      }
      listeners_.clear();
      closed.set_value();
    });
    closed.get_future().wait();
  }

 private:
  struct Listener {
    explicit Listener(asio::io_context& context) : acceptor(context), retry(context) {}
    tcp::acceptor acceptor;
    asio::steady_timer retry;
    Portal portal;  // as it is bound
  };

  IoThread& first_thread() const { return *state_->options.threads.front(); }

  static Failure refused(const Portal& portal, const boost::system::error_code& error) {
    return {error,
            fmt::format("iSCSI cannot listen on {}: {}", portal.to_string(), error.message()),
            "choose another address or port with --iscsi ADDR:PORT"};
  }

  void accept(const std::shared_ptr<Listener>& listener) {
    auto& thread = *state_->options.threads[next_++ % state_->options.threads.size()];
    listener->acceptor.async_accept(
        thread.context(), [self = shared_from_this(), listener, &thread](
                              boost::system::error_code error, tcp::socket socket) {
          if (!listener->acceptor.is_open()) return;
          if (error) return self->accept_later(listener, error);
          self->welcome(thread, std::move(socket), listener->portal.group);
          self->accept(listener);
        });
  }

  void accept_later(const std::shared_ptr<Listener>& listener,
                    const boost::system::error_code& error) {
    log::warning("iSCSI accept failed: {}", error.message());
    listener->retry.expires_after(kRetryAccept);
    listener->retry.async_wait([self = shared_from_this(), listener](boost::system::error_code e) {
      if (!e && listener->acceptor.is_open()) self->accept(listener);
    });
  }

  void welcome(IoThread& thread, tcp::socket socket, std::uint16_t portal_group) {
    boost::system::error_code error;
    auto remote = socket.remote_endpoint(error);
    if (error) return;  // it has gone already
    socket.non_blocking(true, error);
    socket.set_option(tcp::no_delay(true), error);
    auto address = remote.address().to_string();
    Portal peer{address, remote.port()};
    auto connection = std::make_shared<Connection>(state_, thread, std::move(socket), portal_group,
                                                   address, peer.to_string());
    if (!state_->admit(connection, address)) {
      log::warning("connection from {} ended: too many connections", peer.to_string());
      return;
    }
    thread.post([connection] { run_connection(connection); });
  }

  std::shared_ptr<ServerState> state_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::size_t next_ = 0;
};

Server::Server(ServerOptions options) : state_(std::make_shared<ServerState>(std::move(options))) {}

Server::~Server() { stop(); }

Outcome<std::vector<Portal>> Server::start() {
  auto acceptors = std::make_shared<Acceptors>(state_);
  state_->bound.clear();
  for (const auto& portal : state_->options.portals)
    if (auto listening = acceptors->listen(portal); !listening) return listening.error();
  acceptors_ = std::move(acceptors);
  acceptors_->start();
  return state_->bound;
}

void Server::stop() {
  if (!acceptors_) return;
  auto drain = state_->options.timers.drain;
  state_->stopping = true;
  for (const auto& connection : state_->snapshot()) connection->request_logout(drain);
  state_->wait_until_logged_out(drain);
  acceptors_->close();
  acceptors_.reset();
  for (const auto& connection : state_->snapshot()) connection->drop("the gateway stops");
  if (!state_->wait_until_empty(kLastMoment))
    log::warning("{} iSCSI connections did not end", state_->connection_count());
}

std::size_t Server::connections() const { return state_->connection_count(); }

std::size_t Server::bytes_held() const { return state_->bytes.load(std::memory_order_relaxed); }

}  // namespace caisson::iscsi
