// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/connection.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "gateway/iscsi/iscsi_errc.hpp"
#include "gateway/iscsi/server_state.hpp"
#include "gateway/iscsi/session.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::iscsi {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

constexpr std::size_t kScratch = 256 * 1024;
/// A login's data segments are no longer than this (RFC 7143 13.12).
constexpr std::uint32_t kLoginSegment = 8192;
/// Batches of one connection before others on its thread have their turn.
constexpr int kBatchesInARow = 4;
/// What waits unread between two programs of one machine is best kept in the
/// processor's cache. Between machines the kernel sizes the buffer by itself.
constexpr int kLocalSendBuffer = 512 * 1024;
/// For a peer to take the last answers before its connection is closed.
constexpr auto kLastAnswers = std::chrono::seconds(5);

/// What every connection of a thread receives into. Nothing stays in it over a
/// suspension, so one is enough, and an idle connection costs no buffer.
std::span<std::byte> scratch() {
  thread_local std::unique_ptr<std::byte[]> memory(new std::byte[kScratch]);
  return {memory.get(), kScratch};
}

void limit_send_buffer(int socket) {
  auto size = kLocalSendBuffer;
  ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  socklen_t length = sizeof size;
  ::getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, &length);
  if (size >= 2 * kLocalSendBuffer) return;  // the kernel counts its own share too
  int unlocked = 0;  // a limit of the system made it too small: as if never asked for
  ::setsockopt(socket, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof unlocked);
}

}  // namespace

Connection::Connection(std::shared_ptr<ServerState> state, IoThread& thread, Socket socket,
                       std::uint16_t portal_group, std::string address, std::string peer)
    : state_(std::move(state)),
      thread_(thread),
      socket_(std::move(socket)),
      address_(std::move(address)),
      peer_(std::move(peer)),
      parser_(*this),
      queue_(*this),
      timer_(thread.context()),
      gate_(thread.context()) {
  const auto& options = state_->options;
  login_ = std::make_unique<Login>(
      LoginContext{.directory = *options.directory,
                   .offer = options.offer,
                   .portal_group = portal_group,
                   .local = local().to_string(),
                   .groups = &state_->groups,
                   .stopping = &state_->stopping,
                   .live_tsih =
                       [this, portal_group](const LoginResult& login) {
                         return state_->live_tsih(
                             {login.initiator_name, login.isid, login.target_name, portal_group});
                       },
                   .max_text = options.limits.login_text});
  parser_.configure({.max_data = kLoginSegment});
  if (local().address == address_) limit_send_buffer(socket_.native_handle());
}

Portal Connection::local() const {
  boost::system::error_code error;
  auto endpoint = socket_.local_endpoint(error);
  return {endpoint.address().to_string(), endpoint.port()};
}

asio::awaitable<void> Connection::serve() {
  try {
    co_await converse();
  } catch (const std::exception& failed) {
    end(failed.what());
  }
  tear_down();
}

asio::awaitable<void> Connection::converse() {
  arm_timer(state_->options.timers.login);
  for (int batches = 0; !ending();) {
    auto received = receive();
    thread_.flush();
    if (answer_) co_await answer_login();
    if (received == Received::some && ++batches < kBatchesInARow) continue;
    batches = 0;
    if (!ending()) co_await socket_.async_wait(Socket::wait_read, kTuple);
  }
  if (!ended_) co_await drain();
}

void Connection::tear_down() {
  end(reason_);
  timer_.cancel();
  thread_.forget(*this);
  boost::system::error_code ignored;
  socket_.close(ignored);
  auto initiator = login_->initiator();
  if (session_)
    session_->connection_lost(reason_);
  else
    log::info("connection from {}{}{} ended: {}", peer_, initiator.empty() ? "" : " of ", initiator,
              reason_);
  queue_.clear();
  incoming_.drop_body();
  state_->closed(shared_from_this(), address_);
}

/// Reads once what is there: the rest of a data segment straight to where it
/// belongs, and whatever follows it into the scratch.
Connection::Received Connection::receive() {
  auto direct = parser_.direct();
  auto room = scratch();
  std::array<IoVec, 2> vectors{IoVec{direct.data(), direct.size()},
                               IoVec{room.data(), room.size()}};
  msghdr message{};
  message.msg_iov = direct.empty() ? &vectors[1] : &vectors[0];
  message.msg_iovlen = direct.empty() ? 1 : 2;
  auto got = ::recvmsg(socket_.native_handle(), &message, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
    return Received::nothing;
  if (got <= 0) {
    end(got == 0 ? "the initiator closed the connection"
                 : boost::system::error_code(errno, boost::system::system_category()).message());
    return Received::closed;
  }
  auto size = static_cast<std::size_t>(got);
  process(size, direct);
  return size < direct.size() + room.size() ? Received::all : Received::some;
}

void Connection::process(std::size_t received, std::span<std::byte> direct) {
  heard_ = steady_clock::now();
  pinged_ = false;
  auto first = std::min(received, direct.size());
  Error error;
  if (first != 0) error = parser_.advance(first);
  if (!error && received > first) error = parser_.feed(scratch().first(received - first));
  if (!error && answer_ && !parser_.idle()) error = IscsiErrc::early_data;
  if (error && !ending()) end(error.message());
}

Result<std::span<std::byte>> Connection::on_header(const PduHeader& header) {
  if (ending()) return make_error_code(Errc::cancelled);
  if (session_) return session_->on_header(header);
  if (header.bhs.code() != static_cast<std::uint8_t>(Opcode::login_request))
    return make_error_code(IscsiErrc::no_login);
  login_text_ = Buffer(header.bhs.data_segment_length);
  return login_text_.span();
}

Result<> Connection::on_pdu(const PduHeader& header, std::span<const std::byte> data, bool intact) {
  if (ending()) return make_error_code(Errc::cancelled);
  if (session_) return session_->on_pdu(header, data, intact);
  if (answer_) return make_error_code(IscsiErrc::early_data);
  if (header.bhs.code() != static_cast<std::uint8_t>(Opcode::login_request))
    return make_error_code(IscsiErrc::no_login);
  auto request = header_cast<LoginRequestBhs>(header.bhs);
  if (login_->initiator().empty()) stat_sn_ = request.exp_stat_sn;
  answer_ = login_->take(request, {reinterpret_cast<const char*>(data.data()), data.size()});
  login_cmd_sn_ = request.cmd_sn;
  login_text_ = {};
  return {};
}

void Connection::on_sent(Command& command) noexcept { session_->on_sent(command); }

asio::awaitable<void> Connection::answer_login() {
  auto answer = std::move(*answer_);
  if (answer.next == Login::Next::refused) co_return co_await refuse_login(std::move(answer));
  if (answer.next == Login::Next::established && !co_await establish(answer)) co_return;
  answer_.reset();
  send_login(answer);
  thread_.flush();
}

asio::awaitable<void> Connection::refuse_login(Login::Answer answer) {
  auto why = "login refused (" + to_string(answer.status) + "): " + answer.reason;
  timer_.cancel();  // the pause has a bound of its own
  if (answer.status == LoginStatus::authentication_failure ||
      answer.status == LoginStatus::authorization_failure ||
      answer.status == LoginStatus::target_not_found)
    co_await pause(state_->login_failed(address_));
  if (ending()) {
    reason_ = why + "; not answered: " + reason_;
    co_return;
  }
  send_login(answer);
  thread_.flush();
  finish(std::move(why));
}

asio::awaitable<void> Connection::pause(steady_clock::duration time) {
  if (time <= steady_clock::duration::zero()) co_return;
  gate_.expires_after(time);
  co_await gate_.async_wait(kTuple);
}

/// Makes the session; first ends one of the same initiator port, if there is
/// (RFC 7143 6.3.5). False: it came to nothing, and is answered.
asio::awaitable<bool> Connection::establish(Login::Answer& answer) {
  auto tsih = state_->new_tsih();
  if (tsih == 0) {
    co_await refuse_login(login_->refuse(LoginStatus::out_of_resources, "all TSIHs are taken"));
    co_return false;
  }
  auto session = std::make_shared<Session>(state_, *this, login_->result(), tsih);
  while (!session->discovery() && !ending()) {
    auto old = state_->insert(session->key(), session);
    if (!old) break;
    gate_.expires_at(steady_clock::time_point::max());
    old->replace(shared_from_this());
    co_await gate_.async_wait(kTuple);
  }
  if (!session->discovery()) co_await await_predecessors(session->key());
  if (ending()) {
    session->abandon();
    co_return false;
  }
  session_ = std::move(session);
  if (!session_->discovery()) session_->open();
  answer.header.tsih = tsih;
  const auto& agreed = session_->parameters();
  parser_.configure({.header_digest = agreed.header_digest != 0,
                     .data_digest = agreed.data_digest != 0,
                     .max_data = state_->options.offer.max_recv});
  state_->logged_in(*this);
  heard_ = steady_clock::now();
  arm_timer(state_->options.timers.nop_interval);
  co_return true;
}

/// An initiator that closed a session and logs in by another of its ports does not
/// meet what the old nexus held (SAM-5 6.3.4), though its end, on another thread,
/// may not have been noticed by now. For a bounded time: old commands may hang.
asio::awaitable<void> Connection::await_predecessors(const SessionKey& key) {
  auto until = steady_clock::now() + state_->options.timers.predecessors;
  for (const auto& other : state_->siblings(key)) {
    if (ending() || steady_clock::now() >= until) co_return;
    gate_.expires_at(until);
    other->precede(shared_from_this());
    co_await gate_.async_wait(kTuple);
  }
}

void Connection::send_login(const Login::Answer& answer) {
  auto& pdu = SendQueue::make();
  if (!answer.text.empty()) {
    pdu.owned = Buffer(answer.text.size());
    std::memcpy(pdu.owned.data(), answer.text.data(), answer.text.size());
    pdu.data = pdu.owned.data();
    pdu.data_length = static_cast<std::uint32_t>(answer.text.size());
  }
  send(pdu, answer.header, true);
  // The answer itself still goes without digests.
  if (session_)
    queue_.set_digests(session_->parameters().header_digest != 0,
                       session_->parameters().data_digest != 0);
}

void Connection::stamp(be32& stat_sn, be32& exp_cmd_sn, be32& max_cmd_sn, bool counts) {
  stat_sn = counts ? stat_sn_++ : stat_sn_;
  exp_cmd_sn = session_ ? session_->window().expected() : login_cmd_sn_;
  max_cmd_sn = session_ ? session_->window().promise(queue_.count(PduKind::status)) : login_cmd_sn_;
}

/// More is unsent than an initiator that reads can bring about: it has no more
/// than a window of numbered commands, and of each no more than its R2Ts.
bool Connection::backlogged() const noexcept {
  const auto& limits = state_->options.limits;
  auto open = limits.window + limits.immediate;
  return queue_.count(PduKind::control) > limits.control_backlog ||
         queue_.count(PduKind::status) > limits.window + open ||
         queue_.count(PduKind::request) > open * kMaxBursts;
}

void Connection::queue_changed() {
  if (backlogged()) return end("the initiator does not read its answers");
  if (std::exchange(deferred_, true)) return;
  thread_.defer(*this);
}

void Connection::on_batch_end() noexcept {
  deferred_ = false;
  flush_queue();
}

void Connection::flush_queue() {
  if (ended_ || blocked_) return;
  auto sent = queue_.send(socket_.native_handle());
  if (!sent) return end(sent.error().message());
  if (*sent) {
    if (finishing_) gate_.cancel();
    return;
  }
  blocked_ = true;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](boost::system::error_code) {
    self->blocked_ = false;
    self->flush_queue();
    self->thread_.flush();
  });
}

asio::awaitable<void> Connection::drain() {
  thread_.flush();
  if (queue_.empty() || ended_) co_return;
  gate_.expires_after(kLastAnswers);
  co_await gate_.async_wait(kTuple);
}

bool Connection::left() noexcept {
  pollfd socket{.fd = socket_.native_handle(), .events = POLLRDHUP, .revents = 0};
  return ending() || (::poll(&socket, 1, 0) > 0 && socket.revents != 0);
}

void Connection::finish(std::string reason) {
  if (ending()) return;
  finishing_ = true;
  reason_ = std::move(reason);
  boost::system::error_code ignored;
  socket_.cancel(ignored);  // wakes serve(), wherever it waits
}

void Connection::end(std::string reason) {
  if (ended_) return;
  ended_ = true;
  if (!finishing_) reason_ = std::move(reason);
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.cancel(ignored);
  gate_.cancel();
}

void Connection::drop(std::string reason) {
  thread_.post([self = shared_from_this(), reason = std::move(reason)] {
    if (self->session_ && !self->ending())
      self->session_->announce(AsyncEvent::drop_session, std::chrono::milliseconds(0));
    self->flush_queue();
    self->end(reason);
  });
}

void Connection::request_logout(std::chrono::milliseconds within) {
  thread_.post([self = shared_from_this(), within] {
    if (self->session_ && !self->ending())
      self->session_->announce(AsyncEvent::request_logout, within);
  });
}

void Connection::proceed() {
  thread_.post([self = shared_from_this()] { self->gate_.cancel(); });
}

void Connection::arm_timer(steady_clock::duration time) {
  timer_.expires_after(time);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (error || self->ending()) return;
    self->on_timer();
    self->thread_.flush();
  });
}

void Connection::on_timer() {
  const auto& timers = state_->options.timers;
  if (!session_) return end("the login was not finished in time");
  auto quiet = steady_clock::now() - heard_;
  auto limit = pinged_ ? timers.nop_interval + timers.nop_timeout : timers.nop_interval;
  if (quiet < limit) return arm_timer(limit - quiet);
  if (pinged_) return end("the initiator has been silent for too long");
  pinged_ = true;
  session_->ping();
  arm_timer(timers.nop_timeout);
}

}  // namespace caisson::iscsi
