// SPDX-License-Identifier: Apache-2.0
#include "snapshot/policy/zone.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

using std::chrono::local_seconds;
using std::chrono::seconds;
using std::chrono::sys_seconds;

const cctz::civil_second kEpoch(1970, 1, 1);

bool name_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '+' || c == '-' || c == '/';
}

/// Names begin with a capital: "localtime", "right/…" (which counts leap seconds)
/// and "posixrules" are files of the database, but not zones. Without '.' and ':'
/// a name leads neither out of the database nor to other sources of the library.
bool can_be_zone(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.front() >= 'A' && name.front() <= 'Z' &&
         std::ranges::all_of(name, name_letter);
}

}  // namespace

Outcome<Zone> Zone::find(std::string_view name) {
  if (name == "UTC") return Zone();
  if (!can_be_zone(name))
    return failure(Errc::invalid_argument, fmt::format("'{}' is not the name of a time zone", name),
                   "write UTC or a name such as Europe/Berlin");
  std::string text(name);
  cctz::time_zone zone;
  if (!cctz::load_time_zone(text, &zone))
    return failure(Errc::not_found,
                   fmt::format("the system's time zone database has no zone '{}'", name),
                   "see `timedatectl list-timezones`; the database is the package tzdata");
  return Zone(std::move(text), zone);
}

local_seconds Zone::local(sys_seconds instant) const {
  return local_seconds(seconds(zone_.lookup(instant).cs - kEpoch));
}

sys_seconds Zone::first_instant(local_seconds local) const {
  const auto found = zone_.lookup(kEpoch + local.time_since_epoch().count());
  return found.kind == cctz::time_zone::civil_lookup::SKIPPED ? found.trans : found.pre;
}

}  // namespace caisson::snapshot
