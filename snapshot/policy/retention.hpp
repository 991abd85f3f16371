// SPDX-License-Identifier: Apache-2.0
// Which of a schedule's snapshots stay. Pure: what it decides follows from its
// arguments, and deciding again after the deletions asks for none.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/policy/period.hpp"
#include "snapshot/policy/zone.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::snapshot {

/// A snapshot, as far as retention looks at it.
struct Candidate {
  std::string name;
  std::uint64_t sequence = 0;    ///< grows with each cut of the LUN; decides among equal times
  std::chrono::sys_seconds cut;  ///< wall clock at the cut
  bool scheduled = false;        ///< made by the schedule this retention belongs to
  bool locked = false;           ///< locked or pinned
  bool needed = false;           ///< a clone, a replica or a running job stands on it
};

/// What becomes of a candidate, and why, in words for a dry run.
struct Verdict {
  bool keep = false;
  std::vector<std::string> reasons;  ///< never empty
};

/// "24x1h | 14x1d | 8x1w": the newest snapshot of each of the newest 24 hours, 14 days and 8
/// weeks in which there is one; what any rule wants stays.
///
/// Minutes and hours are counted through, so the hour that a clock shows twice
/// in autumn is two. Days begin at midnight in the schedule's zone, weeks on Monday; "7x2d"
/// takes days by two. Empty hours use up nothing: after a week without power the newest 24 still
/// stay.
class Retention {
 public:
  struct Rule {
    std::uint32_t keep = 1;
    Period period;

    std::string to_string() const;
    bool operator==(const Rule&) const = default;
  };

  /// Keeps all.
  Retention() = default;
  /// From the form above, or "all". At most 8 rules, each of up to 4,096, no two of the same
  /// length; Errc::invalid_argument names the part that is wrong.
  static Outcome<Retention> parse(std::string_view text);
  std::string to_string() const;

  const std::vector<Rule>& rules() const noexcept { return rules_; }

  /// One verdict for each candidate, in their order, at the time `now`. Never pruned
  /// are: what the schedule did not make, what is locked or needed (these take
  /// part as if they were not), and what is dated after `now`, because then the clock
  /// was wrong at one of the two; it takes part when its time has come.
  std::vector<Verdict> decide(const std::vector<Candidate>& candidates, const Zone& zone,
                              std::chrono::sys_seconds now) const;

  bool operator==(const Retention&) const = default;

 private:
  std::vector<Rule> rules_;
};

}  // namespace caisson::snapshot
