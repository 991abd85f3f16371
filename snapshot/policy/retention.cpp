// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/retention.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <tuple>

#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::sys_seconds;

constexpr std::uint32_t kMostKept = 4096;  // as many as a LUN may have
constexpr std::size_t kMostRules = 8;
constexpr std::int64_t kFirstMonday = 4;  // 1970-01-05

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/// Which stretch of time of that length an instant belongs to; grows with the instant.
std::int64_t bucket(const Period& period, const Zone& zone, sys_seconds instant) {
  if (!period.calendar())
    return floor_div(instant.time_since_epoch().count(), period.length().count());
  const auto day = floor<days>(zone.local(instant)).time_since_epoch().count();
  const bool weeks = period.unit == Period::Unit::week;
  return floor_div(weeks ? floor_div(day - kFirstMonday, 7) : day, period.count);
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Failure bad_rule(std::string_view part, std::string_view cause) {
  return failure(Errc::invalid_argument, fmt::format("retention rule '{}' {}", part, cause),
                 "write how many to keep, 'x' and a length of time, rules joined by '|': "
                 "24x1h | 14x1d | 8x1w; or all");
}

Outcome<Retention::Rule> parse_rule(std::string_view part) {
  Retention::Rule rule;
  const auto* last = part.data() + part.size();
  auto [end, error] = std::from_chars(part.data(), last, rule.keep);
  if (error == std::errc::invalid_argument) return bad_rule(part, "does not begin with a number");
  if (end == last || *end != 'x') return bad_rule(part, "has no 'x' behind its number");
  if (error != std::errc() || rule.keep == 0 || rule.keep > kMostKept)
    return bad_rule(part, fmt::format("keeps none, or more than {}", kMostKept));
  auto period = parse_period({end + 1, last});
  if (!period) return bad_rule(part, fmt::format("is wrong: {}", period.error().message));
  rule.period = *period;
  return rule;
}

/// Those that rules choose from, newest first.
std::vector<std::size_t> eligible(const std::vector<Candidate>& all, sys_seconds now) {
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].scheduled && all[i].cut <= now) chosen.push_back(i);
  std::ranges::sort(chosen, std::greater{}, [&](std::size_t i) {
    return std::tie(all[i].cut, all[i].sequence, all[i].name);
  });
  return chosen;
}

void apply(const Retention::Rule& rule, const std::vector<Candidate>& all,
           const std::vector<std::size_t>& newest_first, const Zone& zone,
           std::vector<Verdict>& verdicts) {
  std::optional<std::int64_t> previous;
  std::uint32_t kept = 0;
  for (auto i : newest_first) {
    const auto at = bucket(rule.period, zone, all[i].cut);
    if (previous && at >= *previous) continue;  // local dates may go back by an hour
    if (kept++ == rule.keep) return;
    previous = at;
    verdicts[i].reasons.push_back(fmt::format("{}: {} of {}", rule.to_string(), kept, rule.keep));
  }
}

/// What keeps it whatever the rules say.
void protect(const Candidate& candidate, sys_seconds now, Verdict& verdict) {
  if (!candidate.scheduled) verdict.reasons.emplace_back("not made by this schedule");
  if (candidate.locked) verdict.reasons.emplace_back("locked");
  if (candidate.needed) verdict.reasons.emplace_back("needed by others");
  if (candidate.scheduled && candidate.cut > now)
    verdict.reasons.emplace_back("dated later than the clock");
}

}  // namespace

std::string Retention::Rule::to_string() const {
  return fmt::format("{}x{}", keep, period.to_string());
}

Outcome<Retention> Retention::parse(std::string_view text) {
  Retention parsed;
  if (trim(text) == "all") return parsed;
  for (std::size_t from = 0; from <= text.size();) {
    const auto bar = std::min(text.find('|', from), text.size());
    const auto part = trim(text.substr(from, bar - from));
    auto rule = parse_rule(part);
    if (!rule) return rule.error();
    const auto same = [&](const Rule& other) {
      return other.period.length() == rule->period.length() &&
             other.period.calendar() == rule->period.calendar();
    };
    if (std::ranges::any_of(parsed.rules_, same))
      return bad_rule(part, "has the same length of time as one before it");
    if (parsed.rules_.size() == kMostRules)
      return bad_rule(part, fmt::format("is one too many: {} are the most", kMostRules));
    parsed.rules_.push_back(*rule);
    from = bar + 1;
  }
  return parsed;
}

std::string Retention::to_string() const {
  if (rules_.empty()) return "all";
  std::string text;
  for (const auto& rule : rules_) text += (text.empty() ? "" : " | ") + rule.to_string();
  return text;
}

std::vector<Verdict> Retention::decide(const std::vector<Candidate>& candidates, const Zone& zone,
                                       sys_seconds now) const {
  std::vector<Verdict> verdicts(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) protect(candidates[i], now, verdicts[i]);
  const auto newest_first = eligible(candidates, now);
  for (const auto& rule : rules_) apply(rule, candidates, newest_first, zone, verdicts);
  if (rules_.empty())
    for (auto i : newest_first) verdicts[i].reasons.emplace_back("all are kept");
  for (auto& verdict : verdicts) {
    verdict.keep = !verdict.reasons.empty();
    if (!verdict.keep)
      verdict.reasons.emplace_back("no rule wants it: newer ones stand for its time");
  }
  return verdicts;
}

}  // namespace caisson::snapshot
