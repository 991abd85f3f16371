// SPDX-License-Identifier: Apache-2.0
// Hosts, grants, events and settings, written.
#include <fmt/format.h>

#include <chrono>

#include "storage_object/catalog/catalog.hpp"
#include "storage_object/catalog/sqlite.hpp"

namespace caisson::catalog {
namespace {

constexpr const char* kAddHost =
    "INSERT INTO hosts (id, name, no_auth, chap_user, chap_secret, mutual_user, mutual_secret, "
    "quota, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, no_auth = excluded.no_auth, "
    "chap_user = excluded.chap_user, chap_secret = excluded.chap_secret, "
    "mutual_user = excluded.mutual_user, mutual_secret = excluded.mutual_secret, "
    "quota = excluded.quota, created_at = excluded.created_at";

constexpr const char* kDropIqns = "DELETE FROM host_iqns WHERE host = ?";
constexpr const char* kAddIqn = "INSERT INTO host_iqns (host, position, iqn) VALUES (?, ?, ?)";

constexpr const char* kPutGrant =
    "INSERT INTO grants (lun, host, read_only, quota, lun_number, allowed_verbs, config_id, "
    "proposed, redirect_to, redirect_permanent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (lun, host) DO UPDATE SET read_only = excluded.read_only, "
    "quota = excluded.quota, lun_number = excluded.lun_number, "
    "allowed_verbs = excluded.allowed_verbs, config_id = excluded.config_id, "
    "proposed = excluded.proposed, redirect_to = excluded.redirect_to, "
    "redirect_permanent = excluded.redirect_permanent";

constexpr const char* kAddEvent =
    "INSERT INTO events (time_ms, kind, object, actor, text) VALUES (?, ?, ?, ?, ?)";

constexpr const char* kPutSetting =
    "INSERT INTO settings (key, value) VALUES (?, ?) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value";

Outcome<> put_iqns(Statements& statements, std::uint64_t host, const HostRecord& record) {
  if (auto dropped = statements.run(kDropIqns, host); !dropped) return dropped.error();
  std::size_t position = 0;
  for (const auto& iqn : record.iqns) {
    auto added = statements.run(kAddIqn, host, position++, iqn);
    if (!added && added.error().code == Errc::already_exists)
      return failure(
          Errc::already_exists,
          fmt::format("host {}: initiator {} belongs to a host already", record.name, iqn),
          "`caisson host list` shows whose it is.");
    if (!added) return added.error();
  }
  return {};
}

}  // namespace

Outcome<std::uint64_t> Transaction::put_host(const HostRecord& record) {
  std::optional<std::uint64_t> id;  // NULL: SQLite gives the next, never used before
  if (record.id != 0) id = record.id;
  auto put = statements_.run(kAddHost, id, record.name, record.no_auth, record.chap_user,
                             record.chap_secret, record.mutual_user, record.mutual_secret,
                             record.quota, record.created_at);
  if (!put && put.error().code == Errc::already_exists)
    return failure(Errc::already_exists,
                   fmt::format("there is a host named {} already", record.name),
                   "Choose another name, or change that one with `caisson host set`.");
  if (!put) return put.error();
  const std::uint64_t stored = id ? *id : statements_.last_row_id();
  if (auto listed = put_iqns(statements_, stored, record); !listed) return listed.error();
  return stored;
}

Outcome<> Transaction::erase_host(std::uint64_t id) {
  return statements_.run("DELETE FROM hosts WHERE id = ?", id);
}

Outcome<> Transaction::put_grant(const GrantRecord& record) {
  auto put = statements_.run(kPutGrant, record.lun, record.host, record.read_only, record.quota,
                             record.lun_number, record.allowed_verbs, record.config_id,
                             record.proposed, record.redirect_to, record.redirect_permanent);
  if (!put && put.error().code == Errc::in_use)  // within a transaction only a foreign key says so
    return failure(Errc::not_found,
                   fmt::format("grant of LUN {} to host {}: one of them is not known",
                               record.lun.to_string(), record.host),
                   "`caisson lun list` and `caisson host list` show what there is.");
  return put;
}

Outcome<> Transaction::erase_grant(const Uuid& lun, std::uint64_t host) {
  return statements_.run("DELETE FROM grants WHERE lun = ? AND host = ?", lun, host);
}

Outcome<std::uint64_t> Transaction::add_event(std::string_view kind, std::string_view object,
                                              std::string_view actor, std::string_view text) {
  const auto since_epoch = clock_.wall().time_since_epoch();
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
  if (auto added = statements_.run(kAddEvent, now, kind, object, actor, text); !added)
    return added.error();
  return statements_.last_row_id();
}

Outcome<> Transaction::put_setting(std::string_view key, std::string_view value) {
  return statements_.run(kPutSetting, key, value);
}

}  // namespace caisson::catalog
