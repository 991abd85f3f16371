// SPDX-License-Identifier: Apache-2.0
// One TCP connection: receives in batches, logs in, hands PDUs to its session,
// sends answers in batches. Lives on one I/O thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "gateway/iscsi/login.hpp"
#include "gateway/iscsi/options.hpp"
#include "gateway/iscsi/pdu_parser.hpp"
#include "gateway/iscsi/send_queue.hpp"
#include "storage_object/base/io_thread.hpp"

namespace caisson::iscsi {

struct ServerState;
struct SessionKey;
class Session;

/// Where the data segment that is arriving goes, between on_header and on_pdu.
struct Incoming {
  Command* command = nullptr;  ///< of a SCSI command with immediate data
  Buffer body;                 ///< of NOP-Out and text
  BodyCharge charge;           ///< of the body
  bool ignored = false;        ///< the PDU is skipped altogether

  void drop_body() noexcept {
    body = Buffer();
    charge.reset();
  }
};

class Connection final : public std::enable_shared_from_this<Connection>,
                         private BatchHook,
                         private PduSink,
                         private SendObserver {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  /// The socket is bound to `thread`'s context. `portal_group` is that of the
  /// portal it came in by, `peer` is "ADDR:PORT".
  Connection(std::shared_ptr<ServerState> state, IoThread& thread, Socket socket,
             std::uint16_t portal_group, std::string address, std::string peer);

  /// Runs until the connection has ended. On the connection's thread.
  boost::asio::awaitable<void> serve();

  /// Ends it at once. From any thread.
  void drop(std::string reason);
  /// Asks the initiator to log out; an unfinished login goes on. From any thread.
  void request_logout(std::chrono::milliseconds within);

  /// The session that this login replaces is gone. From any thread.
  void proceed();

  // For the session, on the connection's thread.
  IoThread& thread() const noexcept { return thread_; }
  const std::string& peer() const noexcept { return peer_; }
  Incoming& incoming() noexcept { return incoming_; }
  /// When the initiator last sent something.
  std::chrono::steady_clock::time_point heard() const noexcept { return heard_; }
  /// The address this connection reached us at.
  Portal local() const;
  /// Ends it once what is queued has been sent.
  void finish(std::string reason);
  /// Ends it at once.
  void end(std::string reason);
  bool ending() const noexcept { return ended_ || finishing_; }
  /// The initiator sends no more: it has closed its side, or the network did.
  bool left() noexcept;

  /// Numbers a header and queues the PDU; it leaves with its batch.
  /// `counts`: the PDU carries a status, so StatSN moves on.
  template <HeaderLayout T>
  void send(OutPdu& pdu, T header, bool counts);

 private:
  enum class Received : std::uint8_t { all, some, nothing, closed };  ///< all that was there

  void on_batch_end() noexcept override;
  Result<std::span<std::byte>> on_header(const PduHeader& header) override;
  Result<> on_pdu(const PduHeader& header, std::span<const std::byte> data, bool intact) override;
  void on_sent(Command& command) noexcept override;

  boost::asio::awaitable<void> converse();
  void tear_down();
  Received receive();
  void process(std::size_t received, std::span<std::byte> direct);
  boost::asio::awaitable<void> answer_login();
  boost::asio::awaitable<void> refuse_login(Login::Answer answer);
  boost::asio::awaitable<bool> establish(Login::Answer& answer);
  boost::asio::awaitable<void> await_predecessors(const SessionKey& key);
  boost::asio::awaitable<void> pause(std::chrono::steady_clock::duration time);
  boost::asio::awaitable<void> drain();
  void send_login(const Login::Answer& answer);
  void flush_queue();
  void queue_changed();
  bool backlogged() const noexcept;
  void arm_timer(std::chrono::steady_clock::duration time);
  void on_timer();
  void stamp(be32& stat_sn, be32& exp_cmd_sn, be32& max_cmd_sn, bool counts);

  std::shared_ptr<ServerState> state_;
  IoThread& thread_;
  Socket socket_;
  std::string address_;
  std::string peer_;
  PduParser parser_;
  SendQueue queue_;
  Incoming incoming_;
  std::unique_ptr<Login> login_;
  std::optional<Login::Answer> answer_;
  Buffer login_text_;
  std::shared_ptr<Session> session_;
  boost::asio::steady_timer timer_;  ///< login limit, then silence
  boost::asio::steady_timer gate_;   ///< what serve() waits for beside the socket
  std::chrono::steady_clock::time_point heard_;
  std::string reason_;
  std::uint32_t stat_sn_ = 0;
  std::uint32_t login_cmd_sn_ = 0;
  bool pinged_ = false;
  bool deferred_ = false;
  bool blocked_ = false;  ///< a wait for the socket to take more is under way
  bool finishing_ = false;
  bool ended_ = false;
};

template <HeaderLayout T>
void Connection::send(OutPdu& pdu, T header, bool counts) {
  if (ended_) {
    queue_.discard(pdu);
    return;
  }
  stamp(header.stat_sn, header.exp_cmd_sn, header.max_cmd_sn, counts);
  queue_.push(pdu, header);
  queue_changed();
}

}  // namespace caisson::iscsi
