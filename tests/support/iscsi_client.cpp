// SPDX-License-Identifier: Apache-2.0
#include "tests/support/iscsi_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "gateway/iscsi/text.hpp"
#include "storage_object/base/byte_order.hpp"
#include "storage_object/base/crc32c.hpp"

namespace caisson::tests {

using namespace iscsi;
using std::chrono::steady_clock;

namespace {

[[noreturn]] void surprise(const std::string& what) { throw std::runtime_error(what); }

void append(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void append_digest(std::vector<std::byte>& to, std::span<const std::byte> bytes, bool wrong) {
  append(to, bytes_of(le32(crc32c(bytes) ^ (wrong ? 1u : 0u))));
}

}  // namespace

std::vector<std::byte> pattern(std::size_t length, unsigned seed) {
  std::vector<std::byte> bytes(length);
  std::uint32_t state = seed * 2654435761u + 1;
  for (auto& b : bytes) {
    state = state * 1664525u + 1013904223u;
    b = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

std::vector<std::byte> to_bytes(std::string_view text) {
  auto span = std::as_bytes(std::span(text));
  return {span.begin(), span.end()};
}

IscsiClient::IscsiClient(std::uint16_t port, std::string_view address, int receive_buffer) {
  bool v6 = address.find(':') != std::string_view::npos;
  socket_ = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer != 0)
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in v4_address{};
  sockaddr_in6 v6_address{};
  v4_address.sin_family = AF_INET;
  v4_address.sin_port = htons(port);
  v6_address.sin6_family = AF_INET6;
  v6_address.sin6_port = htons(port);
  std::string text(address);
  v6 ? ::inet_pton(AF_INET6, text.c_str(), &v6_address.sin6_addr)
     : ::inet_pton(AF_INET, text.c_str(), &v4_address.sin_addr);
  auto* raw =
      v6 ? reinterpret_cast<sockaddr*>(&v6_address) : reinterpret_cast<sockaddr*>(&v4_address);
  if (::connect(socket_, raw, v6 ? sizeof v6_address : sizeof v4_address) != 0)
    surprise(std::string("connect: ") + std::strerror(errno));
}

IscsiClient::~IscsiClient() { close(); }

void IscsiClient::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void IscsiClient::send_raw(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    auto n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) surprise(std::string("send: ") + std::strerror(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void IscsiClient::send_bhs(Bhs bhs, std::span<const std::byte> data,
                           std::span<const std::byte> ahs) {
  bhs.total_ahs_length = static_cast<std::uint8_t>(ahs.size() / 4);
  bhs.data_segment_length = static_cast<std::uint32_t>(data.size());
  std::vector<std::byte> out;
  append(out, bytes_of(bhs));
  append(out, ahs);
  if (header_digest)
    append_digest(out, std::vector<std::byte>(out), std::exchange(corrupt_header_digest, false));
  std::vector<std::byte> segment(data.begin(), data.end());
  segment.resize(padded(static_cast<std::uint32_t>(segment.size())));
  append(out, segment);
  if (data_digest && !segment.empty())
    append_digest(out, segment, std::exchange(corrupt_data_digest, false));
  send_raw(out);
}

bool IscsiClient::readable(std::chrono::milliseconds limit) {
  pollfd wait{socket_, POLLIN, 0};
  return ::poll(&wait, 1, static_cast<int>(limit.count())) == 1;
}

void IscsiClient::read_exactly(std::span<std::byte> into, steady_clock::time_point until) {
  while (!into.empty()) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
    if (left.count() <= 0 || !readable(left)) surprise("no answer in time");
    auto n = ::recv(socket_, into.data(), into.size(), 0);
    if (n <= 0) surprise("the target closed the connection");
    into = into.subspan(static_cast<std::size_t>(n));
  }
}

Pdu IscsiClient::receive(std::chrono::milliseconds limit) {
  auto until = steady_clock::now() + limit;
  Pdu pdu;
  std::array<std::byte, kBhsLength> head;
  read_exactly(head, until);
  pdu.bhs = load<Bhs>(head);
  if (header_digest) {
    std::array<std::byte, kDigestLength> digest;
    read_exactly(digest, until);
    if (load<le32>(digest) != crc32c(head)) surprise("the target's header digest is wrong");
  }
  std::uint32_t length = pdu.bhs.data_segment_length;
  pdu.data.resize(padded(length));
  read_exactly(pdu.data, until);
  if (data_digest && length != 0) {
    std::array<std::byte, kDigestLength> digest;
    read_exactly(digest, until);
    if (load<le32>(digest) != crc32c(pdu.data)) surprise("the target's data digest is wrong");
  }
  pdu.data.resize(length);
  auto numbers = pdu.as<ScsiResponseBhs>();
  exp_cmd_sn = numbers.exp_cmd_sn;
  max_cmd_sn = numbers.max_cmd_sn;
  stat_sn = numbers.stat_sn;
  return pdu;
}

bool IscsiClient::closed(std::chrono::milliseconds limit) {
  auto until = steady_clock::now() + limit;
  std::array<std::byte, 4096> sink;
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
    if (left.count() <= 0 || !readable(left)) return false;
    if (::recv(socket_, sink.data(), sink.size(), 0) <= 0) return true;
  }
}

void IscsiClient::send_login(unsigned csg, unsigned nsg, std::string_view text,
                             std::byte more_flags) {
  auto header = make_header<LoginRequestBhs>(
      Opcode::login_request, static_cast<std::byte>(csg << 2 | nsg) |
                                 (nsg != 0 ? kTransitBit : std::byte{0}) | more_flags);
  header.opcode |= kImmediateBit;
  header.isid = isid;
  header.initiator_task_tag = 7;
  header.cid = 1;
  header.cmd_sn = cmd_sn;
  send(header, std::as_bytes(std::span(text)));
}

IscsiClient::LoginReply IscsiClient::login_answer() {
  auto pdu = receive();
  if (pdu.opcode() != Opcode::login_response) surprise("no Login Response");
  auto header = pdu.as<LoginResponseBhs>();
  LoginReply reply;
  reply.status = static_cast<std::uint16_t>(header.status_class << 8 | header.status_detail);
  reply.tsih = header.tsih;
  reply.flags = header.flags;
  auto pairs = parse_text(pdu.text());
  if (!pairs) surprise("the target's login text is malformed");
  for (const auto& pair : *pairs) reply.keys.emplace(pair.key, pair.value);
  return reply;
}

IscsiClient::LoginReply IscsiClient::login_step(unsigned csg, unsigned nsg, const Keys& keys) {
  std::string text;
  for (const auto& [key, value] : keys) append_text(text, key, value);
  send_login(csg, nsg, text);
  return login_answer();
}

void IscsiClient::adopt(const Answer& keys) {
  auto is = [&](const char* key, const char* value) {
    auto found = keys.find(key);
    return found != keys.end() && found->second == value;
  };
  header_digest = is("HeaderDigest", "CRC32C");
  data_digest = is("DataDigest", "CRC32C");
  immediate_data = !is("ImmediateData", "No");
  if (auto found = keys.find("FirstBurstLength"); found != keys.end())
    first_burst = static_cast<std::uint32_t>(std::stoul(found->second));
}

IscsiClient::LoginReply IscsiClient::login(std::string_view target, const Keys& more) {
  Keys keys{
      {"InitiatorName", name}, {"TargetName", std::string(target)}, {"SessionType", "Normal"}};
  keys.insert(keys.end(), more.begin(), more.end());
  auto reply = login_step(1, 3, keys);
  if (reply.status == 0) adopt(reply.keys);
  return reply;
}

IscsiClient::LoginReply IscsiClient::discover(const Keys& more) {
  Keys keys{{"InitiatorName", name}, {"SessionType", "Discovery"}};
  keys.insert(keys.end(), more.begin(), more.end());
  return login_step(1, 3, keys);
}

std::uint32_t IscsiClient::send_command(std::span<const std::byte> cdb, std::byte flags,
                                        std::uint32_t expected, std::span<const std::byte> data) {
  auto header = make_header<ScsiCommandBhs>(Opcode::scsi_command, flags);
  header.initiator_task_tag = next_tag();
  header.expected_length = expected;
  header.cmd_sn = cmd_sn++;
  std::copy_n(cdb.begin(), std::min(cdb.size(), header.cdb.size()), header.cdb.begin());
  send(header, data);
  return header.initiator_task_tag;
}

void IscsiClient::send_data_out(std::uint32_t tag, std::uint32_t transfer_tag,
                                std::uint32_t data_sn, std::uint32_t offset,
                                std::span<const std::byte> data, bool final) {
  auto header = make_header<DataOutBhs>(Opcode::data_out, final ? kFinalBit : std::byte{0});
  header.initiator_task_tag = tag;
  header.target_transfer_tag = transfer_tag;
  header.data_sn = data_sn;
  header.buffer_offset = offset;
  send(header, data);
}

void IscsiClient::answer_r2t(const Pdu& r2t, std::span<const std::byte> whole) {
  auto header = r2t.as<ReadyToTransferBhs>();
  std::uint32_t offset = header.buffer_offset, left = header.desired_length, data_sn = 0;
  while (left != 0) {
    auto piece = std::min(left, max_recv);
    left -= piece;
    send_data_out(header.initiator_task_tag, header.target_transfer_tag, data_sn++, offset,
                  whole.subspan(offset, piece), left == 0);
    offset += piece;
  }
}

IscsiClient::Result IscsiClient::finish(std::uint32_t tag, std::span<const std::byte> out) {
  Result result;
  for (;;) {
    auto pdu = receive();
    if (pdu.bhs.initiator_task_tag != tag) surprise("an answer to another command");
    result.last = pdu;
    if (pdu.opcode() == Opcode::ready_to_transfer) {
      ++result.r2ts;
      answer_r2t(pdu, out);
      continue;
    }
    if (pdu.opcode() == Opcode::data_in) {
      auto header = pdu.as<DataInBhs>();
      if (header.buffer_offset != result.data.size()) surprise("Data-In out of order");
      if (header.data_sn != result.data_ins++) surprise("DataSN out of order");
      append(result.data, pdu.data);
      if ((header.flags & kStatusBit) == std::byte{0}) continue;
      result.status = header.status;
      result.residual_flags = header.flags & (kOverflowBit | kUnderflowBit);
      result.residual = header.residual;
      return result;
    }
    if (pdu.opcode() != Opcode::scsi_response) surprise("no answer to a command");
    auto header = pdu.as<ScsiResponseBhs>();
    result.status = header.status;
    result.residual_flags = header.flags & (kOverflowBit | kUnderflowBit);
    result.residual = header.residual;
    if (pdu.data.size() > 2) result.sense.assign(pdu.data.begin() + 2, pdu.data.end());
    return result;
  }
}

IscsiClient::Result IscsiClient::read(std::uint64_t lba, std::uint32_t blocks) {
  return finish(send_command(read_16(lba, blocks), kFinalBit | kReadBit, blocks * 512));
}

IscsiClient::Result IscsiClient::write(std::uint64_t lba, std::span<const std::byte> data) {
  auto immediate = immediate_data ? std::min<std::size_t>({data.size(), max_recv, first_burst}) : 0;
  auto tag = send_command(write_16(lba, static_cast<std::uint32_t>(data.size() / 512)),
                          kFinalBit | kWriteBit, static_cast<std::uint32_t>(data.size()),
                          data.first(immediate));
  return finish(tag, data);
}

void IscsiClient::clear_attentions() {
  for (int i = 0; i < 8; ++i)
    if (finish(send_command(test_unit_ready(), kFinalBit, 0)).status == 0) return;
  surprise("the unit does not become ready");
}

TaskManagementBhs IscsiClient::task_request(TaskFunction function, std::uint32_t referenced,
                                            std::uint32_t ref_cmd_sn) {
  auto header = make_header<TaskManagementBhs>(Opcode::task_management);
  header.opcode |= kImmediateBit;
  header.function = kFinalBit | static_cast<std::byte>(function);
  header.initiator_task_tag = next_tag();
  header.referenced_task_tag = referenced;
  header.ref_cmd_sn = ref_cmd_sn;
  header.cmd_sn = cmd_sn;
  return header;
}

Pdu IscsiClient::task_management(TaskFunction function, std::uint32_t referenced,
                                 std::uint32_t ref_cmd_sn) {
  send(task_request(function, referenced, ref_cmd_sn));
  return receive();
}

Pdu IscsiClient::logout() {
  auto header = make_header<LogoutRequestBhs>(Opcode::logout_request);
  header.reason = kFinalBit;
  header.initiator_task_tag = next_tag();
  header.cid = 1;
  header.cmd_sn = cmd_sn++;
  send(header);
  return receive();
}

namespace {

std::vector<std::byte> transfer_16(std::uint8_t opcode, std::uint64_t lba, std::uint32_t blocks) {
  std::vector<std::byte> cdb(16);
  cdb[0] = static_cast<std::byte>(opcode);
  store(std::span(cdb).subspan(2), be64(lba));
  store(std::span(cdb).subspan(10), be32(blocks));
  return cdb;
}

}  // namespace

std::vector<std::byte> read_16(std::uint64_t lba, std::uint32_t blocks) {
  return transfer_16(0x88, lba, blocks);
}
std::vector<std::byte> write_16(std::uint64_t lba, std::uint32_t blocks) {
  return transfer_16(0x8a, lba, blocks);
}
std::vector<std::byte> test_unit_ready() { return std::vector<std::byte>(16); }
std::vector<std::byte> inquiry(std::uint16_t allocation) {
  std::vector<std::byte> cdb(16);
  cdb[0] = std::byte{0x12};
  store(std::span(cdb).subspan(3), be16(allocation));
  return cdb;
}

}  // namespace caisson::tests
