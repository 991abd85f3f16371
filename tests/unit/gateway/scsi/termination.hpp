// SPDX-License-Identifier: Apache-2.0
// A termination over an object in memory, and CDBs written as hexadecimal.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/scsi/command.hpp"
#include "gateway/scsi/lun_address.hpp"
#include "gateway/scsi/nexus.hpp"
#include "gateway/scsi/senses.hpp"
#include "tests/support/memory_object.hpp"

namespace caisson::scsi {

using Bytes = std::vector<std::byte>;

/// "28 00 0000" in any grouping.
inline Bytes hex(std::string_view text) {
  Bytes bytes;
  std::string digits;
  for (char c : text)
    if (c != ' ') digits += c;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return bytes;
}

inline Bytes filled(std::size_t size, char with) {
  return Bytes(size, static_cast<std::byte>(with));
}

template <WireLayout T>
T at(const Bytes& bytes, std::size_t offset) {
  return load<T>(std::span(bytes).subspan(offset));
}

/// One command with room for its answer.
struct Exchange {
  Task task;
  DataPlan plan;
  bool accepted = false;
  int completions = 0;

  Status status() const { return task.status; }
  const Sense& sense() const { return task.sense; }
  bool good() const { return task.status == Status::good && !task.sense.present(); }
  Bytes data() const {
    auto all = task.data_in.span().first(task.data_in_length);
    return {all.begin(), all.end()};
  }
};

class ScsiTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kBlock = 512;

  static NexusIdentity identity(std::uint64_t id) {
    NexusIdentity identity;
    identity.id = id;
    identity.host = 7;
    identity.host_name = "host";
    identity.initiator_port = "iqn.1993-08.org.debian:1,i,0x1";
    identity.target_name = "iqn.2026-11.io.caisson:node:disk";
    identity.relative_port = 2;
    identity.portal_group = 3;
    return identity;
  }

  ScsiTest() { attach({}); }

  /// Starts over with another object.
  void attach(tests::MemoryObject::Setup setup, bool read_only = false) {
    nexus_.reset();
    object_ = std::make_shared<tests::MemoryObject>(std::move(setup));
    unit_ = std::make_shared<LogicalUnit>(object_);
    nexus_ = std::make_unique<Nexus>(identity(1), std::vector<LunMapping>{{0, unit_, read_only}});
    clear(*nexus_);
  }

  /// Takes what is pending for a LUN out of the way.
  static void clear(Nexus& nexus, std::uint64_t lun = 0) {
    while (nexus.pending(lun) != 0) {
      Exchange x;
      start(nexus, x, hex("03 00 00 00 FC 00"), {}, lun_address(lun));
    }
  }

  static void start(Nexus& nexus, Exchange& x, const Bytes& cdb, const Bytes& out = {},
                    std::uint64_t lun = 0) {
    x.task.lun = lun;
    std::ranges::copy(cdb, x.task.cdb.begin());
    x.task.cdb_length = 16;
    x.task.owner = &x;
    x.task.complete = [](Task& task) noexcept {
      ++static_cast<Exchange*>(task.owner)->completions;
    };
    x.accepted = nexus.prepare(x.task, x.plan);
    if (!x.accepted) return;
    if (x.plan.direction == Direction::out) {
      x.task.data_out_length = std::min<std::uint64_t>(out.size(), x.plan.length);
      x.task.data_out = Buffer(std::max<std::size_t>(out.size(), 1));
      std::ranges::copy(out, x.task.data_out.data());
    }
    nexus.execute(x.task);
  }

  /// A whole command on LUN 0 that completes at once.
  Exchange run(std::string_view cdb, const Bytes& out = {}, std::uint64_t lun = 0) {
    return run(hex(cdb), out, lun);
  }
  Exchange run(const Bytes& cdb, const Bytes& out = {}, std::uint64_t lun = 0) {
    Exchange x;
    start(*nexus_, x, cdb, out, lun);
    EXPECT_EQ(x.completions, x.accepted ? 1 : 0);
    return x;
  }

  static std::string printable(const Sense& sense) {
    char text[64];
    std::snprintf(text, sizeof text, "%x/%02x/%02x byte %d bit %d", static_cast<int>(sense.key),
                  sense.asc, sense.ascq, sense.field ? sense.field->byte : -1,
                  sense.field && sense.field->bit ? *sense.field->bit : -1);
    return text;
  }

  static void expect_sense(const Exchange& x, const Sense& sense) {
    EXPECT_EQ(x.status(), Status::check_condition);
    EXPECT_EQ(x.sense(), sense) << printable(x.sense());
    EXPECT_EQ(x.task.data_in_length, 0u);
  }
  static void expect_field(const Exchange& x, std::uint16_t byte, std::uint8_t bit) {
    expect_sense(x, kInvalidField);
    ASSERT_TRUE(x.sense().field) << printable(x.sense());
    EXPECT_TRUE(x.sense().field->in_cdb);
    EXPECT_EQ(x.sense().field->byte, byte) << printable(x.sense());
    EXPECT_EQ(x.sense().field->bit, bit) << printable(x.sense());
  }

  std::shared_ptr<tests::MemoryObject> object_;
  std::shared_ptr<LogicalUnit> unit_;
  std::unique_ptr<Nexus> nexus_;
};

}  // namespace caisson::scsi
