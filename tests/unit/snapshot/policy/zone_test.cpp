// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/zone.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/policy/local_clock.hpp"

namespace caisson::snapshot {
namespace {

using namespace std::chrono_literals;
using std::chrono::local_days;
using std::chrono::sys_days;

TEST(Zones, AreFoundByName) {
  EXPECT_EQ(Zone::find("UTC").value(), Zone());
  for (const auto* name :
       {"Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "GMT0"}) {
    auto zone = Zone::find(name);
    ASSERT_TRUE(zone.has_value()) << name;
    EXPECT_EQ(zone->name(), name);
  }
  EXPECT_NE(Zone::find("Europe/Berlin").value(), Zone());
}

TEST(Zones, WhatIsNoNameOpensNoFile) {
  for (const auto* bad : {"", "/etc/localtime", "../zoneinfo/UTC", "Europe/../UTC", "localtime",
                          "right/UTC", "posixrules", "libc:localtime", "file:UTC", "europe/berlin",
                          "Fixed/UTC+01:00:00", "UTC ", "Zone.tab", "E\xc3\xbcrope"}) {
    auto zone = Zone::find(bad);
    ASSERT_FALSE(zone.has_value()) << bad;
    EXPECT_EQ(zone.error().code, Errc::invalid_argument) << bad;
    EXPECT_THAT(zone.error().message, ::testing::HasSubstr(bad));
  }
  EXPECT_FALSE(Zone::find(std::string(65, 'A')).has_value());
}

TEST(Zones, ThatTheDatabaseLacksAreNotFound) {
  for (const auto* unknown : {"Europe/Atlantis", "Europe", "Utopia"}) {
    auto zone = Zone::find(unknown);
    ASSERT_FALSE(zone.has_value()) << unknown;
    EXPECT_EQ(zone.error().code, Errc::not_found) << unknown;
  }
}

TEST(Zones, AGapEndsAtItsFirstInstantAndATwiceShownTimeIsTheFirst) {
  const auto berlin = Zone::find("Europe/Berlin").value();
  const auto spring = local_days(2026y / 3 / 29), autumn = local_days(2026y / 10 / 25);
  EXPECT_EQ(berlin.first_instant(spring + 1h + 59min), sys_days(2026y / 3 / 29) + 59min);
  for (auto gone : {2h + 0min, 2h + 1min, 2h + 59min, 3h + 0min})
    EXPECT_EQ(berlin.first_instant(spring + gone), sys_days(2026y / 3 / 29) + 1h);
  EXPECT_EQ(berlin.first_instant(autumn + 2h), sys_days(2026y / 10 / 25));
  EXPECT_EQ(berlin.first_instant(autumn + 2h + 59min), sys_days(2026y / 10 / 25) + 59min);
  EXPECT_EQ(berlin.first_instant(autumn + 3h), sys_days(2026y / 10 / 25) + 2h);
}

TEST(Zones, ADateThatWasLeftOutEndsAtTheNext) {
  const auto apia = Zone::find("Pacific/Apia").value();  // no 30 December 2011
  EXPECT_EQ(apia.first_instant(local_days(2011y / 12 / 30) + 12h), sys_days(2011y / 12 / 30) + 10h);
}

TEST(Zones, AgreeWithTheCLibraryFarBeyondTheTablesOfTheFile) {
  for (const auto* name : kZones) {
    const auto zone = Zone::find(name).value();
    const LocalClock clock(name);
    for (std::uint32_t seed = 1; seed <= 2000; ++seed) {
      std::mt19937_64 random(seed);
      const auto instant = sys_days(1970y / 1 / 1) + std::chrono::seconds(random() % 5'700'000'000);
      const auto local = zone.local(instant);  // up to 2150
      ASSERT_EQ(local, clock.at(instant)) << name << " seed " << seed;
      const auto back = zone.first_instant(local);
      ASSERT_TRUE(back <= instant && clock.at(back) == local) << name << " seed " << seed;
    }
  }
}

}  // namespace
}  // namespace caisson::snapshot
