// SPDX-License-Identifier: Apache-2.0
// What hosts see of a restore: before, while it is under way, and afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>

#include "storage_object/base/errc.hpp"
#include "tests/integration/snapshots/disks.hpp"
#include "tests/integration/snapshots/store_kinds.hpp"
#include "tests/support/gate_device.hpp"
#include "tests/support/running_gateway.hpp"

namespace caisson::tests {
namespace {

namespace wire = nbs::wire;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kSize = 8 << 20;
constexpr Sense kGood, kNotReady{0x2, 0x04, 0x00}, kMediumChanged{0x6, 0x28, 0x00};
const std::string kWriter = "iqn.2026-11.test:writer", kReader = "iqn.2026-11.test:reader";

class RestoreTest : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    if (auto why = store_.unfit(); !why.empty()) GTEST_SKIP() << why;
    auto into_store = [this](config::Config& config) {
      config.stores = {{"main", store_.where(), false}};
    };
    gateway_ = std::make_unique<RunningGateway>(
        into_store, [this](std::unique_ptr<block::BlockDevice> below, const catalog::LunRecord&) {
          auto gate = std::make_unique<GateDevice>(std::move(below));
          gate_ = gate.get();
          return gate;
        });
    gateway_->create_lun("a", kSize);
    gateway_->admit("a", "writer", kWriter);
    gateway_->admit("a", "reader", kReader, true);
  }
  std::unique_ptr<ForeignInitiator> login(const std::string& name) {
    auto session = std::make_unique<ForeignInitiator>(gateway_->portal(),
                                                      gateway_->show("a").target_name(), name);
    session->clear_attentions();
    return session;
  }
  /// The disk at the cut of snapshot "s" and as it is now.
  void prepare() {
    auto session = login(kWriter);
    before_ = content(kSize, 1);
    write_at(*session, 0, before_);
    gateway_->cut({"a"}, "s");
    after_ = before_;
    std::ranges::copy(content(kSize / 2, 2), after_.begin() + kSize / 4);
    write_at(*session, kSize / 4, Bytes(after_.begin() + kSize / 4, after_.end()));
  }
  Bytes disk() { return read_all(*login(kReader), kSize); }

  StoreOfKind store_{GetParam()};
  GateDevice* gate_ = nullptr;
  std::unique_ptr<RunningGateway> gateway_;
  Bytes before_, after_;
};

INSTANTIATE_TEST_SUITE_P(Stores, RestoreTest, testing::Values(StoreKind::copies, StoreKind::shares),
                         name_of);

/// Its file hangs until the test has asked all it wants to know. Where blocks are shared
/// back, nothing of that passes by the gate.
class HungRestoreTest : public RestoreTest {
 protected:
  void TearDown() override {
    if (gate_ != nullptr) gate_->release();
    if (restore_.valid()) restore_.wait();
  }
  /// A restore that has kept hosts out and hangs then.
  void begin_restore() {
    gate_->hang([](const block::IoRequest& request) {
      return request.context.nexus == 0 && block::changes_data(request.op);
    });
    restore_ = std::async(std::launch::async, [this] {
      return GatewayAdmin(gateway_->control_socket()).restore("a", "s", {.force = true});
    });
    while (gate_->hanging() == 0) {
      ASSERT_NE(restore_.wait_for(std::chrono::seconds(0)), std::future_status::ready);
      std::this_thread::yield();
    }
  }
  Outcome<std::string> end_restore() {
    gate_->release();
    return restore_.get();
  }

  std::future<Outcome<std::string>> restore_;
};

INSTANTIATE_TEST_SUITE_P(Stores, HungRestoreTest, testing::Values(StoreKind::copies), name_of);

struct Asked {
  const char* name;
  std::vector<std::uint8_t> cdb;
  std::uint32_t out = 0, in = 0;
};

const Asked kRefused[] = {
    {"TEST UNIT READY", {0, 0, 0, 0, 0, 0}},
    {"FORMAT UNIT", {0x04, 0, 0, 0, 0, 0}},
    {"READ(6)", {0x08, 0, 0, 0, 1, 0}, 0, 512},
    {"WRITE(6)", {0x0a, 0, 0, 0, 1, 0}, 512},
    {"MODE SELECT(6)", {0x15, 0x10, 0, 0, 24, 0}, 24},
    {"RESERVE(6)", {0x16, 0, 0, 0, 0, 0}},
    {"MODE SENSE(6)", {0x1a, 0, 0x3f, 0, 0xff, 0}, 0, 255},
    {"START STOP UNIT", {0x1b, 0, 0, 0, 1, 0}},
    {"READ CAPACITY(10)", {0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0, 8},
    {"READ(10)", {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 0, 512},
    {"WRITE(10)", {0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 512},
    {"WRITE AND VERIFY(10)", {0x2e, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 512},
    {"VERIFY(10)", {0x2f, 0, 0, 0, 0, 0, 0, 0, 1, 0}},
    {"PRE-FETCH(10)", {0x34, 0, 0, 0, 0, 0, 0, 0, 1, 0}},
    {"SYNCHRONIZE CACHE(10)", {0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"WRITE SAME(10)", {0x41, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 512},
    {"UNMAP", {0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0}, 24},
    {"SANITIZE, OVERWRITE", {0x48, 0x01, 0, 0, 0, 0, 0, 0, 8, 0}, 8},
    {"SANITIZE, BLOCK ERASE", {0x48, 0x02, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"SANITIZE, EXIT FAILURE MODE", {0x48, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"LOG SENSE", {0x4d, 0, 0x40, 0, 0, 0, 0, 0, 64, 0}, 0, 64},
    {"PERSISTENT RESERVE IN", {0x5e, 0, 0, 0, 0, 0, 0, 0, 64, 0}, 0, 64},
    {"PERSISTENT RESERVE OUT", {0x5f, 0x06, 0, 0, 0, 0, 0, 0, 24, 0}, 24},
    {"READ(16)", {0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0}, 0, 512},
    {"COMPARE AND WRITE", {0x89, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0}, 1024},
    {"WRITE(16)", {0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0}, 512},
    {"ORWRITE(16)", {0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0}, 512},
    {"WRITE SAME(16)", {0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0}},
    {"READ CAPACITY(16)", {0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}, 0, 32},
    {"GET LBA STATUS", {0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24, 0, 0}, 0, 24},
};

const Asked kServed[] = {
    {"INQUIRY", {0x12, 0, 0, 0, 96, 0}, 0, 96},
    {"REPORT LUNS", {0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0}, 0, 64},
    {"REPORT TARGET PORT GROUPS", {0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0}, 0, 64},
    {"REPORT SUPPORTED OPERATION CODES", {0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0}, 0, 64},
};

bool writes(const Asked& asked) {
  return asked.out != 0 || asked.cdb[0] == 0x04 || asked.cdb[0] == 0x16 || asked.cdb[0] == 0x48 ||
         asked.cdb[0] == 0x93;
}

ForeignResult ask(ForeignInitiator& session, const Asked& asked) {
  return session.command(asked.cdb, Bytes(asked.out), asked.in);
}

TEST_P(HungRestoreTest, EveryCommandIsNotReadyMeanwhileAndEachNexusIsToldOnceAfterwards) {
  prepare();
  auto writer = login(kWriter), reader = login(kReader);
  begin_restore();
  for (const auto& asked : kRefused) {
    EXPECT_EQ(sense(ask(*writer, asked)), kNotReady) << asked.name;
    if (writes(asked)) continue;
    EXPECT_EQ(sense(ask(*reader, asked)), kNotReady) << asked.name;
  }
  for (const auto& asked : kServed) EXPECT_EQ(sense(ask(*writer, asked)), kGood) << asked.name;
  auto why = writer->command({0x03, 0, 0, 0, 252, 0}, {}, 252);
  ASSERT_TRUE(why.good());
  EXPECT_EQ(std::to_integer<int>(why.data.at(2)) & 0xf, 0x2);
  EXPECT_EQ(why.data.at(12), std::byte{0x04});
  EXPECT_THAT(gateway_->show("a").condition(), HasSubstr("being restored"));
  auto late = std::make_unique<ForeignInitiator>(gateway_->portal(),
                                                 gateway_->show("a").target_name(), kWriter);
  EXPECT_EQ(std::get<0>(sense(late->test_unit_ready())), 0x6) << "its power on";
  EXPECT_EQ(sense(late->test_unit_ready()), kNotReady);

  ASSERT_TRUE(end_restore());
  for (auto* session : {writer.get(), reader.get(), late.get()}) {
    EXPECT_EQ(sense(session->test_unit_ready()), kMediumChanged);
    EXPECT_EQ(sense(session->test_unit_ready()), kGood);
  }
  EXPECT_EQ(difference(disk(), before_), "");
}

TEST_P(RestoreTest, TheStateBeforeIsKeptAndCanItselfBeRestored) {
  prepare();
  auto kept = gateway_->restore("a", "s", {});
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_THAT(gateway_->snapshots("a"), ElementsAre("s", *kept));
  EXPECT_EQ(difference(disk(), before_), "");
  EXPECT_EQ(difference(file_content(gateway_->exported("a", *kept)), after_), "");
  auto again = gateway_->restore("a", *kept, {.keep = false});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, "");
  EXPECT_EQ(difference(disk(), after_), "");
  EXPECT_THAT(gateway_->snapshots("a"), ElementsAre("s", *kept));
  EXPECT_EQ(difference(file_content(gateway_->exported("a", "s")), before_), "");
}

TEST_P(RestoreTest, AWritingHostThatIsLoggedInHindersAndIsNamed) {
  prepare();
  auto session = login(kWriter);
  ASSERT_TRUE(session->read(0, 512).good());
  auto refused = gateway_->restore("a", "s", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::in_use);
  EXPECT_THAT(refused.error().message, HasSubstr("writer"));
  EXPECT_THAT(refused.error().message, HasSubstr(kWriter));
  EXPECT_THAT(refused.error().remedy, HasSubstr("--force"));
  EXPECT_EQ(sense(session->test_unit_ready()), kGood) << "nothing has happened to it";
  EXPECT_THAT(gateway_->snapshots("a"), ElementsAre("s"));
  session.reset();
  auto restored = gateway_->restore("a", "s", {});
  EXPECT_TRUE(restored) << "once it is logged out; " << restored.error().message;
}

TEST_P(RestoreTest, WhoDidNoIoOrMayOnlyReadDoesNotHinder) {
  prepare();
  auto idle = login(kWriter), reader = login(kReader);
  for (const auto& asked : kServed) ASSERT_TRUE(ask(*idle, asked).good());
  ASSERT_TRUE(reader->read(0, 512).good());
  auto restored = gateway_->restore("a", "s", {});
  ASSERT_TRUE(restored) << restored.error().message;
  for (auto* session : {idle.get(), reader.get()})
    EXPECT_EQ(sense(session->test_unit_ready()), kMediumChanged);
  EXPECT_EQ(difference(disk(), before_), "");
}

/// PERSISTENT RESERVE OUT of a write exclusive reservation.
ForeignResult reserve_out(ForeignInitiator& session, int action, int key, int service_key) {
  Bytes list(24);
  list[7] = static_cast<std::byte>(key);
  list[15] = static_cast<std::byte>(service_key);
  return session.command({0x5f, static_cast<std::uint8_t>(action), 1, 0, 0, 0, 0, 0, 24, 0}, list);
}

TEST_P(RestoreTest, AReservationHindersEvenOfAHostThatIsGone) {
  prepare();
  auto session = login(kWriter);
  ASSERT_TRUE(reserve_out(*session, 0x00, 0, 7).good());
  auto registered = gateway_->restore("a", "s", {});
  EXPECT_TRUE(registered) << "a key alone reserves nothing; " << registered.error().message;
  session->clear_attentions();
  ASSERT_TRUE(reserve_out(*session, 0x01, 7, 0).good());
  session.reset();
  auto refused = gateway_->restore("a", "s", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::in_use);
  EXPECT_THAT(refused.error().message, HasSubstr("reserved"));
  EXPECT_TRUE(gateway_->restore("a", "s", {.force = true}));
  EXPECT_EQ(gateway_->restore("a", "s", {}).error().code, Errc::in_use) << "it is still held";
}

/// Nobody else may make something of a disk that is half restored, or change what it
/// is restored from.
TEST_P(HungRestoreTest, NothingElseIsDoneToItMeanwhile) {
  prepare();
  begin_restore();
  auto names = gateway_->snapshots("a");
  EXPECT_EQ(gateway_->try_cut({"a"}, "half").error().code, Errc::in_use);
  EXPECT_EQ(gateway_->restore("a", "s", {.force = true}).error().code, Errc::in_use);
  EXPECT_EQ(gateway_->restore("a", names.back(), {.force = true}).error().code, Errc::in_use);
  wire::SnapshotDeleteRequest remove;
  remove.set_lun("a");
  remove.set_snapshot("s");
  EXPECT_EQ(gateway_->refused<wire::RemoveReply>(wire::Op::snapshot_delete, remove).code,
            Errc::in_use);
  wire::LunResizeRequest shrink;
  shrink.set_name("a");
  shrink.set_size(kSize / 2);
  shrink.set_allow_shrink(true);
  EXPECT_EQ(gateway_->refused<wire::LunReply>(wire::Op::lun_resize, shrink).code, Errc::in_use);
  auto done = end_restore();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(gateway_->snapshots("a"), names);
  EXPECT_EQ(difference(disk(), before_), "");
}

}  // namespace
}  // namespace caisson::tests
