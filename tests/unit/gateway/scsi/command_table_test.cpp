// SPDX-License-Identifier: Apache-2.0
// Walks the command table: what every row promises holds for every row.
#include <bit>

#include "gateway/scsi/counters.hpp"
#include "gateway/scsi/unit_attention.hpp"
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

class CommandTableTest : public ScsiTest {
 protected:
  /// A CDB of the row with every field zero, but for the page MODE SENSE needs,
  /// the format MODE SELECT demands and the values LOG SENSE has.
  static Bytes blank(const CommandSpec& row) {
    Bytes cdb(16);
    cdb[0] = static_cast<std::byte>(row.opcode);
    if (row.opcode == 0x1a || row.opcode == 0x5a) cdb[2] = std::byte{0x3f};
    if (row.opcode == 0x15 || row.opcode == 0x55) cdb[1] = std::byte{0x10};
    if (row.opcode == 0x4d) cdb[2] = std::byte{0x40};
    if (row.action != kNoAction) cdb[1] = static_cast<std::byte>(row.action);
    return cdb;
  }
  static bool is_service_action(const CommandSpec& row, std::size_t byte, int bit) {
    return row.action != kNoAction && byte == 1 && bit < 5;
  }
  std::uint64_t count(std::string_view name, std::uint64_t CommandCount::*kind) const {
    for (const auto& row : command_counts())
      if (row.name == name) return row.*kind;
    ADD_FAILURE() << "no counter for " << name;
    return 0;
  }
};

TEST_F(CommandTableTest, EveryBitOutsideTheUsageMaskIsRefusedByItsPlace) {
  for (const auto& row : command_table())
    for (std::size_t byte = 1; byte < row.length; ++byte)
      for (int bit = 0; bit < 8; ++bit) {
        if ((row.usage[byte] >> bit & 1) != 0 || is_service_action(row, byte, bit)) continue;
        SCOPED_TRACE(std::string(row.name) + " byte " + std::to_string(byte) + " bit " +
                     std::to_string(bit));
        auto cdb = blank(row);
        cdb[byte] |= static_cast<std::byte>(1 << bit);
        auto x = run(cdb);
        EXPECT_FALSE(x.accepted);
        expect_field(x, static_cast<std::uint16_t>(byte), static_cast<std::uint8_t>(bit));
      }
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(CommandTableTest, BytesBehindTheCdbDoNotMatter) {
  auto cdb = hex("00 00 00 00 00 00 FF FF FF FF FF FF FF FF FF FF");
  EXPECT_TRUE(run(cdb).good());
}

TEST_F(CommandTableTest, CutCdbIsRefused) {
  for (const auto& row : command_table()) {
    SCOPED_TRACE(row.name);
    Exchange x;
    auto cdb = blank(row);
    std::ranges::copy(cdb, x.task.cdb.begin());
    x.task.cdb_length = static_cast<std::uint8_t>(row.length - 1);
    EXPECT_FALSE(nexus_->prepare(x.task, x.plan));
    expect_sense(x, kInvalidField);
  }
}

TEST_F(CommandTableTest, PlanMovesDataTheWayTheRowSays) {
  for (const auto& row : command_table()) {
    SCOPED_TRACE(row.name);
    Exchange x;
    start(*nexus_, x, blank(row), filled(4096, 0));
    EXPECT_TRUE(x.plan.direction == row.data || x.plan.direction == Direction::none);
  }
}

TEST_F(CommandTableTest, EveryAnswerFitsItsAllocationLength) {
  for (const auto& row : command_table()) {
    if (row.data != Direction::in) continue;
    SCOPED_TRACE(row.name);
    auto x = run(blank(row));
    ASSERT_TRUE(x.accepted);
    EXPECT_LE(x.task.data_in_length, x.plan.length);
  }
}

TEST_F(CommandTableTest, HugeAllocationLengthsClaimNoMemory) {
  for (const auto& row : command_table()) {
    if (row.data != Direction::in || row.access != Access::none) continue;
    SCOPED_TRACE(row.name);
    auto cdb = blank(row);
    auto from = row.length == 16 ? 10u : row.length == 10 ? 7u : 6u;  // of the allocation length
    for (std::size_t byte = from; byte < row.length; ++byte)
      cdb[byte] = static_cast<std::byte>(row.usage[byte]);
    auto x = run(cdb);
    EXPECT_TRUE(x.good());
    EXPECT_LE(x.plan.length, 256u << 10);
  }
}

TEST_F(CommandTableTest, AbsentUnitAnswersOnlyWhatSpcNames) {
  for (const auto& row : command_table()) {
    SCOPED_TRACE(row.name);
    auto x = run(blank(row), {}, lun_address(5));
    if ((row.allow & kWithoutUnit) != 0)
      EXPECT_TRUE(x.good());
    else
      expect_sense(x, kNoSuchLun);
  }
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(CommandTableTest, OfflineUnitAnswersOnlyWhatNeedsNoMedium) {
  object_->set_state(catalog::LunState::offline);
  for (const auto& row : command_table()) {
    SCOPED_TRACE(row.name);
    auto x = run(blank(row));
    if ((row.allow & kWhenOffline) != 0)
      EXPECT_TRUE(x.good()) << printable(x.sense());
    else
      expect_sense(x, kManualIntervention);
  }
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(CommandTableTest, ReadOnlyMappingRefusesEveryWrite) {
  attach({}, true);
  for (const auto& row : command_table()) {
    if (row.access != Access::write) continue;
    SCOPED_TRACE(row.name);
    expect_sense(run(blank(row)), kWriteProtected);
  }
}

TEST_F(CommandTableTest, PendingAttentionInterruptsAllButThree) {
  for (const auto& row : command_table()) {
    SCOPED_TRACE(row.name);
    unit_->raise(UnitAttention::capacity_changed);
    auto x = run(blank(row));
    if ((row.allow & kDuringAttention) == 0) {
      expect_sense(x, {SenseKey::unit_attention, 0x2a, 0x09});
      EXPECT_EQ(nexus_->pending(0), 0u);
    } else {
      EXPECT_TRUE(x.good());
    }
    clear(*nexus_);
  }
  EXPECT_TRUE(object_->seen().empty());
}

TEST_F(CommandTableTest, AttentionComesBeforeAnyFaultOfTheCdb) {
  unit_->raise(UnitAttention::capacity_changed);
  expect_sense(run("FF"), {SenseKey::unit_attention, 0x2a, 0x09});
  expect_sense(run("FF"), kInvalidOpcode);
}

TEST_F(CommandTableTest, UnknownOpcodes) {
  for (int opcode = 0; opcode < 256; ++opcode) {
    if (!rows_of(static_cast<std::uint8_t>(opcode)).empty()) continue;
    Bytes cdb(16);
    cdb[0] = static_cast<std::byte>(opcode);
    expect_sense(run(cdb), kInvalidOpcode);
  }
}

TEST_F(CommandTableTest, UnknownServiceActionIsAnInvalidField) {
  expect_field(run("9E 1F"), 1, 4);
  expect_field(run("A3 00"), 1, 4);
}

TEST_F(CommandTableTest, UnmapExistsOnlyWhereTheStoreCan) {
  tests::MemoryObject::Setup setup;
  setup.features.unmap = false;
  attach(setup);
  expect_sense(run("42 00 00000000 00 0018 00"), kInvalidOpcode);
}

TEST_F(CommandTableTest, CountsWhatIsStartedAndWhatIsRefused) {
  auto started = count("TEST UNIT READY", &CommandCount::started);
  auto refused = count("TEST UNIT READY", &CommandCount::refused);
  auto other = count("OTHER", &CommandCount::refused);
  run("00");
  run("00 01");
  run("FF");
  EXPECT_EQ(count("TEST UNIT READY", &CommandCount::started), started + 1);
  EXPECT_EQ(count("TEST UNIT READY", &CommandCount::refused), refused + 1);
  EXPECT_EQ(count("OTHER", &CommandCount::refused), other + 1);
}

// REPORT SUPPORTED OPERATION CODES

TEST_F(CommandTableTest, ListsEveryRow) {
  auto data = run("A3 0C 00 00 0000 0000FFFF 00 00").data();
  ASSERT_EQ(data.size(), 4 + 8 * command_table().size());
  EXPECT_EQ(at<be32>(data, 0), data.size() - 4);
  for (std::size_t i = 0; i < command_table().size(); ++i) {
    const auto& row = command_table()[i];
    SCOPED_TRACE(row.name);
    auto offset = 4 + 8 * i;
    EXPECT_EQ(data[offset], static_cast<std::byte>(row.opcode));
    EXPECT_EQ(at<be16>(data, offset + 2), row.action == kNoAction ? 0 : row.action);
    EXPECT_EQ(data[offset + 5], static_cast<std::byte>(row.action == kNoAction ? 0 : 1));
    EXPECT_EQ(at<be16>(data, offset + 6), row.length);
  }
}

TEST_F(CommandTableTest, ListsTimeoutsWhenAsked) {
  auto data = run("A3 0C 80 00 0000 0000FFFF 00 00").data();
  ASSERT_EQ(data.size(), 4 + 20 * command_table().size());
  for (std::size_t i = 0; i < command_table().size(); ++i) {
    auto offset = 4 + 20 * i;
    EXPECT_EQ(data[offset + 5] & std::byte{2}, std::byte{2});
    EXPECT_EQ(at<be16>(data, offset + 8), 10);
    EXPECT_EQ(at<be32>(data, offset + 16), command_table()[i].timeout);
    EXPECT_GT(at<be32>(data, offset + 16), 0u);
  }
}

TEST_F(CommandTableTest, DescribesOneRow) {
  for (const auto& row : command_table())
    for (bool timeouts : {false, true}) {
      SCOPED_TRACE(row.name);
      auto has_action = row.action != kNoAction;
      auto cdb = hex("A3 0C 00 00 0000 0000FFFF 00 00");
      cdb[2] = static_cast<std::byte>((has_action ? 2 : 1) | (timeouts ? 0x80 : 0));
      cdb[3] = static_cast<std::byte>(row.opcode);
      if (has_action) cdb[5] = static_cast<std::byte>(row.action);
      auto data = run(cdb).data();
      ASSERT_EQ(data.size(), 4u + row.length + (timeouts ? 12 : 0));
      EXPECT_EQ(data[1], static_cast<std::byte>(timeouts ? 0x83 : 0x03));
      EXPECT_EQ(at<be16>(data, 2), row.length);
      for (std::size_t i = 0; i < row.length; ++i)
        EXPECT_EQ(data[4 + i], static_cast<std::byte>(row.usage[i])) << i;
      cdb[2] = static_cast<std::byte>(3);
      EXPECT_EQ(run(cdb).data()[1], std::byte{3});
      cdb[2] = static_cast<std::byte>(has_action ? 1 : 2);
      expect_field(run(cdb), 2, 2);
    }
}

TEST_F(CommandTableTest, DescribesWhatIsNotSupported) {
  for (auto cdb : {"A3 0C 01 FF 0000 0000FFFF 00 00", "A3 0C 02 FF 0000 0000FFFF 00 00",
                   "A3 0C 02 9E 001F 0000FFFF 00 00", "A3 0C 02 9E 0110 0000FFFF 00 00",
                   "A3 0C 03 FF 0000 0000FFFF 00 00"})
    EXPECT_EQ(run(cdb).data(), hex("00 01 0000")) << cdb;
  tests::MemoryObject::Setup setup;
  setup.features.unmap = false;
  attach(setup);
  EXPECT_EQ(run("A3 0C 01 42 0000 0000FFFF 00 00").data(), hex("00 01 0000"));
  EXPECT_EQ(run("A3 0C 00 00 0000 0000FFFF 00 00").data().size(),
            4 + 8 * (command_table().size() - 1));
}

TEST_F(CommandTableTest, ReportingOptionsBeyondThree) {
  expect_field(run("A3 0C 04 00 0000 0000FFFF 00 00"), 2, 2);
}

}  // namespace
}  // namespace caisson::scsi
