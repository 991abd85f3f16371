// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/soak/disturbers.hpp"

#include <random>
#include <stdexcept>

namespace caisson::tests {

using namespace iscsi;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kName = "iqn.2026-11.io.caisson.test:disturber";

/// Reads on to the answer of a task management request; the commands' own go by.
void await_function(IscsiClient& session, std::uint32_t tag) {
  for (;;)
    if (auto pdu = session.receive(30s); pdu.opcode() == Opcode::task_management_response)
      if (pdu.bhs.initiator_task_tag == tag) return;
}

void function(IscsiClient& session, TaskFunction function, std::uint32_t referenced,
              std::uint32_t number) {
  auto header = make_header<TaskManagementBhs>(Opcode::task_management);
  header.opcode |= kImmediateBit;
  header.function = kFinalBit | static_cast<std::byte>(function);
  header.initiator_task_tag = session.next_tag();
  header.referenced_task_tag = referenced;
  header.ref_cmd_sn = number;
  header.cmd_sn = session.cmd_sn;
  session.send(header);
  await_function(session, header.initiator_task_tag);
}

/// Waits for the status of a command of its own, whatever it is: the pace of resets.
void read_a_little(IscsiClient& session) {
  for (int i = 0; i < 100; ++i)
    session.finish(session.send_command(read_16(0, 64), kFinalBit | kReadBit, 64 * 512));
}

void abort_own_read(IscsiClient& session) {
  auto number = session.cmd_sn;
  auto tag = session.send_command(read_16(0, 2048), kFinalBit | kReadBit, 2048 * 512);
  function(session, TaskFunction::abort_task, tag, number);
}

}  // namespace

void reset_and_abort(const Place& place, const std::atomic<bool>& stop, DisturberCounts& counts) {
  std::mt19937 random(place.port);
  IscsiClient session(place.port);
  session.name = std::string(kName) + "-resets";
  if (session.login(place.target).status != 0) throw std::runtime_error("resets: login refused");
  while (!stop) {
    session.clear_attentions();
    read_a_little(session);
    if (random() % 4 == 0) {
      function(session, TaskFunction::logical_unit_reset, kNoTag, 0);
      ++counts.resets;
    } else {
      abort_own_read(session);
      ++counts.aborts;
    }
  }
}

void come_and_go(const Place& place, const std::atomic<bool>& stop, DisturberCounts& counts) {
  std::mt19937 random(place.port + 1U);
  for (std::uint32_t round = 0; !stop; ++round) {
    try {
      IscsiClient session(place.port);
      session.name = std::string(kName) + "-visitor";
      session.isid[5] = static_cast<std::byte>(round);
      if (session.login(place.target).status != 0) continue;
      session.clear_attentions();
      session.read(0, 8);
      if (random() % 2 == 0) session.logout();
      ++counts.visits;
    } catch (const std::runtime_error&) {  // refused for a moment, as strangers from here may be
    }
  }
}

void send_garbage(const Place& place, const std::atomic<bool>& stop, DisturberCounts& counts) {
  std::mt19937 random(place.port + 2U);
  while (!stop) {
    try {
      IscsiClient session(place.port);
      session.name = std::string(kName) + "-garbage";
      bool inside = random() % 2 == 0 && session.login(place.target).status == 0;
      std::vector<std::byte> bytes(48 + random() % 4096);
      for (auto& byte : bytes) byte = static_cast<std::byte>(random());
      if (inside && random() % 2 == 0) bytes[0] = std::byte{0x01};  // begins as a SCSI command
      session.send_raw(bytes);
      ++counts.garbage;
      if (random() % 4 == 0) session.closed(100ms);
    } catch (const std::runtime_error&) {  // closed in our face, as it should be
    }
  }
}

}  // namespace caisson::tests
