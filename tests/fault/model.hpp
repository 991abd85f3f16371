// SPDX-License-Identifier: Apache-2.0
// What the next start may find of a LUN, sector by sector and attribute by
// attribute, after the power was cut or the process killed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage_object/base/uuid.hpp"
#include "storage_object/catalog/records.hpp"
#include "storage_object/object/reservation_rules.hpp"

namespace caisson::tests {

inline constexpr std::size_t kSector = 512;

/// Enough to tell sectors apart.
inline std::uint64_t fingerprint(std::span<const std::byte> sector) {
  return std::hash<std::string_view>{}(
      {reinterpret_cast<const char*>(sector.data()), sector.size()});
}

/// How a gateway ended.
enum class End { power_cut, killed };

/// What was answered to a change of the medium.
enum class Answer {
  none,     ///< nothing, or a refusal: it may have taken effect
  done,     ///< every reader sees it
  durable,  ///< and it is on the disk
};

/// One attribute: what it may be now. One value, unless a change of it was not answered.
template <class T>
class Maybe {
 public:
  Maybe() = default;
  Maybe(T value) : values_{std::move(value)} {}
  const T& value() const { return values_.back(); }
  bool allows(const T& value) const { return std::ranges::find(values_, value) != values_.end(); }
  /// A change was asked for, then answered.
  void asked(T value) { values_.push_back(std::move(value)); }
  void answered() { values_ = {values_.back()}; }

 private:
  std::deque<T> values_;
};

class Medium {
 public:
  static std::uint64_t zeros() {
    static const std::vector<std::byte> kZeros(kSector);
    return fingerprint(kZeros);
  }
  void wrote(std::uint64_t offset, std::span<const std::byte> data, Answer answer) {
    for (std::size_t at = 0; at < data.size(); at += kSector) {
      auto& sector = sectors_[(offset + at) / kSector];
      if (answer == Answer::durable && !doubtful_) sector.held.clear();
      sector.held.push_back(fingerprint(data.subspan(at, kSector)));
      if (answer != Answer::none) sector.seen = sector.held.size() - 1;
    }
  }
  /// A flush was answered: what was answered before is durable.
  void flushed() {
    if (doubtful_) return;
    for (auto& [number, sector] : sectors_) {
      sector.held.erase(sector.held.begin(), sector.held.begin() + sector.seen);
      sector.seen = 0;
    }
  }
  /// A sync failed, and the process died before it could tell anybody: the kernel
  /// shows what the disk may never get, and the next flush knows nothing of it.
  void doubt() { doubtful_ = true; }
  /// A shrink to this capacity was not answered, or taken back.
  void may_be_overwritten(std::uint64_t capacity) {
    overwritten_ = std::min(overwritten_, capacity / kSector);
  }
  /// Only what is below this capacity is left.
  void cut_off(std::uint64_t capacity) {
    sectors_.erase(sectors_.lower_bound(capacity / kSector), sectors_.end());
  }
  bool allows(std::uint64_t number, std::uint64_t print, End end) const {
    if (number >= overwritten_) return true;
    auto found = sectors_.find(number);
    if (found == sectors_.end()) return print == zeros();
    const auto& [held, seen] = found->second;
    auto from = end == End::killed && !doubtful_ ? seen : 0;
    return std::find(held.begin() + from, held.end(), print) != held.end();
  }
  /// What was found there. After a cut the disk has that and nothing else.
  void found(std::uint64_t number, std::uint64_t print, End end) {
    if (end == End::power_cut) {
      sectors_.erase(number);
      if (print != zeros()) sectors_[number] = {{print}, 0};
      return;
    }
    auto known =
        number >= overwritten_ ? sectors_.try_emplace(number).first : sectors_.find(number);
    if (known == sectors_.end()) return;
    known->second.held.push_back(print);
    known->second.seen = known->second.held.size() - 1;
  }
  void settled() { doubtful_ = false, overwritten_ = kNone; }

 private:
  struct Sector {
    std::vector<std::uint64_t> held{zeros()};  ///< durable first, then what was written since
    std::ptrdiff_t seen = 0;                   ///< the last that was answered
  };
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  std::map<std::uint64_t, Sector> sectors_;  ///< absent: zeros
  std::uint64_t overwritten_ = kNone;        ///< from there on it may be anything
  bool doubtful_ = false;
};

using Kept = std::vector<object::Registration>;

/// A reservation as it outlives a restart.
struct KeptReservation {
  object::ReservationType type = object::ReservationType::none;
  Kept registrations;
  bool operator==(const KeptReservation&) const = default;

  static KeptReservation of(const object::ReservationState& state) {
    if (!state.aptpl) return {};
    return {state.type, state.registrations};
  }
};

enum class Failed { no, maybe, yes };

struct LunModel {
  Uuid uuid;
  std::string target_name;
  bool thick = false;
  Maybe<std::string> name;
  Maybe<std::uint64_t> capacity;
  Maybe<catalog::CacheMode> cache;
  Maybe<std::string> location{std::string()};
  Maybe<bool> there{true};
  Maybe<bool> online{true};
  Failed failed = Failed::no;
  /// A sync failed in the step that did not end: see Medium::doubt().
  bool untold = false;
  /// It failed and the catalog did not take that: nothing but a mark in memory is sure.
  bool in_memory_only = false;
  /// Read-only or not, by host; nothing: not granted.
  std::map<std::uint64_t, Maybe<std::optional<bool>>> grants;
  std::set<std::string> trailer_grants{std::string()};
  Maybe<KeptReservation> reservation{KeptReservation{}};
  Medium medium;

  bool write_through() const { return cache.value() == catalog::CacheMode::writethrough; }
};

/// A raw file of a share user.
struct Image {
  std::vector<std::byte> bytes;
  bool being_imported = false;  ///< in place, unanswered: it may have become a container
  std::string lun{};            ///< of which this may be the name
};

/// All that is expected of one disk.
struct World {
  std::list<LunModel> luns;
  std::map<std::string, LunModel> unfinished;  ///< creations that were not answered, by name
  std::map<std::string, Image> images;         ///< by file name
  std::set<std::string> debris;                ///< files of share users, half made
  std::map<std::uint64_t, std::string> hosts;
  std::set<std::string> doubtful_hosts;  ///< by name: may be there or not
};

}  // namespace caisson::tests
