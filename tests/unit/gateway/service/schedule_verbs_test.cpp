// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/gateway/service/recording_snapshots.hpp"

namespace caisson::service {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ScheduleVerbsTest : public SnapshotVerbsTest {
 protected:
  static wire::ScheduleCreateRequest hourly() {
    wire::ScheduleCreateRequest request;
    request.set_name("hourly");
    request.add_luns("b");
    request.add_luns("a");
    request.set_spec("every 1h");
    request.set_retention("24x1h | 14x1d");
    return request;
  }
};

TEST_F(ScheduleVerbsTest, IsKeptByItsLunsAndTexts) {
  auto made = schedule_create(*parts_, call(), hourly());
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(made->change().changed());
  EXPECT_THAT(made->schedule().luns(), ElementsAre("b", "a"));
  EXPECT_EQ(made->schedule().spec(), "every 1h");
  EXPECT_EQ(made->schedule().retention(), "24x1h | 14x1d");
  EXPECT_TRUE(made->schedule().enabled());
  EXPECT_EQ(made->schedule().next_at(), 77);
  EXPECT_THAT(engine_.kept["hourly"].record.luns,
              ElementsAre(registry_->find("b")->record.uuid, registry_->find("a")->record.uuid));
  EXPECT_FALSE(schedule_create(*parts_, call(), hourly())->change().changed());
}

TEST_F(ScheduleVerbsTest, WhatCannotBeIsRefused) {
  auto refused = [&](auto change) {
    auto request = hourly();
    change(request);
    auto made = schedule_create(*parts_, call(), request);
    return made ? Errc::internal : code_of(made.error());
  };
  EXPECT_EQ(refused([](auto& r) { r.set_name("Hourly!"); }), Errc::invalid_argument);
  EXPECT_EQ(refused([](auto& r) { r.clear_luns(); }), Errc::invalid_argument);
  EXPECT_EQ(refused([](auto& r) { r.add_luns("a"); }), Errc::invalid_argument);
  EXPECT_EQ(refused([](auto& r) { r.add_luns("nowhere"); }), Errc::not_found);
  EXPECT_EQ(refused([](auto& r) { r.set_quiesce("web"); }), Errc::unsupported);
  EXPECT_THAT(engine_.asked, IsEmpty());
}

TEST_F(ScheduleVerbsTest, SetChangesWhatIsGiven) {
  ASSERT_TRUE(schedule_create(*parts_, call(), hourly()));
  wire::ScheduleSetRequest request;
  request.set_name("hourly");
  EXPECT_FALSE(schedule_set(*parts_, call(), request)->change().changed());
  request.set_enabled(false);
  request.set_retention("all");
  auto set = schedule_set(*parts_, call(), request);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_TRUE(set->change().changed());
  EXPECT_FALSE(set->schedule().enabled());
  EXPECT_EQ(set->schedule().retention(), "all");
  EXPECT_EQ(set->schedule().spec(), "every 1h");
  EXPECT_THAT(set->schedule().luns(), ElementsAre("b", "a"));
  request.add_luns("a");
  EXPECT_THAT(schedule_set(*parts_, call(), request)->schedule().luns(), ElementsAre("a"));
}

TEST_F(ScheduleVerbsTest, IsListedShownAndDeleted) {
  ASSERT_TRUE(schedule_create(*parts_, call(), hourly()));
  engine_.kept["hourly"].last_at = 5;
  engine_.kept["hourly"].last_result = "fine";
  EXPECT_EQ(schedule_list(*parts_, call(), {})->schedules_size(), 1);
  wire::ScheduleShowRequest show;
  show.set_name("hourly");
  auto shown = schedule_show(*parts_, call(), show);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->schedule().last_at(), 5);
  EXPECT_EQ(shown->schedule().last_result(), "fine");
  show.set_name("daily");
  EXPECT_EQ(code_of(schedule_show(*parts_, call(), show).error()), Errc::not_found);
  wire::ScheduleDeleteRequest remove;
  remove.set_name("hourly");
  ASSERT_TRUE(schedule_delete(*parts_, call(), remove));
  EXPECT_EQ(engine_.asked.back(), "remove_schedule hourly false");
}

}  // namespace
}  // namespace caisson::service
