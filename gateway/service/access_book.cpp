// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/access_book.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "storage_object/base/chap_secret.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/iscsi_name.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::service {
namespace {

Outcome<> check_secret(std::string_view host, std::string_view which, std::string_view secret) {
  if (valid_chap_secret(secret)) return {};
  return failure(
      Errc::invalid_argument,
      fmt::format("host {}: the {} secret of {} characters is none", host, which, secret.size()),
      "CHAP secrets have 12 to 16 printable characters; leave it out and one is made");
}

Outcome<> check_secrets(const catalog::HostRecord& record) {
  if (record.no_auth) {
    if (record.chap_user.empty() && record.mutual_user.empty()) return {};
    return failure(Errc::invalid_argument,
                   fmt::format("host {}: CHAP and --no-auth exclude each other", record.name),
                   "give either a CHAP user or --no-auth");
  }
  if (record.chap_user.empty())
    return failure(Errc::invalid_argument,
                   fmt::format("host {} has no way to authenticate", record.name),
                   "give a CHAP user, or --no-auth to let it in unproven");
  if (auto ok = check_secret(record.name, "CHAP", record.chap_secret); !ok) return ok;
  if (record.mutual_user.empty()) return {};
  if (auto ok = check_secret(record.name, "mutual CHAP", record.mutual_secret); !ok) return ok;
  if (record.mutual_secret == record.chap_secret)
    return failure(Errc::invalid_argument,
                   fmt::format("host {}: both directions have the same CHAP secret", record.name),
                   "use a different secret for each direction (RFC 7143 12.1.3)");
  return {};
}

bool by_lun_and_host(const catalog::GrantRecord& a, const catalog::GrantRecord& b) {
  return std::tie(a.lun, a.host) < std::tie(b.lun, b.host);
}

}  // namespace

const catalog::HostRecord* AccessState::host(std::string_view name) const noexcept {
  auto at = std::ranges::find(hosts, name, &catalog::HostRecord::name);
  return at == hosts.end() ? nullptr : &*at;
}

const catalog::HostRecord* AccessState::host(std::uint64_t id) const noexcept {
  auto at = std::ranges::find(hosts, id, &catalog::HostRecord::id);
  return at == hosts.end() ? nullptr : &*at;
}

const catalog::HostRecord* AccessState::host_of_initiator(std::string_view iqn) const noexcept {
  for (const auto& candidate : hosts)
    if (std::ranges::find(candidate.iqns, iqn) != candidate.iqns.end()) return &candidate;
  return host(kAnyHost);
}

const catalog::GrantRecord* AccessState::grant(const Uuid& lun, std::uint64_t host) const noexcept {
  for (const auto& candidate : grants)
    if (candidate.lun == lun && candidate.host == host) return &candidate;
  return nullptr;
}

const catalog::GrantRecord* AccessState::effective(const Uuid& lun,
                                                   std::uint64_t host_id) const noexcept {
  auto in_force = [&](std::uint64_t id) {
    const auto* found = grant(lun, id);
    return found != nullptr && !found->proposed ? found : nullptr;
  };
  if (const auto* own = in_force(host_id)) return own;
  const auto* any = host(kAnyHost);
  return any == nullptr ? nullptr : in_force(any->id);
}

Outcome<> AccessBook::load() {
  std::lock_guard lock(changes_);
  AccessState fresh;
  auto hosts = catalog_.hosts();
  if (!hosts) return hosts.error();
  auto grants = catalog_.grants();
  if (!grants) return grants.error();
  fresh.hosts = std::move(*hosts);
  fresh.grants = std::move(*grants);
  publish(std::move(fresh));
  return {};
}

std::shared_ptr<const AccessState> AccessBook::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

void AccessBook::publish(AccessState state) {
  std::ranges::sort(state.hosts, {}, &catalog::HostRecord::name);
  std::ranges::sort(state.grants, by_lun_and_host);
  auto fresh = std::make_shared<const AccessState>(std::move(state));
  std::lock_guard lock(mutex_);
  state_ = std::move(fresh);
}

Outcome<> AccessBook::check(const AccessState& state, const catalog::HostRecord& record) const {
  if (record.name != kAnyHost)
    if (auto name = checked_name("host", record.name); !name) return name.error();
  if (record.name == kAnyHost && !record.iqns.empty())
    return failure(Errc::invalid_argument, "host '*' stands for any initiator and lists none",
                   "create a host with a name of its own for these initiators");
  for (const auto& other : state.hosts)
    for (const auto& iqn : record.iqns)
      if (other.id != record.id && std::ranges::find(other.iqns, iqn) != other.iqns.end())
        return failure(
            Errc::already_exists, fmt::format("initiator {} belongs to host {}", iqn, other.name),
            fmt::format("take it from that host first: caisson host set {}", other.name));
  return check_secrets(record);
}

Outcome<> normalize_initiator_names(std::vector<std::string>& names) {
  for (auto& name : names) {
    auto checked = checked_iscsi_name(name);
    if (!checked) return checked.error();
    name = std::move(*checked);
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return {};
}

Outcome<catalog::HostRecord> AccessBook::put_host(catalog::HostRecord record, bool dry_run) {
  std::lock_guard lock(changes_);
  return store(std::move(record), dry_run);
}

Outcome<HostChange> AccessBook::change_host(
    std::string_view name, const std::function<Outcome<>(catalog::HostRecord&)>& edit,
    bool dry_run) {
  std::lock_guard lock(changes_);
  auto now = state();
  const auto* found = now->host(name);
  if (found == nullptr)
    return failure(Errc::not_found, fmt::format("there is no host '{}'", name),
                   "caisson host list shows them; caisson host create makes one");
  auto record = *found;
  if (auto edited = edit(record); !edited) return edited.error();
  if (auto named = normalize_initiator_names(record.iqns); !named) return named.error();
  if (record == *found) return HostChange{std::move(record), false};
  auto stored = store(std::move(record), dry_run);
  if (!stored) return stored.error();
  return HostChange{std::move(*stored), true};
}

Outcome<catalog::HostRecord> AccessBook::store(catalog::HostRecord record, bool dry_run) {
  if (auto named = normalize_initiator_names(record.iqns); !named) return named.error();
  auto next = *state();
  if (record.id == 0 && next.host(record.name) != nullptr)
    return failure(Errc::already_exists, fmt::format("host {} exists already", record.name),
                   fmt::format("caisson host set {} changes it", record.name));
  if (auto ok = check(next, record); !ok) return ok.error();
  if (dry_run) return record;
  auto stored = catalog_.change([&](catalog::Transaction& transaction) -> Outcome<> {
    auto id = transaction.put_host(record);
    if (!id) return id.error();
    record.id = *id;
    return {};
  });
  if (!stored) return stored.error();
  std::erase_if(next.hosts, [&](const auto& host) { return host.id == record.id; });
  next.hosts.push_back(record);
  publish(std::move(next));
  return record;
}

Outcome<> AccessBook::erase_host(std::string_view name, bool dry_run) {
  std::lock_guard lock(changes_);
  auto next = *state();
  const auto* found = next.host(name);
  if (found == nullptr)
    return failure(Errc::not_found, fmt::format("there is no host '{}'", name),
                   "caisson host list shows them");
  auto id = found->id;
  if (std::ranges::find(next.grants, id, &catalog::GrantRecord::host) != next.grants.end())
    return failure(Errc::in_use, fmt::format("host {} still has access to LUNs", name),
                   "caisson access list shows them; revoke each first");
  if (dry_run) return {};
  auto erased = catalog_.change([&](auto& transaction) { return transaction.erase_host(id); });
  if (!erased) return erased;
  std::erase_if(next.hosts, [&](const auto& host) { return host.id == id; });
  publish(std::move(next));
  return {};
}

Outcome<> AccessBook::put_grant(const catalog::GrantRecord& record, bool dry_run) {
  std::lock_guard lock(changes_);
  if (dry_run) return {};
  auto stored = catalog_.change([&](auto& transaction) { return transaction.put_grant(record); });
  if (!stored) return stored;
  auto next = *state();
  std::erase_if(next.grants, [&](const auto& grant) {
    return grant.lun == record.lun && grant.host == record.host;
  });
  next.grants.push_back(record);
  publish(std::move(next));
  return {};
}

Outcome<bool> AccessBook::erase_grant(const Uuid& lun, std::uint64_t host, bool dry_run) {
  std::lock_guard lock(changes_);
  auto next = *state();
  if (next.grant(lun, host) == nullptr) return false;
  if (dry_run) return true;
  auto erased =
      catalog_.change([&](auto& transaction) { return transaction.erase_grant(lun, host); });
  if (!erased) return erased.error();
  std::erase_if(next.grants,
                [&](const auto& grant) { return grant.lun == lun && grant.host == host; });
  publish(std::move(next));
  return true;
}

}  // namespace caisson::service
