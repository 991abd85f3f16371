// SPDX-License-Identifier: Apache-2.0
// Whatever is put comes back the same, also after the catalog was closed.
#include <gmock/gmock.h>

#include <limits>

#include "catalog_fixture.hpp"

namespace caisson::catalog {
namespace {

using ::testing::ElementsAre;

class RecordsTest : public CatalogTest {
 protected:
  RecordsTest() { open(); }
};

TEST_F(RecordsTest, StoresRoundTrip) {
  auto plain = sample_store("plain");
  plain.import_allowed = false;
  plain.mark = Uuid::random();
  for (const auto& odd : kOddStrings) {
    auto store = sample_store();
    store.location = odd;
    change([&](Transaction& t) {
      ASSERT_TRUE(t.put_store(store));
      ASSERT_TRUE(t.put_store(plain));
    });
    open();
    EXPECT_THAT(*catalog_->stores(), ElementsAre(store, plain));
  }
  change([&](Transaction& t) { ASSERT_TRUE(t.erase_store("main")); });
  EXPECT_THAT(*catalog_->stores(), ElementsAre(plain));
}

TEST_F(RecordsTest, LunsRoundTripWithEveryField) {
  auto lun = sample_lun();
  change([&](Transaction& t) {
    ASSERT_TRUE(t.put_store(sample_store()));
    ASSERT_TRUE(t.put_lun(lun));
  });
  open();
  EXPECT_THAT(*catalog_->luns(), ElementsAre(lun));
}

TEST_F(RecordsTest, LunsRoundTripWithDefaultsAndExtremes) {
  LunRecord plain;
  plain.uuid = Uuid::random();
  plain.name = "plain";
  plain.store = "main";
  LunRecord large = plain;
  large.uuid = Uuid::random();
  large.name = "large";
  large.capacity = std::numeric_limits<std::uint64_t>::max();
  large.logical_block = std::numeric_limits<std::uint32_t>::max();
  large.target_lun = std::numeric_limits<std::uint64_t>::max();
  large.resize = ResizeIntent{0, std::numeric_limits<std::uint64_t>::max()};
  large.import = RawImage{"disk.raw", std::numeric_limits<std::uint64_t>::max(), 1, -2};
  large.rename_to = "larger";
  large.config_id = std::numeric_limits<std::uint64_t>::max();
  large.created_at = std::numeric_limits<std::int64_t>::min();
  change([&](Transaction& t) {
    ASSERT_TRUE(t.put_store(sample_store()));
    ASSERT_TRUE(t.put_lun(plain));
    ASSERT_TRUE(t.put_lun(large));
  });
  open();
  EXPECT_THAT(*catalog_->luns(), ElementsAre(large, plain));
}

TEST_F(RecordsTest, LunsRoundTripWithOddStrings) {
  change([&](Transaction& t) { ASSERT_TRUE(t.put_store(sample_store())); });
  auto lun = sample_lun();
  for (const auto& odd : kOddStrings) {
    lun.naa = lun.serial = lun.vendor_location = lun.reason = lun.target_name = odd;
    change([&](Transaction& t) { ASSERT_TRUE(t.put_lun(lun)); });
    open();
    EXPECT_THAT(*catalog_->luns(), ElementsAre(lun));
  }
}

TEST_F(RecordsTest, EveryKindRoundTrips) {
  change([&](Transaction& t) { ASSERT_TRUE(t.put_store(sample_store())); });
  auto lun = sample_lun();
  for (auto kind : {LunKind::disk, LunKind::clone, LunKind::view}) {
    lun.kind = kind;
    change([&](Transaction& t) { ASSERT_TRUE(t.put_lun(lun)); });
    EXPECT_THAT(*catalog_->luns(), ElementsAre(lun));
  }
}

TEST_F(RecordsTest, EveryStateAndCacheModeRoundTrips) {
  change([&](Transaction& t) { ASSERT_TRUE(t.put_store(sample_store())); });
  auto lun = sample_lun();
  for (auto state : {LunState::online, LunState::offline, LunState::failed, LunState::creating,
                     LunState::deleting})
    for (auto cache : {CacheMode::writeback, CacheMode::none, CacheMode::writethrough}) {
      lun.state = state;
      lun.cache = cache;
      change([&](Transaction& t) { ASSERT_TRUE(t.put_lun(lun)); });
      EXPECT_THAT(*catalog_->luns(), ElementsAre(lun));
    }
}

TEST_F(RecordsTest, PuttingALunAgainKeepsItsSnapshotsSchedulesAndGrants) {
  auto lun = sample_lun();
  const auto snapshot = sample_snapshot(lun);
  const auto schedule = sample_schedule({lun.uuid});
  change([&](Transaction& t) {
    ASSERT_TRUE(t.put_store(sample_store()));
    ASSERT_TRUE(t.put_lun(lun));
    auto host = t.put_host(sample_host());
    ASSERT_TRUE(host);
    ASSERT_TRUE(t.put_grant({.lun = lun.uuid, .host = *host}));
    ASSERT_TRUE(t.put_snapshot(snapshot));
    ASSERT_TRUE(t.put_schedule(schedule));
  });
  lun.resize.reset();
  lun.origin.reset();
  lun.restoring.reset();
  lun.kind = LunKind::view;
  change([&](Transaction& t) { ASSERT_TRUE(t.put_lun(lun)); });
  open();
  EXPECT_THAT(*catalog_->luns(), ElementsAre(lun));
  EXPECT_EQ(catalog_->grants()->size(), 1u);
  EXPECT_THAT(*catalog_->snapshots(), ElementsAre(snapshot));
  EXPECT_THAT(*catalog_->schedules(), ElementsAre(schedule));
}

TEST_F(RecordsTest, HostsRoundTripAndReplaceTheirNames) {
  auto host = sample_host();
  auto any = HostRecord{.name = "*"};
  change([&](Transaction& t) {
    host.id = t.put_host(host).value();
    any.id = t.put_host(any).value();
  });
  EXPECT_NE(host.id, any.id);
  open();
  EXPECT_THAT(*catalog_->hosts(), ElementsAre(host, any));

  host.iqns = {"iqn.2000-01.org:c", "iqn.2000-01.org:a", "iqn.2000-01.org:b"};
  host.no_auth = false;
  any.iqns = {sample_host().iqns[0]};  // free again within the same change
  for (const auto& odd : kOddStrings) {
    host.chap_user = host.chap_secret = host.mutual_user = host.mutual_secret = odd;
    change([&](Transaction& t) {
      EXPECT_EQ(t.put_host(host).value(), host.id);
      EXPECT_EQ(t.put_host(any).value(), any.id);
    });
    open();
    EXPECT_THAT(*catalog_->hosts(), ElementsAre(host, any));
  }
}

TEST_F(RecordsTest, HostIdsAreNeverUsedAgain) {
  std::uint64_t first = 0;
  change([&](Transaction& t) { first = t.put_host(sample_host()).value(); });
  change([&](Transaction& t) { ASSERT_TRUE(t.erase_host(first)); });
  open();
  change([&](Transaction& t) { EXPECT_GT(t.put_host(sample_host()).value(), first); });
}

TEST_F(RecordsTest, GrantsRoundTrip) {
  auto lun = sample_lun();
  GrantRecord grant{.lun = lun.uuid,
                    .host = 0,
                    .read_only = true,
                    .quota = 1u << 30,
                    .lun_number = 255,
                    .allowed_verbs = "snapshot,trim",
                    .config_id = 4,
                    .proposed = true,
                    .redirect_to = "192.0.2.7:3260",
                    .redirect_permanent = true};
  change([&](Transaction& t) {
    ASSERT_TRUE(t.put_store(sample_store()));
    ASSERT_TRUE(t.put_lun(lun));
    grant.host = t.put_host(sample_host()).value();
    ASSERT_TRUE(t.put_grant(grant));
  });
  open();
  EXPECT_THAT(*catalog_->grants(), ElementsAre(grant));
  grant = {.lun = grant.lun, .host = grant.host};
  change([&](Transaction& t) { ASSERT_TRUE(t.put_grant(grant)); });
  EXPECT_THAT(*catalog_->grants(), ElementsAre(grant));
  change([&](Transaction& t) { ASSERT_TRUE(t.erase_grant(grant.lun, grant.host)); });
  EXPECT_TRUE(catalog_->grants()->empty());
}

TEST_F(RecordsTest, EventsAscendCarryTheClockAndAreNeverRenumbered) {
  clock_.now = Clock::Wall(std::chrono::milliseconds(1790000000123));
  std::vector<std::uint64_t> numbers;
  change([&](Transaction& t) {
    for (const auto& odd : kOddStrings)
      numbers.push_back(t.add_event("audit", odd, "uid:0", odd).value());
  });
  ASSERT_TRUE(std::ranges::is_sorted(numbers));
  auto undone = catalog_->change([](Transaction& t) -> Outcome<> {
    (void)t.add_event("lost", "", "", "");
    return failure(Errc::cancelled, "no");
  });
  EXPECT_FALSE(undone);
  open();
  auto events = *catalog_->events_after(0, 100);
  ASSERT_EQ(events.size(), std::size(kOddStrings));
  for (std::size_t i = 0; i < events.size(); ++i)
    EXPECT_EQ(events[i], (EventRecord{numbers[i], 1790000000123, "audit", kOddStrings[i], "uid:0",
                                      kOddStrings[i]}));
}

TEST_F(RecordsTest, EventsAreReadFromBothEnds) {
  change([&](Transaction& t) {
    for (int i = 1; i <= 10; ++i) ASSERT_TRUE(t.add_event("k", "o", "a", std::to_string(i)));
  });
  auto texts = [](const Outcome<std::vector<EventRecord>>& events) {
    std::vector<std::string> found;
    for (const auto& event : *events) found.push_back(event.text);
    return found;
  };
  EXPECT_THAT(texts(catalog_->events_after(7, 100)), ElementsAre("8", "9", "10"));
  EXPECT_THAT(texts(catalog_->events_after(3, 2)), ElementsAre("4", "5"));
  EXPECT_THAT(texts(catalog_->latest_events(3)), ElementsAre("8", "9", "10"));
  EXPECT_EQ(catalog_->latest_events(std::numeric_limits<std::size_t>::max())->size(), 10u);
  EXPECT_TRUE(catalog_->events_after(std::numeric_limits<std::uint64_t>::max(), 5)->empty());
}

TEST_F(RecordsTest, SettingsRoundTrip) {
  EXPECT_EQ(*catalog_->setting("node"), std::nullopt);
  for (const auto& odd : kOddStrings) {
    change([&](Transaction& t) { ASSERT_TRUE(t.put_setting("node", odd)); });
    open();
    EXPECT_EQ(*catalog_->setting("node"), odd);
  }
}

TEST_F(RecordsTest, ErasingWhatIsNotThereSucceeds) {
  change([&](Transaction& t) {
    EXPECT_TRUE(t.erase_store("none"));
    EXPECT_TRUE(t.erase_lun(Uuid::random()));
    EXPECT_TRUE(t.erase_host(77));
    EXPECT_TRUE(t.erase_grant(Uuid::random(), 77));
    EXPECT_TRUE(t.remove_snapshot(Uuid::random()));
    EXPECT_TRUE(t.remove_schedule("none"));
  });
}

TEST_F(RecordsTest, UnknownWordInARowIsCorruptNotGuessed) {
  change([&](Transaction& t) {
    ASSERT_TRUE(t.put_store(sample_store()));
    ASSERT_TRUE(t.put_lun(sample_lun()));
  });
  catalog_.reset();
  sql(path_, "UPDATE luns SET state = 'sleeping'");
  open();
  auto luns = catalog_->luns();
  ASSERT_FALSE(luns);
  EXPECT_EQ(luns.error().code, Errc::corrupt);
  EXPECT_THAT(luns.error().message, ::testing::HasSubstr("LUN disk"));
}

}  // namespace
}  // namespace caisson::catalog
