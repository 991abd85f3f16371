// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/retention.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "storage_object/base/errc.hpp"
#include "tests/unit/snapshot/policy/local_clock.hpp"

namespace caisson::snapshot {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::floor;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const sys_seconds kNoon = sys_days(2026y / 7 / 1) + 12h;  // a Wednesday

Retention retention(const std::string& text) { return Retention::parse(text).value(); }

Candidate automatic(sys_seconds cut, std::uint64_t sequence = 0) {
  return {.name = std::to_string(cut.time_since_epoch().count()) + "-" + std::to_string(sequence),
          .sequence = sequence,
          .cut = cut,
          .scheduled = true};
}

std::vector<Candidate> automatic(std::initializer_list<sys_seconds> cuts) {
  std::vector<Candidate> made;
  for (auto cut : cuts) made.push_back(automatic(cut, made.size()));
  return made;
}

std::vector<bool> kept(const std::vector<Verdict>& verdicts) {
  std::vector<bool> flags;
  flags.reserve(verdicts.size());
  for (const auto& verdict : verdicts) flags.push_back(verdict.keep);
  return flags;
}

void prune(std::vector<Candidate>& all, const Retention& rules, const Zone& zone, sys_seconds now) {
  const auto verdicts = rules.decide(all, zone, now);
  std::vector<Candidate> left;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (verdicts[i].keep) left.push_back(all[i]);
  all = std::move(left);
}

TEST(Retentions, AreReadAndWrittenAlike) {
  for (const auto* text : {"24x1h | 14x1d | 8x1w", "6x4h", "4096x5m", "all", "7x1d | 7x24h"})
    EXPECT_EQ(retention(text).to_string(), text);
  EXPECT_EQ(retention("24x1h|14x1d"), retention("  24x1h  |\t14x1d "));
  EXPECT_EQ(retention("all"), Retention());
}

struct BadRow {
  const char* text;
  const char* named;
};

TEST(Retentions, NonsenseIsRefusedByItsPart) {
  constexpr BadRow kRows[] = {
      {"", "''"},
      {"|", "''"},
      {"24x1h |", "''"},
      {"24x1h || 2x1d", "''"},
      {"24x1h | all", "'all'"},
      {"24", "'24' has no 'x'"},
      {"24h", "'24h' has no 'x'"},
      {"x1h", "'x1h'"},
      {"-1x1h", "'-1x1h'"},
      {"0x1h", "'0x1h'"},
      {"4097x1h", "'4097x1h'"},
      {"99999999999x1h", "'99999999999x1h'"},
      {"2x1d | 3x0h", "'3x0h'"},
      {"2x1d | 3x1y", "'3x1y'"},
      {"2x1d | 3x 1h", "'3x 1h'"},
      {"2x1d, 3x1h", "'2x1d, 3x1h'"},
      {"2x1h | 3x60m", "'3x60m' has the same"},
      {"2x7d | 3x1w", "'3x1w' has the same"},
      {"1x1m|1x2m|1x3m|1x4m|1x5m|1x6m|1x7m|1x8m|1x9m", "'1x9m' is one too many"},
  };
  for (const auto& row : kRows) {
    auto parsed = Retention::parse(row.text);
    ASSERT_FALSE(parsed.has_value()) << row.text;
    EXPECT_EQ(parsed.error().code, Errc::invalid_argument) << row.text;
    EXPECT_THAT(parsed.error().message, HasSubstr(row.named)) << row.text;
    EXPECT_FALSE(parsed.error().remedy.empty()) << row.text;
  }
}

TEST(Retentions, KeepTheNewestOfEachHour) {
  const auto all = automatic({kNoon - 61min, kNoon - 60min, kNoon - 1min, kNoon, kNoon + 59min});
  EXPECT_THAT(kept(retention("2x1h").decide(all, {}, kNoon + 1h)),
              ElementsAre(false, false, true, false, true));
  EXPECT_THAT(kept(retention("9x1h").decide(all, {}, kNoon + 1h)),
              ElementsAre(true, false, true, false, true));
}

TEST(Retentions, EmptyHoursUseUpNothing) {
  const auto all = automatic({kNoon - days(400), kNoon - days(30), kNoon - days(2), kNoon});
  EXPECT_THAT(kept(retention("3x1h").decide(all, {}, kNoon)), ElementsAre(false, true, true, true));
}

TEST(Retentions, SeveralAtOneInstantAreOrderedByTheirCuts) {
  auto all = automatic({kNoon, kNoon, kNoon});
  EXPECT_THAT(kept(retention("5x1h").decide(all, {}, kNoon)), ElementsAre(false, false, true));
  std::swap(all[0], all[2]);
  EXPECT_THAT(kept(retention("5x1h").decide(all, {}, kNoon)), ElementsAre(true, false, false));
}

TEST(Retentions, MultiplesOfDaysAndWeeksGoByTheCalendar) {
  const auto monday = sys_days(2026y / 6 / 29);
  const auto all = automatic({monday - days(7), monday - 1s, monday, monday + days(6)});
  EXPECT_THAT(kept(retention("8x1w").decide(all, {}, kNoon + days(7))),
              ElementsAre(false, true, false, true));
  // a day in New York, not in UTC
  const auto zone = Zone::find("America/New_York").value();
  const auto evening = automatic({monday - 1s, monday + 3h, monday + 4h});
  EXPECT_THAT(kept(retention("8x1d").decide(evening, zone, kNoon)), ElementsAre(false, true, true));
  EXPECT_THAT(kept(retention("8x1d").decide(evening, {}, kNoon)), ElementsAre(true, false, true));
}

TEST(Retentions, TheHourThatIsShownTwiceIsTwo) {
  const auto berlin = Zone::find("Europe/Berlin").value();
  const auto change = sys_days(2026y / 10 / 25) + 1h;
  const auto all = automatic({change - 30min, change + 30min});  // both at 02:30
  EXPECT_THAT(kept(retention("9x1h").decide(all, berlin, change + 1h)), ElementsAre(true, true));
  EXPECT_THAT(kept(retention("9x1d").decide(all, berlin, change + 1h)), ElementsAre(false, true));
}

TEST(Retentions, NeverTouchWhatIsNotTheirs) {
  auto all = automatic({kNoon - 4min, kNoon - 3min, kNoon - 2min, kNoon - 1min, kNoon - 0min});
  all[0].locked = true;
  all[1].needed = true;
  all[2].scheduled = false;
  const auto verdicts = retention("1x1h").decide(all, {}, kNoon);
  EXPECT_THAT(kept(verdicts), ElementsAre(true, true, true, false, true));
  EXPECT_THAT(verdicts[0].reasons, ElementsAre("locked"));
  EXPECT_THAT(verdicts[1].reasons, ElementsAre("needed by others"));
  EXPECT_THAT(verdicts[2].reasons, ElementsAre("not made by this schedule"));
  EXPECT_THAT(verdicts[3].reasons, ElementsAre(HasSubstr("no rule")));
}

TEST(Retentions, AHandMadeOneStandsForNoTimeALockedOneDoes) {
  auto all = automatic({kNoon - 1min, kNoon});
  all[1].scheduled = false;
  EXPECT_THAT(kept(retention("1x1h").decide(all, {}, kNoon)), ElementsAre(true, true));
  all[1].scheduled = true;
  all[1].locked = true;
  EXPECT_THAT(kept(retention("1x1h").decide(all, {}, kNoon)), ElementsAre(false, true));
}

TEST(Retentions, GiveEachReason) {
  const auto all = automatic({kNoon - days(1), kNoon - 1h, kNoon});
  const auto verdicts = retention("2x1h | 3x1d").decide(all, {}, kNoon);
  EXPECT_THAT(verdicts[0].reasons, ElementsAre("3x1d: 2 of 3"));
  EXPECT_THAT(verdicts[1].reasons, ElementsAre("2x1h: 2 of 2"));
  EXPECT_THAT(verdicts[2].reasons, ElementsAre("2x1h: 1 of 2", "3x1d: 1 of 3"));
  EXPECT_THAT(Retention().decide(all, {}, kNoon)[0].reasons, ElementsAre("all are kept"));
}

TEST(Retentions, WhatIsDatedLaterThanTheClockNeitherGoesNorDrivesOutOthers) {
  const auto all = automatic({kNoon - 1h, kNoon, kNoon + days(9000), kNoon + days(9001)});
  const auto verdicts = retention("2x1h").decide(all, {}, kNoon);
  EXPECT_THAT(kept(verdicts), ElementsAre(true, true, true, true));
  EXPECT_THAT(verdicts[3].reasons, ElementsAre("dated later than the clock"));
  // with a clock that was set forward too, they count
  EXPECT_THAT(kept(retention("2x1h").decide(all, {}, kNoon + days(9001))),
              ElementsAre(false, false, true, true));
}

/// What a rule wants, as its words say it: local dates from the C library.
std::set<std::string> wanted(const Retention::Rule& rule, const std::vector<Candidate>& all,
                             const LocalClock& clock, sys_seconds now) {
  std::map<std::int64_t, std::pair<std::pair<sys_seconds, std::uint64_t>, std::string>> newest;
  for (const auto& candidate : all) {
    if (!candidate.scheduled || candidate.cut > now) continue;
    const auto date = floor<days>(clock.at(candidate.cut)).time_since_epoch().count();
    auto key = date / rule.period.count;
    if (rule.period.unit == Period::Unit::week) key = (date - 4) / 7 / rule.period.count;
    if (!rule.period.calendar()) key = candidate.cut.time_since_epoch() / rule.period.length();
    auto& best = newest[key];
    best = std::max(best, {{candidate.cut, candidate.sequence}, candidate.name});
  }
  std::set<std::string> names;
  for (auto i = newest.rbegin(); i != newest.rend() && names.size() < rule.keep; ++i)
    names.insert(i->second.second);
  return names;
}

std::vector<Candidate> random_candidates(std::mt19937& random, sys_seconds now) {
  std::vector<Candidate> all;
  const auto spread = 1 + random() % (random() % 2 ? 86400 * 60 : 86400);
  for (std::uint64_t i = 0; i < 200; ++i) {
    auto one = automatic(now + 600s - std::chrono::seconds(random() % spread), i);
    one.scheduled = random() % 8 != 0;
    one.locked = random() % 16 == 0;
    one.needed = random() % 16 == 0;
    all.push_back(one);
  }
  return all;
}

constexpr const char* kTexts[] = {
    "24x1h | 14x1d | 8x1w", "6x4h", "3x2d | 5x90m", "1x1m", "4x2w", "all"};

void compare_with_the_words(const char* name, std::uint32_t seed) {
  std::mt19937 random(seed);
  const LocalClock clock(name);
  const auto zone = Zone::find(name).value();
  const auto now = sys_days(2026y / 1 / 1) + std::chrono::seconds(random() % (86400 * 730));
  auto all = random_candidates(random, now);
  const auto rules = retention(kTexts[random() % std::size(kTexts)]);
  std::set<std::string> names;
  for (const auto& rule : rules.rules()) names.merge(wanted(rule, all, clock, now));
  const auto verdicts = rules.decide(all, zone, now);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& one = all[i];
    const bool always = !one.scheduled || one.locked || one.needed || one.cut > now;
    const bool keep = always || rules.rules().empty() || names.contains(one.name);
    ASSERT_EQ(verdicts[i].keep, keep) << rules.to_string() << ": " << one.name;
    ASSERT_FALSE(verdicts[i].reasons.empty());
  }
  // in another order, the same; after the deletions, nothing to delete
  auto shuffled = all;
  std::ranges::shuffle(shuffled, random);
  prune(shuffled, rules, zone, now);
  prune(all, rules, zone, now);
  ASSERT_EQ(all.size(), shuffled.size());
  for (const auto& verdict : rules.decide(all, zone, now)) ASSERT_TRUE(verdict.keep);
}

TEST(Retentions, DecideAsTheirWordsSayAndOnce) {
  for (const auto* zone : kZones)
    for (std::uint32_t seed = 1; seed <= 100; ++seed) {
      SCOPED_TRACE(std::string(zone) + ", seed " + std::to_string(seed));
      ASSERT_NO_FATAL_FAILURE(compare_with_the_words(zone, seed));
    }
}

TEST(Retentions, HalfAYearOfHoursLeavesHoursDaysAndWeeks) {
  for (const auto* name : kZones) {
    SCOPED_TRACE(name);
    const auto zone = Zone::find(name).value();
    const auto rules = retention("24x1h | 14x1d | 8x1w");
    std::vector<Candidate> all;
    auto now = sys_days(2027y / 12 / 31) + 10min;
    for (std::uint64_t i = 0; i < 24 * 183; ++i, now += 1h) {
      all.push_back(automatic(now, i));
      prune(all, rules, zone, now);
      ASSERT_TRUE(!all.empty() && all.back().sequence == i) << "the newest was pruned";
      ASSERT_LE(all.size(), 24 + 14 + 8);
    }
    ASSERT_GE(all.size(), 24 + 12 + 5);  // hours reach into 2 days, days into 3 weeks
    EXPECT_EQ(all.back().cut - all[all.size() - 24].cut, 23h);
    EXPECT_GT(all.back().cut - all.front().cut, days(7 * 6));
    EXPECT_LT(all.back().cut - all.front().cut, days(7 * 8));
  }
}

}  // namespace
}  // namespace caisson::snapshot
