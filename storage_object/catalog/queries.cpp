// SPDX-License-Identifier: Apache-2.0
// What the catalog is asked about stores, LUNs, hosts, grants, events and settings.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "storage_object/catalog/catalog.hpp"
#include "storage_object/catalog/enum_names.hpp"
#include "storage_object/catalog/sqlite.hpp"

namespace caisson::catalog {
namespace {

constexpr const char* kLuns =
    "SELECT uuid, name, store, file, capacity, logical_block, physical_block, cache, thick, "
    "removable, naa, serial, target_name, target_lun, vendor_location, state, reason, "
    "resize_from, resize_to, import_file, import_length, import_inode, import_born, rename_to, "
    "config_id, owner_epoch, created_at, kind, origin, restoring FROM luns ORDER BY name";
constexpr const char* kHosts =
    "SELECT id, name, no_auth, chap_user, chap_secret, mutual_user, mutual_secret, quota, "
    "created_at FROM hosts ORDER BY id";
constexpr const char* kIqns = "SELECT host, iqn FROM host_iqns ORDER BY host, position";
constexpr const char* kGrants =
    "SELECT lun, host, read_only, quota, lun_number, allowed_verbs, config_id, proposed, "
    "redirect_to, redirect_permanent FROM grants ORDER BY lun, host";
constexpr const char* kEventsAfter =
    "SELECT sequence, time_ms, kind, object, actor, text FROM events WHERE sequence > ? "
    "ORDER BY sequence LIMIT ?";
constexpr const char* kLatestEvents =
    "SELECT sequence, time_ms, kind, object, actor, text FROM events "
    "ORDER BY sequence DESC LIMIT ?";

std::optional<ResizeIntent> read_resize(Columns& row) {
  const auto from = row.optional_number();
  const auto to = row.optional_number();
  if (!from || !to) return std::nullopt;
  return ResizeIntent{*from, *to};
}

std::optional<RawImage> read_import(Columns& row) {
  RawImage image{.file = row.text()};
  const auto length = row.optional_number();
  const auto inode = row.optional_number();
  image.born = row.signed_number();
  if (!length || !inode) return std::nullopt;
  image.length = *length;
  image.inode = *inode;
  return image;
}

template <class E>
Outcome<> read_enum(const std::string& name, const LunRecord& lun, const std::string& path,
                    E& value) {
  auto found = enum_value<E>(name);
  if (!found)
    return failure(
        Errc::corrupt,
        fmt::format("catalog {}: LUN {} has the unknown value \"{}\"", path, lun.name, name),
        kRepair);
  value = *found;
  return {};
}

Outcome<LunRecord> read_lun(Columns row, const std::string& path) {
  LunRecord lun;
  lun.uuid = row.uuid();
  lun.name = row.text();
  lun.store = row.text();
  lun.file = row.text();
  lun.capacity = row.number();
  lun.logical_block = static_cast<std::uint32_t>(row.number());
  lun.physical_block = static_cast<std::uint32_t>(row.number());
  if (auto cache = read_enum(row.text(), lun, path, lun.cache); !cache) return cache.error();
  lun.thick = row.flag();
  lun.removable = row.flag();
  lun.naa = row.text();
  lun.serial = row.text();
  lun.target_name = row.text();
  lun.target_lun = row.number();
  lun.vendor_location = row.text();
  if (auto state = read_enum(row.text(), lun, path, lun.state); !state) return state.error();
  lun.reason = row.text();
  lun.resize = read_resize(row);
  lun.import = read_import(row);
  lun.rename_to = row.text();
  lun.config_id = row.number();
  lun.owner_epoch = row.number();
  lun.created_at = row.signed_number();
  if (auto kind = read_enum(row.text(), lun, path, lun.kind); !kind) return kind.error();
  lun.origin = row.optional_uuid();
  lun.restoring = row.optional_uuid();
  return lun;
}

HostRecord read_host(Columns row) {
  HostRecord host;
  host.id = row.number();
  host.name = row.text();
  host.no_auth = row.flag();
  host.chap_user = row.text();
  host.chap_secret = row.text();
  host.mutual_user = row.text();
  host.mutual_secret = row.text();
  host.quota = row.number();
  host.created_at = row.signed_number();
  return host;
}

EventRecord read_event(Columns row) {
  EventRecord event;
  event.sequence = row.number();
  event.time_ms = row.signed_number();
  event.kind = row.text();
  event.object = row.text();
  event.actor = row.text();
  event.text = row.text();
  return event;
}

/// All rows of a query through a function Columns -> Record.
template <class Record, class... Values>
Outcome<std::vector<Record>> collect(Statements& statements, const char* sql,
                                     Record (*read)(Columns), const Values&... values) {
  std::vector<Record> records;
  auto walked = statements.each(
      sql,
      [&](Columns row) -> Outcome<> {
        records.push_back(read(row));
        return {};
      },
      values...);
  if (!walked) return walked.error();
  return records;
}

std::int64_t as_limit(std::uint64_t value) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(value, std::numeric_limits<std::int64_t>::max()));
}

}  // namespace

Outcome<std::vector<StoreRecord>> Catalog::stores() {
  std::lock_guard lock(mutex_);
  constexpr auto read = [](Columns row) {
    StoreRecord store;
    store.name = row.text();
    store.location = row.text();
    store.import_allowed = row.flag();
    store.mark = Uuid::parse(row.text());
    return store;
  };
  return collect<StoreRecord>(
      *statements_, "SELECT name, location, import_allowed, mark FROM stores ORDER BY name", read);
}

Outcome<std::vector<LunRecord>> Catalog::luns() {
  std::lock_guard lock(mutex_);
  std::vector<LunRecord> luns;
  auto read = statements_->each(kLuns, [&](Columns row) -> Outcome<> {
    auto lun = read_lun(row, options_.path);
    if (!lun) return lun.error();
    luns.push_back(std::move(*lun));
    return {};
  });
  if (!read) return read.error();
  return luns;
}

Outcome<std::vector<HostRecord>> Catalog::hosts() {
  std::lock_guard lock(mutex_);
  auto hosts = collect<HostRecord>(*statements_, kHosts, read_host);
  if (!hosts) return hosts;
  auto host = hosts->begin();  // both lists ascend by id
  auto read = statements_->each(kIqns, [&](Columns row) -> Outcome<> {
    const auto id = row.number();
    while (host != hosts->end() && host->id != id) ++host;
    if (host != hosts->end()) host->iqns.push_back(row.text());
    return {};
  });
  if (!read) return read.error();
  return hosts;
}

Outcome<std::vector<GrantRecord>> Catalog::grants() {
  std::lock_guard lock(mutex_);
  constexpr auto read = [](Columns row) {
    GrantRecord grant;
    grant.lun = row.uuid();
    grant.host = row.number();
    grant.read_only = row.flag();
    grant.quota = row.number();
    grant.lun_number = row.number();
    grant.allowed_verbs = row.text();
    grant.config_id = row.number();
    grant.proposed = row.flag();
    grant.redirect_to = row.text();
    grant.redirect_permanent = row.flag();
    return grant;
  };
  return collect<GrantRecord>(*statements_, kGrants, read);
}

Outcome<std::optional<std::string>> Catalog::setting(std::string_view key) {
  std::lock_guard lock(mutex_);
  std::optional<std::string> value;
  auto read = statements_->each(
      "SELECT value FROM settings WHERE key = ?",
      [&](Columns row) -> Outcome<> {
        value = row.text();
        return {};
      },
      key);
  if (!read) return read.error();
  return value;
}

Outcome<std::vector<EventRecord>> Catalog::events_after(std::uint64_t after, std::size_t limit) {
  std::lock_guard lock(mutex_);
  return collect<EventRecord>(*statements_, kEventsAfter, read_event, as_limit(after),
                              as_limit(limit));
}

Outcome<std::vector<EventRecord>> Catalog::latest_events(std::size_t limit) {
  std::lock_guard lock(mutex_);
  auto events = collect<EventRecord>(*statements_, kLatestEvents, read_event, as_limit(limit));
  if (events) std::ranges::reverse(*events);
  return events;
}

}  // namespace caisson::catalog
