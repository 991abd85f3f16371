// SPDX-License-Identifier: Apache-2.0
// Keeps docs/protocol/nbs.md true: the exchange in hex, the opcode table and
// the status table there are the ones made here.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "nbs/wire/control.pb.h"
#include "nbs/wire/frame.hpp"
#include "nbs/wire/opcode.hpp"
#include "nbs/wire/status.hpp"

namespace caisson::nbs::wire {
namespace {

using ::testing::HasSubstr;

std::string page() {
  std::ifstream file(CAISSON_SOURCE_DIR "/docs/protocol/nbs.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string hex_of(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 16) {
    out += fmt::format("{:04x} ", at);
    std::string readable;
    for (std::size_t i = at; i < at + 16; ++i) {
      if (i >= bytes.size()) {
        out += "   ";
        continue;
      }
      auto byte = static_cast<unsigned char>(bytes[i]);
      out += fmt::format(" {:02x}", byte);
      readable += byte > 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.';
    }
    out += "  " + readable + "\n";
  }
  return out;
}

std::string frame_of(Op op, std::uint16_t flags, Status status, std::string_view body) {
  Header header;
  header.opcode = opcode(op).number;
  header.flags = flags;
  header.status = static_cast<std::uint16_t>(status);
  header.request_id = 2;
  std::string out;
  append_frame(out, header, body);
  return out;
}

TEST(NbsProtocolPage, ShowsTheExchangeThatTheCodeMakes) {
  LunShowRequest request;
  request.set_name("db1");
  EXPECT_THAT(
      page(),
      HasSubstr(hex_of(frame_of(Op::lun_show, 0, Status::ok, request.SerializeAsString()))));
  auto refusal = encode_failure(
      failure(Errc::not_found, "LUN 'db1' does not exist", "see `caisson lun list`"));
  EXPECT_THAT(page(),
              HasSubstr(hex_of(frame_of(Op::lun_show, kReply, Status::not_found, refusal))));
}

TEST(NbsProtocolPage, ListsEveryOperation) {
  for (const auto& row : opcodes()) {
    std::string roles;
    for (auto role : {Role::admin, Role::operator_, Role::host, Role::agent})
      if (row.roles.contains(role))
        roles += fmt::format("{}{}", roles.empty() ? "" : ", ", to_string(role));
    EXPECT_THAT(page(), HasSubstr(fmt::format("| 0x{:04x} | {} | {} | {} | {} |\n", row.number,
                                              row.name, roles, row.request, row.reply)));
  }
}

TEST(NbsProtocolPage, ListsEveryStatus) {
  for (int value = 1; value <= static_cast<int>(Errc::internal); ++value) {
    auto code = static_cast<Errc>(value);
    EXPECT_THAT(page(),
                HasSubstr(fmt::format("| 0x{:04x} | {} |", static_cast<unsigned>(to_status(code)),
                                      name_of(code))));
  }
}

}  // namespace
}  // namespace caisson::nbs::wire
