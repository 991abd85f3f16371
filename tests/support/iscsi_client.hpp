// SPDX-License-Identifier: Apache-2.0
// An initiator that sends exactly the PDUs it is told to, right or wrong.
// Blocking, with a limit on every wait; throws std::runtime_error on surprises.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/iscsi/pdu.hpp"

namespace caisson::tests {

struct Pdu {
  iscsi::Bhs bhs{};
  std::vector<std::byte> data;

  iscsi::Opcode opcode() const noexcept { return static_cast<iscsi::Opcode>(bhs.code()); }
  template <iscsi::HeaderLayout T>
  T as() const noexcept {
    return iscsi::header_cast<T>(bhs);
  }
  std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }
};

std::vector<std::byte> pattern(std::size_t length, unsigned seed = 1);
std::vector<std::byte> to_bytes(std::string_view text);

class IscsiClient {
 public:
  using Keys = std::vector<std::pair<std::string, std::string>>;
  using Answer = std::map<std::string, std::string>;

  static constexpr std::string_view kName = "iqn.2026-11.io.caisson.test:initiator";

  explicit IscsiClient(std::uint16_t port, std::string_view address = "127.0.0.1",
                       int receive_buffer = 0);
  ~IscsiClient();
  IscsiClient(const IscsiClient&) = delete;
  IscsiClient& operator=(const IscsiClient&) = delete;

  // The wire.
  void send_raw(std::span<const std::byte> bytes);
  /// Sets the lengths; adds additional headers, padding and the agreed digests.
  template <iscsi::HeaderLayout T>
  void send(T header, std::span<const std::byte> data = {}, std::span<const std::byte> ahs = {}) {
    send_bhs(iscsi::header_cast<iscsi::Bhs>(header), data, ahs);
  }
  Pdu receive(std::chrono::milliseconds limit = std::chrono::seconds(10));
  /// True if a PDU's first byte comes within the limit.
  bool readable(std::chrono::milliseconds limit);
  /// Reads on until the peer closes; false if it does not within the limit.
  bool closed(std::chrono::milliseconds limit = std::chrono::seconds(10));
  void close();

  // Login.
  struct LoginReply {
    std::uint16_t status = 0;
    std::uint16_t tsih = 0;
    Answer keys;
    std::byte flags{};
  };
  /// One request: from stage `csg`, with T towards `nsg` unless that is 0.
  LoginReply login_step(unsigned csg, unsigned nsg, const Keys& keys);
  void send_login(unsigned csg, unsigned nsg, std::string_view text, std::byte more_flags = {});
  LoginReply login_answer();
  /// A whole login without authentication, straight into the full feature phase.
  LoginReply login(std::string_view target, const Keys& more = {});
  LoginReply discover(const Keys& more = {});

  // Full feature phase.
  std::uint32_t next_tag() noexcept { return tag_++; }
  std::uint32_t send_command(std::span<const std::byte> cdb, std::byte flags,
                             std::uint32_t expected, std::span<const std::byte> data = {});
  void send_data_out(std::uint32_t tag, std::uint32_t transfer_tag, std::uint32_t data_sn,
                     std::uint32_t offset, std::span<const std::byte> data, bool final);
  /// Sends the bytes an R2T asks for out of the command's data.
  void answer_r2t(const Pdu& r2t, std::span<const std::byte> whole);
  struct Result {
    std::uint8_t status = 0xff;
    std::vector<std::byte> data;
    std::vector<std::byte> sense;
    std::byte residual_flags{};
    std::uint32_t residual = 0;
    std::uint32_t r2ts = 0;
    std::uint32_t data_ins = 0;
    Pdu last;
  };
  /// Runs until the status of this command; answers R2Ts from `out`.
  Result finish(std::uint32_t tag, std::span<const std::byte> out = {});
  Result read(std::uint64_t lba, std::uint32_t blocks);
  /// With as much immediate data as was agreed.
  Result write(std::uint64_t lba, std::span<const std::byte> data);
  /// TEST UNIT READY until no unit attention is left.
  void clear_attentions();
  Pdu task_management(iscsi::TaskFunction function, std::uint32_t referenced,
                      std::uint32_t ref_cmd_sn);
  /// An ABORT TASK to send.
  iscsi::TaskManagementBhs abort_of(std::uint32_t tag, std::uint32_t ref_cmd_sn) {
    return task_request(iscsi::TaskFunction::abort_task, tag, ref_cmd_sn);
  }
  iscsi::TaskManagementBhs task_request(iscsi::TaskFunction function, std::uint32_t referenced,
                                        std::uint32_t ref_cmd_sn);
  Pdu logout();

  std::string name{kName};
  iscsi::Isid isid{std::byte{0x80}, std::byte{1}, std::byte{2},
                   std::byte{3},    std::byte{0}, std::byte{0}};
  std::uint32_t cmd_sn = 1;
  std::uint32_t max_recv = 262144;    ///< what the target takes per PDU
  std::uint32_t first_burst = 65536;  ///< as agreed
  bool immediate_data = true;
  bool header_digest = false;
  bool data_digest = false;
  bool corrupt_data_digest = false;  ///< the next PDU's
  bool corrupt_header_digest = false;
  std::uint32_t exp_cmd_sn = 0, max_cmd_sn = 0;  ///< as last heard
  std::uint32_t stat_sn = 0;

 private:
  void send_bhs(iscsi::Bhs bhs, std::span<const std::byte> data, std::span<const std::byte> ahs);
  void read_exactly(std::span<std::byte> into, std::chrono::steady_clock::time_point until);
  void adopt(const Answer& keys);

  int socket_ = -1;
  std::uint32_t tag_ = 0x1000;
};

/// CDBs.
std::vector<std::byte> read_16(std::uint64_t lba, std::uint32_t blocks);
std::vector<std::byte> write_16(std::uint64_t lba, std::uint32_t blocks);
std::vector<std::byte> test_unit_ready();
std::vector<std::byte> inquiry(std::uint16_t allocation);

}  // namespace caisson::tests
