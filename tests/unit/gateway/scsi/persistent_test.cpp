// SPDX-License-Identifier: Apache-2.0
// PERSISTENT RESERVE IN and OUT, RESERVE and RELEASE, between two nexuses.
#include "gateway/scsi/transport_id.hpp"
#include "gateway/scsi/unit_attention.hpp"
#include "gateway/scsi/wire.hpp"
#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

using object::CommandClass;
using object::ReservationType;

constexpr std::uint8_t kRegister = 0, kReserve = 1, kRelease = 2, kClear = 3, kPreempt = 4,
                       kPreemptAndAbort = 5, kRegisterAndIgnore = 6, kRegisterAndMove = 7;
constexpr std::string_view kOther = "iqn.1993-08.org.debian:2,i,0x00023d000001";

class PersistentTest : public ScsiTest {
 protected:
  PersistentTest() {
    auto identity = ScsiTest::identity(2);
    identity.initiator_port = kOther;
    other_ = std::make_unique<Nexus>(identity, std::vector<LunMapping>{{0, unit_}});
    clear(*other_);
  }

  static Bytes out_list(std::uint64_t key, std::uint64_t service_key, std::uint8_t flags = 0) {
    wire::PersistentOutList list{};
    list.key = key;
    list.service_key = service_key;
    list.flags = flags;
    auto bytes = bytes_of(list);
    return {bytes.begin(), bytes.end()};
  }
  static Bytes move_list(std::uint64_t key, std::uint64_t service_key, std::string_view to,
                         std::uint16_t port = 2) {
    wire::RegisterAndMoveList list{};
    list.key = key;
    list.service_key = service_key;
    list.relative_port = port;
    auto id = transport_id(to);
    list.id_length = static_cast<std::uint32_t>(id.size());
    auto bytes = bytes_of(list);
    Bytes all(bytes.begin(), bytes.end());
    append(all, id);
    return all;
  }
  static void append(Bytes& bytes, std::string_view text) {
    auto more = std::as_bytes(std::span(text));
    bytes.insert(bytes.end(), more.begin(), more.end());
  }

  Exchange out(Nexus& nexus, std::uint8_t action, const Bytes& list, std::uint8_t type = 0) {
    wire::PersistentOutCdb cdb{0x5f, action, type, 0, static_cast<std::uint32_t>(list.size()), 0};
    Exchange x;
    auto bytes = bytes_of(cdb);
    start(nexus, x, {bytes.begin(), bytes.end()}, list);
    EXPECT_EQ(x.completions, x.accepted ? 1 : 0);
    return x;
  }
  Exchange ask(Nexus& nexus, std::string_view cdb, const Bytes& data = {}) {
    Exchange x;
    start(nexus, x, hex(cdb), data);
    return x;
  }
  void enroll(Nexus& nexus, std::uint64_t key) {
    ASSERT_TRUE(out(nexus, kRegisterAndIgnore, out_list(0, key)).good());
  }
  void hold(ReservationType type) {
    enroll(*nexus_, 1);
    ASSERT_TRUE(out(*nexus_, kReserve, out_list(1, 0), static_cast<std::uint8_t>(type)).good());
  }
  static void expect_conflict(const Exchange& x) {
    EXPECT_EQ(x.status(), Status::reservation_conflict);
    EXPECT_FALSE(x.sense().present());
    EXPECT_EQ(x.task.data_in_length, 0u);
  }

  std::unique_ptr<Nexus> other_;
};

TEST_F(PersistentTest, KeysAndReservationAreRead) {
  EXPECT_EQ(run("5E 00 0000000000 0100 00").data(), hex("00000000 00000000"));
  EXPECT_EQ(run("5E 01 0000000000 0100 00").data(), hex("00000000 00000000"));
  enroll(*nexus_, 0x11);
  enroll(*other_, 0x22);
  EXPECT_EQ(run("5E 00 0000000000 0100 00").data(),
            hex("00000002 00000010 0000000000000011 0000000000000022"));
  EXPECT_EQ(run("5E 00 0000000000 000A 00").data(), hex("00000002 00000010 0000"));
  ASSERT_TRUE(out(*other_, kReserve, out_list(0x22, 0), 5).good());
  EXPECT_EQ(run("5E 01 0000000000 0100 00").data(),
            hex("00000002 00000010 0000000000000022 00000000 00 05 0000"));
}

TEST_F(PersistentTest, AllRegistrantsHoldUnderKeyZero) {
  enroll(*nexus_, 1);
  ASSERT_TRUE(out(*nexus_, kReserve, out_list(1, 0), 7).good());
  EXPECT_EQ(run("5E 01 0000000000 0100 00").data(),
            hex("00000001 00000010 0000000000000000 00000000 00 07 0000"));
}

TEST_F(PersistentTest, FullStatusNamesEveryRegistrant) {
  hold(ReservationType::write_exclusive);
  ASSERT_TRUE(out(*other_, kRegister, out_list(0, 2, wire::kAllTargetPortsAsked)).good());
  auto data = run("5E 03 0000000000 0200 00").data();
  EXPECT_EQ(at<be32>(data, 4), data.size() - 8);
  auto first = at<wire::FullStatusDescriptor>(data, 8);
  EXPECT_EQ(first.key, 1u);
  EXPECT_EQ(first.flags, wire::kHolder);
  EXPECT_EQ(first.scope_and_type, 1);
  EXPECT_EQ(first.relative_port, 2u);
  auto second = at<wire::FullStatusDescriptor>(data, 8 + 24 + first.length);
  EXPECT_EQ(second.flags, wire::kAllTargetPortsStatus);
  EXPECT_EQ(second.scope_and_type, 0);
  Bytes id;
  append(id, transport_id(kOther));
  EXPECT_TRUE(std::ranges::equal(std::span(data).last(id.size()), id));
}

TEST_F(PersistentTest, Capabilities) {
  EXPECT_EQ(run("5E 02 0000000000 0100 00").data(), hex("0008 1D 80 EA01 0000"));
  ASSERT_TRUE(out(*nexus_, kRegister, out_list(0, 1, wire::kPersistThroughPowerLoss)).good());
  EXPECT_EQ(run("5E 02 0000000000 0100 00").data(), hex("0008 1D 81 EA01 0000"));
}

/// Every row of the command table obeys its class, whatever its CDB says.
TEST_F(PersistentTest, EveryCommandConflictsByItsClass) {
  for (auto type : {ReservationType::write_exclusive, ReservationType::exclusive_access}) {
    hold(type);
    for (const auto& row : command_table()) {
      SCOPED_TRACE(row.name);
      Exchange x;
      x.task.cdb[0] = static_cast<std::byte>(row.opcode);
      if (row.action != kNoAction) x.task.cdb[1] = static_cast<std::byte>(row.action);
      if (row.opcode == 0x1b)
        x.task.cdb[4] = std::byte{1};  // starting; stopping is a write's class
      x.task.cdb_length = 16;
      EXPECT_EQ(row.access == Access::write && row.guard != CommandClass::write, false);
      other_->prepare(x.task, x.plan);
      auto expected =
          row.guard == CommandClass::write ||
          (row.guard == CommandClass::read && type == ReservationType::exclusive_access);
      EXPECT_EQ(x.status() == Status::reservation_conflict, expected);
    }
    ASSERT_TRUE(out(*nexus_, kClear, out_list(1, 0)).good());
  }
}

TEST_F(PersistentTest, AWriteUnderWayWhenItIsFencedConflicts) {
  enroll(*nexus_, 1);
  Exchange x;
  x.task.complete = [](Task&) noexcept {};
  std::ranges::copy(hex("2A 00 00000000 00 0001 00"), x.task.cdb.begin());
  x.task.cdb_length = 16;
  ASSERT_TRUE(other_->prepare(x.task, x.plan));
  hold(ReservationType::write_exclusive);
  x.task.data_out = Buffer(512);
  x.task.data_out_length = 512;
  other_->execute(x.task);
  EXPECT_EQ(x.status(), Status::reservation_conflict);
}

TEST_F(PersistentTest, AttentionsOfTheOthers) {
  struct Row {
    std::uint8_t action, ascq;
  };
  for (auto [action, ascq] :
       {Row{kRelease, 4}, Row{kPreempt, 5}, Row{kPreemptAndAbort, 5}, Row{kClear, 3}}) {
    hold(ReservationType::write_exclusive_registrants_only);
    enroll(*other_, 2);
    ASSERT_TRUE(out(*nexus_, action, out_list(1, 2), 5).good());
    expect_sense(ask(*other_, "00"), {SenseKey::unit_attention, 0x2a, ascq});
    EXPECT_TRUE(ask(*other_, "00").good());
    EXPECT_TRUE(run("00").good());
    ASSERT_TRUE(out(*nexus_, kClear, out_list(action == kClear ? 0 : 1, 0)).accepted);
    clear(*other_);
  }
}

TEST_F(PersistentTest, ResultsBecomeStatusAndSense) {
  hold(ReservationType::write_exclusive);
  expect_conflict(out(*nexus_, kRegister, out_list(9, 1)));
  expect_conflict(out(*other_, kReserve, out_list(0, 0), 1));
  expect_sense(out(*nexus_, kRelease, out_list(1, 0), 3), kInvalidRelease);
  expect_sense(out(*nexus_, kPreempt, out_list(1, 0), 1), kInvalidParameter);
}

TEST_F(PersistentTest, TooManyRegistrationsNameTheReason) {
  for (std::uint64_t i = 0; i < object::kMaxRegistrations; ++i)
    object_->reservations().commit(
        0, apply(object_->reservations().state(),
                 {.action = object::ReservationAction::register_key, .service_key = 1},
                 {"port " + std::to_string(i), 1}));
  expect_sense(out(*nexus_, kRegister, out_list(0, 1)), kNoRegistrationRoom);
}

TEST_F(PersistentTest, CdbIsChecked) {
  for (auto action : {kReserve, kRelease, kPreempt, kPreemptAndAbort}) {
    expect_field(out(*nexus_, action, out_list(0, 0), 0x11), 2, 7);
    for (std::uint8_t type : {0, 2, 4, 9, 15})
      expect_field(out(*nexus_, action, out_list(0, 0), type), 2, 3);
  }
  EXPECT_TRUE(out(*nexus_, kRegister, out_list(0, 0), 0xff).good()) << "does not count there";
  expect_field(run("5E 04 0000000000 0100 00"), 1, 4);
  expect_field(run("5F 08 00 0000 00000018 00"), 1, 4);
}

TEST_F(PersistentTest, ListLengthIsChecked) {
  for (std::uint8_t action = 0; action <= 7; ++action) {
    SCOPED_TRACE(int{action});
    auto longer = out_list(0, 0);
    longer.push_back({});
    expect_sense(out(*nexus_, action, Bytes(23), 1), kParameterListLength);
    expect_sense(out(*nexus_, action, longer, 1), kParameterListLength);
  }
  expect_sense(run("5F 00 00 0000 00010001 00"), kParameterListLength);
  expect_sense(run("5F 00 00 0000 00000018 00", Bytes(20)), kParameterListLength);
}

TEST_F(PersistentTest, RegistersTheInitiatorsOfAList) {
  auto list = out_list(0, 7, wire::kSpecifyPorts);
  auto id = transport_id(kOther);
  append(list, std::string_view("\0\0\0", 3));
  append(list, std::string(1, static_cast<char>(id.size())));
  append(list, id);
  expect_sense(out(*nexus_, kRegisterAndIgnore, list), kInvalidParameter);
  EXPECT_TRUE(out(*nexus_, kRegister, list).good());
  EXPECT_EQ(run("5E 00 0000000000 0100 00").data(),
            hex("00000001 00000010 0000000000000007 0000000000000007"));
  EXPECT_TRUE(out(*other_, kReserve, out_list(7, 0), 3).good());
  expect_conflict(run("08 00 0000 01 00"));
}

TEST_F(PersistentTest, AListOfInitiatorsMustBeWhole) {
  auto list = out_list(0, 7, wire::kSpecifyPorts);
  expect_sense(out(*nexus_, kRegister, list), kParameterListLength);
  append(list, std::string_view("\0\0\0\x08", 4));
  expect_sense(out(*nexus_, kRegister, list), kParameterListLength);
  append(list, "12345678");
  expect_sense(out(*nexus_, kRegister, list), kInvalidParameter);
  EXPECT_TRUE(object_->reservations().state().registrations.empty());
}

TEST_F(PersistentTest, MovesAReservation) {
  hold(ReservationType::exclusive_access);
  expect_sense(out(*nexus_, kRegisterAndMove, move_list(1, 4, kOther, 3)), kInvalidParameter);
  expect_sense(out(*nexus_, kRegisterAndMove, move_list(1, 4, "no port")), kInvalidParameter);
  EXPECT_TRUE(out(*nexus_, kRegisterAndMove, move_list(1, 4, kOther)).good());
  expect_conflict(run("08 00 0000 01 00"));
  EXPECT_TRUE(ask(*other_, "08 00 0000 01 00").good());
}

// RESERVE and RELEASE.

TEST_F(PersistentTest, AUnitIsReservedAndReleased) {
  for (auto [reserve, release] : {std::pair("16", "17"), std::pair("56", "57")}) {
    EXPECT_TRUE(run(reserve).good());
    EXPECT_TRUE(run(reserve).good());
    for (auto cdb : {"00", "08 00 0000 01 00", "1A 00 3F 00 FF 00", "5E 00 0000000000 0100 00"})
      expect_conflict(ask(*other_, cdb));
    expect_conflict(ask(*other_, reserve));
    EXPECT_TRUE(ask(*other_, "12 00 00 00 FF 00").good());
    EXPECT_TRUE(ask(*other_, release).good());
    expect_conflict(ask(*other_, "00"));
    expect_conflict(run("5E 00 0000000000 0100 00"));
    EXPECT_TRUE(run("00").good());
    EXPECT_TRUE(run(release).good());
    EXPECT_TRUE(ask(*other_, "00").good());
  }
}

TEST_F(PersistentTest, TheEndOfANexusReleasesItsUnit) {
  EXPECT_TRUE(ask(*other_, "16").good());
  expect_conflict(run("00"));
  other_.reset();
  EXPECT_TRUE(run("00").good());
}

TEST_F(PersistentTest, OneOfTwoMappingsKeepsTheUnit) {
  Nexus both(identity(3), {{0, unit_}, {1, unit_}});
  clear(both);
  clear(both, 1);
  EXPECT_TRUE(ask(both, "16").good());
  both.remap({{1, unit_}});
  expect_conflict(run("00"));
  both.remap({});
  EXPECT_TRUE(run("00").good());
}

// TransportIDs.

TEST(TransportId, HasItsNameInLowerCasePadded) {
  auto id = transport_id("iqn.A,i,0x0023AB");
  EXPECT_EQ(id, std::string("\x45\0\0\x14iqn.a,i,0x0023ab\0\0\0\0", 24));
  EXPECT_EQ(transport_id(std::string(20, 'x')).size(), 4u + 24);
}

TEST(TransportId, ParsesWhatItWrites) {
  auto id = transport_id(kOther) + "more";
  auto parsed = parse_transport_id(std::as_bytes(std::span(id)));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->id, transport_id(kOther));
  EXPECT_EQ(parsed->length, id.size() - 4);
}

TEST(TransportId, EveryCutAndOtherKindIsRefused) {
  auto id = transport_id(kOther);
  auto refused = [](std::string bytes) {
    return !parse_transport_id(std::as_bytes(std::span(bytes)));
  };
  for (std::size_t length = 0; length < id.size(); ++length)
    EXPECT_TRUE(refused(id.substr(0, length))) << length;
  for (char first : {'\x05', '\x00', '\x46', '\x85'}) EXPECT_TRUE(refused(first + id.substr(1)));
  EXPECT_TRUE(refused(transport_id("iqn.1993-08.org.debian:2")));
  EXPECT_TRUE(refused(transport_id("iqn.1993-08.org.debian:2,i,0x")));
  EXPECT_TRUE(refused(transport_id("iqn.1993-08.org.debian:2,i,0xzz")));
  EXPECT_TRUE(refused(transport_id(",i,0x1")));
  EXPECT_TRUE(refused(transport_id(std::string(240, 'a') + ",i,0x1")));
  EXPECT_TRUE(refused(std::string("\x45\0\0\x14", 4) + std::string(20, 'a'))) << "no zero";
}

TEST_F(PersistentTest, WhoMayOnlyReadRulesOverNobody) {
  enroll(*other_, 2);
  ASSERT_TRUE(out(*other_, kReserve, out_list(2, 0), 7).good());
  other_->remap({{0, unit_, true}});
  clear(*other_);
  for (auto action : {kReserve, kRelease, kClear, kPreempt, kPreemptAndAbort})
    expect_sense(out(*other_, action, out_list(2, 0), 7), kWriteProtected);
  expect_sense(out(*other_, kRegisterAndMove, move_list(2, 3, kOther)), kWriteProtected);
  expect_sense(ask(*other_, "16 00 00 00 00 00"), kWriteProtected);
  expect_sense(ask(*other_, "1E 00 00 00 01 00"), kWriteProtected);
  auto others = out_list(2, 3, wire::kSpecifyPorts);
  auto id = transport_id("iqn.1993-08.org.debian:3,i,0x00023d000001");
  Bytes length(4);
  store(std::span(length), be32(static_cast<std::uint32_t>(id.size())));
  others.insert(others.end(), length.begin(), length.end());
  append(others, id);
  expect_sense(out(*other_, kRegister, others), kWriteProtected);
  EXPECT_TRUE(ask(*other_, "1E 00 00 00 00 00").good());
  EXPECT_TRUE(out(*other_, kRegister, out_list(2, 0)).good()) << "and that ends what it had";
  EXPECT_TRUE(run("16 00 00 00 00 00").good());
}

}  // namespace
}  // namespace caisson::scsi
