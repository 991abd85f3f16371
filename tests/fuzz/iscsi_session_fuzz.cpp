// SPDX-License-Identifier: Apache-2.0
// Proves of the whole iSCSI target, over a real socket and after a valid login,
// for any stream of PDUs: it neither crashes nor hangs; what it answers is a
// stream of whole target PDUs within what was declared, with a rising StatSN,
// and no command answered twice; when the connection is gone, so are session,
// connection and every byte that was held for them.
//
// Input: a byte of login keys and ways (below), then the stream. Unless it is
// raw, it is read as records: a byte of ways, a BHS, a length of two bytes and
// as much data, to which AHS, padding, digests and lengths are added.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gateway/iscsi/pdu.hpp"
#include "gateway/iscsi/text.hpp"
#include "storage_object/base/crc32c.hpp"
#include "storage_object/base/log.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/support/iscsi_target.hpp"

namespace {

using namespace caisson;
using namespace caisson::iscsi;
using fuzz::require;
using tests::IscsiTarget;
using Bytes = std::vector<std::byte>;

enum Way : std::uint8_t {  // of an input
  kHeaderDigest = 1,
  kDataDigest = 2,
  kNoImmediate = 4,
  kUnsolicited = 8,
  kSmallBursts = 16,
  kDiscovery = 32,
  kRaw = 64,
  kReset = 128,  ///< the connection is reset, not closed
};
enum RecordWay : std::uint8_t {
  kOwnNumber = 1,  ///< the CmdSN of the BHS stands; else the next
  kOwnLength = 2,  ///< the data segment length stands; else that of the data
  kWithAhs = 4,    ///< additional headers as long as the BHS says
  kBadDigest = 8,  ///< the last digest is wrong
};

constexpr std::uint32_t kPeerMaxRecv = 8192;
constexpr auto kLimit = std::chrono::seconds(15);

void append(Bytes& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

/// Frames what an initiator sends and remembers what may be answered.
class Initiator {
 public:
  explicit Initiator(std::uint8_t way) : way_(way) {}

  Bytes login() const {
    std::string text;
    append_text(text, "InitiatorName", "iqn.2026-11.io.caisson.fuzz:i");
    if (is(kDiscovery))
      append_text(text, "SessionType", "Discovery");
    else
      append_text(text, "TargetName", IscsiTarget::kTarget);
    append_text(text, "HeaderDigest", is(kHeaderDigest) ? "CRC32C" : "None");
    append_text(text, "DataDigest", is(kDataDigest) ? "CRC32C" : "None");
    if (!is(kDiscovery)) {
      append_text(text, "ImmediateData", is(kNoImmediate) ? "No" : "Yes");
      append_text(text, "InitialR2T", is(kUnsolicited) ? "No" : "Yes");
      append_text(text, "MaxOutstandingR2T", "4");
      append_text(text, "MaxBurstLength", is(kSmallBursts) ? "1024" : "65536");
      append_text(text, "FirstBurstLength", is(kSmallBursts) ? "512" : "16384");
    }
    auto bhs = make_header<LoginRequestBhs>(Opcode::login_request, std::byte{0x87});
    bhs.opcode |= kImmediateBit;
    bhs.isid[0] = std::byte{0x80};
    bhs.cmd_sn = 1;
    bhs.data_segment_length = static_cast<std::uint32_t>(text.size());
    Bytes out;
    append(out, bytes_of(bhs));
    append(out, std::as_bytes(std::span(text)));
    out.resize(kBhsLength + padded(static_cast<std::uint32_t>(text.size())));
    return out;
  }

  Bytes stream(fuzz::Input input) {
    Bytes out;
    if (is(kRaw)) append(out, input.rest());
    while (!is(kRaw) && !input.empty()) record(out, input);
    return out;
  }

  bool is(Way way) const noexcept { return (way_ & way) != 0; }
  std::size_t digest(Way way) const noexcept { return is(way) ? kDigestLength : 0; }
  /// True if the target sees the PDUs that were counted.
  bool in_step() const noexcept { return in_step_ && !is(kRaw); }
  std::map<std::uint32_t, std::size_t> commands;  ///< sent, by tag

 private:
  void record(Bytes& out, fuzz::Input& input) {
    auto how = input.byte();
    auto header = input.take(kBhsLength);
    if (header.size() < kBhsLength) return;
    auto bhs = load<ScsiCommandBhs>(header);
    auto data = input.take(input.pair());
    auto opcode = header_cast<Bhs>(bhs).code();
    if ((how & kOwnNumber) == 0 && opcode != 0x05) bhs.cmd_sn = cmd_sn_;
    const auto* spec = find_opcode(opcode);
    if (spec != nullptr && spec->numbered && !header_cast<Bhs>(bhs).immediate()) ++cmd_sn_;
    if ((how & kOwnLength) == 0) bhs.data_segment_length = static_cast<std::uint32_t>(data.size());
    if ((how & kWithAhs) == 0) bhs.total_ahs_length = 0;
    if (opcode == 0x01) ++commands[bhs.initiator_task_tag];
    Bytes head, body;
    append(head, bytes_of(bhs));
    append(head, input.take(std::size_t{bhs.total_ahs_length} * 4));
    in_step_ &= bhs.data_segment_length == data.size() &&
                head.size() == kBhsLength + std::size_t{bhs.total_ahs_length} * 4;
    if (is(kHeaderDigest)) append(head, bytes_of(le32(crc32c(head))));
    append(body, data);
    body.resize(padded(static_cast<std::uint32_t>(body.size())));
    if (is(kDataDigest) && !body.empty()) append(body, bytes_of(le32(crc32c(body))));
    append(out, head);
    append(out, body);
    if ((how & kBadDigest) != 0) out.back() ^= std::byte{1};
  }

  std::uint8_t way_;
  std::uint32_t cmd_sn_ = 1;
  bool in_step_ = true;
};

/// A non-blocking socket whose every wait is limited.
class Wire {
 public:
  explicit Wire(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    static std::uint32_t connections = 0;  // many source addresses: ports rest after use
    int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto from = address(0x7f000001 + (++connections % 250 << 8), 0);
    auto to = address(INADDR_LOOPBACK, port);
    require(::bind(socket_, reinterpret_cast<sockaddr*>(&from), sizeof from) == 0 &&
                ::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0,
            "the target accepts connections");
    ::fcntl(socket_, F_SETFL, O_NONBLOCK);
  }
  ~Wire() { ::close(socket_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  /// Sends all and receives what comes meanwhile; stops when the peer closes.
  void send(std::span<const std::byte> bytes) {
    while (!bytes.empty() && !closed) {
      auto events = wait(POLLIN | POLLOUT);
      if ((events & ~POLLOUT) != 0) receive();
      if ((events & POLLOUT) == 0 || closed) continue;
      auto n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) closed = true;
      if (n > 0) bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
  void receive_until(std::size_t size) {
    while (received.size() < size && !closed) {
      wait(POLLIN);
      receive();
    }
  }
  void finish(bool abruptly) {
    linger now{1, 0};
    if (abruptly) {
      ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
      return;
    }
    ::shutdown(socket_, SHUT_WR);
    receive_until(SIZE_MAX);
  }

  Bytes received;
  bool closed = false;

 private:
  static sockaddr_in address(std::uint32_t ip, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(ip);
    address.sin_port = htons(port);
    return address;
  }
  int wait(int events) {
    pollfd poll{socket_, static_cast<short>(events), 0};
    int n = -1;
    do n = ::poll(&poll, 1, std::chrono::milliseconds(kLimit).count());
    while (n < 0 && errno == EINTR);  // the fuzzer's own alarm
    require(n == 1, "the target goes on");
    return poll.revents;
  }
  void receive() {
    std::byte buffer[65536];
    auto n = ::recv(socket_, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      closed = true;
      return;
    }
    append(received, std::span(buffer, static_cast<std::size_t>(n)));
  }

  int socket_;
};

bool target_opcode(std::uint8_t code) {
  constexpr Opcode kOpcodes[] = {Opcode::nop_in,
                                 Opcode::scsi_response,
                                 Opcode::task_management_response,
                                 Opcode::text_response,
                                 Opcode::data_in,
                                 Opcode::logout_response,
                                 Opcode::ready_to_transfer,
                                 Opcode::async_message,
                                 Opcode::reject};
  return std::ranges::find(kOpcodes, static_cast<Opcode>(code)) != std::end(kOpcodes);
}

/// Goes through the answers of the full feature phase.
/// The last one may be cut off: the end of our stream ends the connection.
void check_answers(std::span<const std::byte> stream, Initiator& initiator) {
  std::uint32_t last_stat_sn = 0;
  bool any_status = false;
  while (stream.size() >= kBhsLength) {
    auto bhs = load<DataInBhs>(stream);
    auto code = header_cast<Bhs>(bhs).code();
    require(target_opcode(code), "an opcode of a target");
    require(bhs.total_ahs_length == 0, "no additional headers");
    std::uint32_t data = bhs.data_segment_length;
    require(data <= kPeerMaxRecv, "a data segment is as long as was declared at most");
    auto length = kBhsLength + initiator.digest(kHeaderDigest) + padded(data) +
                  (data != 0 ? initiator.digest(kDataDigest) : 0);
    if (stream.size() < length) break;
    stream = stream.subspan(length);
    bool status = code == 0x21 || (code == 0x25 && (bhs.flags & kStatusBit) != std::byte{0});
    if (!status) continue;
    std::uint32_t stat_sn = bhs.stat_sn;
    require(!any_status || serial_less(last_stat_sn, stat_sn), "StatSN rises");
    last_stat_sn = stat_sn;
    any_status = true;
    if (initiator.in_step())
      require(initiator.commands[bhs.initiator_task_tag]-- != 0, "no command is answered twice");
  }
}

IscsiTarget& target() {
  static IscsiTarget instance(
      [](ServerOptions& options) {
        options.timers.login = kLimit;
        options.limits.total_bytes = std::size_t{64} << 20;
      },
      1);
  return instance;
}

std::shared_ptr<scsi::LogicalUnit> fresh_unit() {
  tests::MemoryObject::Setup setup;
  setup.geometry.capacity = std::uint64_t{256} << 10;
  return std::make_shared<scsi::LogicalUnit>(std::make_shared<tests::MemoryObject>(setup));
}

/// The length of the login answer; the login is always right.
std::size_t logged_in(Wire& wire) {
  wire.receive_until(kBhsLength);
  require(wire.received.size() >= kBhsLength, "a login is answered");
  auto answer = load<LoginResponseBhs>(wire.received);
  require(header_cast<Bhs>(answer).code() == 0x23 && answer.status_class == 0, "a login works");
  auto length = kBhsLength + padded(answer.data_segment_length);
  wire.receive_until(length);
  return length;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  log::set_level(log::Level::error);
  fuzz::Input input(data, size);
  Initiator initiator(input.byte());
  auto& gateway = target();
  gateway.directory.grant(IscsiTarget::kOpenHost, IscsiTarget::kTarget,
                          {scsi::Verdict::granted, {{0, fresh_unit(), false}}});
  {
    Wire wire(gateway.port());
    wire.send(initiator.login());
    auto login = logged_in(wire);
    wire.send(initiator.stream(input));
    wire.finish(initiator.is(kReset));
    check_answers(std::span(wire.received).subspan(login), initiator);
  }
  require(IscsiTarget::eventually([&] {
            return gateway.server->connections() == 0 && gateway.sessions.list().empty() &&
                   gateway.server->bytes_held() == 0;
          }),
          "nothing is left of a connection that is gone");
  return 0;
}
