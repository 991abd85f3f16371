// SPDX-License-Identifier: Apache-2.0
// Who keeps a LUN from being restored.
#include "gateway/service/snapshot_luns.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "storage_object/base/errc.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::service {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

class FixedSession final : public scsi::SessionHandle {
 public:
  explicit FixedSession(scsi::SessionView view) : view_(std::move(view)) {}
  scsi::SessionView view() const override { return view_; }
  void drop(std::string) override {}
  void refresh() override {}

 private:
  const scsi::SessionView view_;
};

class CheckQuietTest : public ::testing::Test {
 protected:
  CheckQuietTest() {
    luns_.bind(machine_.registry());
    luns_.watch(access_, sessions_);
    for (const char* name : {"db", "other"}) machine_.make(name, 1 << 20);
    writer_ = host("writer", false);
    reader_ = host("reader", true);
  }
  std::uint64_t host(const char* name, bool read_only) {
    auto made = access_.put_host({.name = name, .no_auth = true}, false);
    EXPECT_TRUE(made) << made.error().message;
    auto put =
        access_.put_grant({.lun = lun("db").uuid, .host = made->id, .read_only = read_only}, false);
    EXPECT_TRUE(put) << put.error().message;
    return made->id;
  }
  catalog::LunRecord lun(const char* name) { return machine_.registry().find(name)->record; }
  void log_in(std::uint64_t id, const char* name, steady_clock::time_point last_io,
              const char* to = "db") {
    scsi::SessionView view;
    view.identity.host = id;
    view.identity.host_name = name;
    view.identity.initiator_port = std::string("iqn.2026-11.test:") + name;
    view.identity.target_name = lun(to).target_name;
    view.last_io = last_io;
    sessions_.add(sessions_.next_id(), std::make_shared<FixedSession>(view));
  }
  Outcome<> check() { return luns_.check_quiet(lun("db").uuid, seconds(60)); }

  tests::SimStore disk_;
  tests::Machine machine_{disk_};
  AccessBook access_{machine_.catalog()};
  scsi::SessionRegistry sessions_;
  SnapshotLuns luns_;
  std::uint64_t writer_ = 0, reader_ = 0;
  const steady_clock::time_point now_ = steady_clock::now();
};

TEST_F(CheckQuietTest, OnlyIoOfTheLastMinuteByWhoMayWriteCounts) {
  EXPECT_TRUE(check());
  log_in(writer_, "writer", {});
  log_in(writer_, "writer", now_ - seconds(61));
  log_in(writer_, "writer", now_, "other");
  log_in(reader_, "reader", now_);
  auto quiet = check();
  EXPECT_TRUE(quiet) << quiet.error().message;
  log_in(writer_, "writer", now_ - seconds(1));
  auto refused = check();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::in_use);
  EXPECT_THAT(refused.error().message, HasSubstr("host writer (iqn.2026-11.test:writer)"));
}

TEST_F(CheckQuietTest, ThatNobodyDidAnythingYetIsNoActivity) {
  log_in(writer_, "writer", {});
  // Longer than the machine runs.
  EXPECT_TRUE(luns_.check_quiet(lun("db").uuid, std::chrono::hours(24 * 365 * 100)));
}

TEST_F(CheckQuietTest, AReservationCountsWithoutAnybodyLoggedIn) {
  auto object = machine_.object("db");
  object->reservations().attach(7, {"iqn.2026-11.test:gone", 1});
  std::promise<object::ReservationResult> told;
  object->change_reservations({7}, {.action = object::ReservationAction::reserve_unit},
                              [&](object::ReservationResult result) { told.set_value(result); });
  told.get_future().get();
  ASSERT_TRUE(object->reservations().reserved());
  auto refused = check();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::in_use);
  EXPECT_THAT(refused.error().message, HasSubstr("reserved"));
}

}  // namespace
}  // namespace caisson::service
