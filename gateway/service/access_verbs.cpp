// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "gateway/service/verbs.hpp"
#include "storage_object/base/address.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::service {
namespace {

constexpr std::array<std::string_view, 4> kGrantableVerbs = {"resize", "restore", "snapshot",
                                                             "trim"};

Outcome<std::string> allowed_verbs(const wire::AccessGrantRequest& request) {
  std::string joined;
  for (auto verb : kGrantableVerbs)  // the table's order, each once
    if (std::ranges::find(request.allow(), verb) != request.allow().end())
      joined += (joined.empty() ? "" : ",") + std::string(verb);
  for (const auto& verb : request.allow())
    if (std::ranges::find(kGrantableVerbs, verb) == kGrantableVerbs.end())
      return failure(Errc::invalid_argument, fmt::format("'{}' cannot be allowed to a host", verb),
                     "choose among resize, restore, snapshot and trim");
  return joined;
}

/// Two LUNs below one target must not have one number for the same host. The
/// grants of "*" count for every host, and a grant to "*" meets those of all.
Outcome<> check_number(Parts& parts, const object::LunView& lun, const catalog::GrantRecord& grant,
                       std::string_view host) {
  auto state = parts.access.state();
  const auto* any = state->host(kAnyHost);
  auto concerns = [&](const catalog::GrantRecord& theirs) {
    return host == kAnyHost || theirs.host == grant.host ||
           (any != nullptr && theirs.host == any->id);
  };
  for (const auto& other : parts.registry.find_by_target(lun.record.target_name)) {
    if (other.record.uuid == lun.record.uuid) continue;
    auto clashes = [&](const catalog::GrantRecord& theirs) {
      return theirs.lun == other.record.uuid && theirs.lun_number == grant.lun_number &&
             concerns(theirs);
    };
    if (std::ranges::none_of(state->grants, clashes)) continue;
    return failure(Errc::already_exists,
                   fmt::format("host {} sees LUN {} as number {} of target {}", host,
                               other.record.name, grant.lun_number, lun.record.target_name),
                   "choose another number with --lun-number");
  }
  return {};
}

bool same(const catalog::GrantRecord& a, const catalog::GrantRecord& b) {
  return a.read_only == b.read_only && a.quota == b.quota && a.lun_number == b.lun_number &&
         a.allowed_verbs == b.allowed_verbs && a.proposed == b.proposed;
}

struct Place {
  object::LunView lun;
  catalog::HostRecord host;
};

Outcome<Place> find_place(Parts& parts, std::string_view lun, std::string_view host) {
  auto found_lun = find_lun(parts, lun);
  if (!found_lun) return found_lun.error();
  auto found_host = find_host(parts, host);
  if (!found_host) return found_host.error();
  return Place{std::move(*found_lun), std::move(*found_host)};
}

/// Where a redirect leads, in canonical form; empty: it ends.
Outcome<std::string> redirect_address(const wire::AccessRedirectRequest& request) {
  if (request.remove() == !request.to().empty() || (request.remove() && request.permanent()))
    return failure(Errc::invalid_argument, "a redirect leads somewhere, or is removed",
                   "give --to ADDR:PORT, perhaps with --permanent, or --remove");
  if (request.remove()) return std::string();
  auto address = parse_address(request.to());
  if (!address) return address.error();
  if (address->port == 0 || address->host == "0.0.0.0" || address->host == "::")
    return failure(Errc::invalid_argument,
                   fmt::format("no initiator can log in at {}", address->to_string()),
                   "name one address and port of the gateway that serves the LUN");
  return address->to_string();
}

/// The hosts whose logins go by this grant: its own, or of "*" all that have none
/// of their own for the LUN.
std::vector<std::uint64_t> hosts_under(const AccessState& state,
                                       const catalog::GrantRecord& grant) {
  const auto* any = state.host(kAnyHost);
  if (any == nullptr || grant.host != any->id) return {grant.host};
  std::vector<std::uint64_t> hosts;
  for (const auto& host : state.hosts) {
    const auto* in_force = state.effective(grant.lun, host.id);
    if (in_force == nullptr || in_force->host == grant.host) hosts.push_back(host.id);
  }
  return hosts;
}

/// A login is to a target: all its LUNs go one way. Notes those that come along.
Outcome<> check_one_way(Parts& parts, const object::LunView& lun, const catalog::GrantRecord& grant,
                        wire::Change& change) {
  auto state = parts.access.state();
  auto elsewhere = [&](const catalog::GrantRecord& theirs) {
    return !theirs.redirect_to.empty() && !grant.redirect_to.empty() &&
           (theirs.redirect_to != grant.redirect_to ||
            theirs.redirect_permanent != grant.redirect_permanent);
  };
  for (const auto& other : parts.registry.find_by_target(lun.record.target_name)) {
    if (other.record.uuid == lun.record.uuid) continue;
    bool shared = false;
    for (auto host : hosts_under(*state, grant)) {
      const auto* theirs = state->effective(other.record.uuid, host);
      if (theirs == nullptr) continue;
      shared = true;
      if (elsewhere(*theirs))
        return failure(Errc::in_use,
                       fmt::format("LUN {} shares target {} and is redirected to {}",
                                   other.record.name, lun.record.target_name, theirs->redirect_to),
                       fmt::format("redirect both to one place, or end that one first: "
                                   "caisson access redirect {} HOST --remove",
                                   other.record.name));
    }
    if (shared)
      change.add_notes(fmt::format("LUN {} shares target {}: logins to it go the same way",
                                   other.record.name, lun.record.target_name));
  }
  return {};
}

/// Sessions see it now; the trailer's copy follows, and a failure there is only noted.
void spread(Parts& parts, const Uuid& lun, wire::Change& change) {
  parts.sessions.refresh_all();
  if (auto copied = parts.registry.refresh_grants(lun); !copied)
    change.add_notes("the copy in the container's trailer could not be renewed: " +
                     copied.error().message);
}

}  // namespace

Outcome<wire::AccessReply> access_grant(Parts& parts, const Call&,
                                        const wire::AccessGrantRequest& request) {
  auto place = find_place(parts, request.lun(), request.host());
  if (!place) return place.error();
  auto allow = allowed_verbs(request);
  if (!allow) return allow.error();
  catalog::GrantRecord grant;
  grant.lun = place->lun.record.uuid;
  grant.host = place->host.id;
  grant.read_only = request.read_only();
  grant.quota = request.quota();
  grant.lun_number = request.has_lun_number() ? request.lun_number() : place->lun.record.target_lun;
  grant.allowed_verbs = std::move(*allow);
  if (grant.lun_number > 16383)
    return failure(Errc::invalid_argument, fmt::format("{} is not a LUN number", grant.lun_number),
                   "LUN numbers go from 0 to 16383 (SAM-5 4.7.7)");
  if (auto ok = check_number(parts, place->lun, grant, place->host.name); !ok) return ok.error();
  auto state = parts.access.state();
  const auto* old = state->grant(grant.lun, grant.host);
  if (old != nullptr) {
    grant.config_id = old->config_id + 1;
    grant.redirect_to = old->redirect_to;
    grant.redirect_permanent = old->redirect_permanent;
  }
  bool changed = old == nullptr || !same(*old, grant);
  wire::AccessReply reply;
  *reply.mutable_change() = change(request.dry_run(), changed);
  if (changed) {
    if (auto put = parts.access.put_grant(grant, request.dry_run()); !put) return put.error();
    if (!request.dry_run()) spread(parts, grant.lun, *reply.mutable_change());
  }
  *reply.mutable_access() = describe_access(changed ? grant : *old, place->host, place->lun);
  return reply;
}

Outcome<wire::AccessListReply> access_list(Parts& parts, const Call&,
                                           const wire::AccessListRequest& request) {
  if (!request.lun().empty())
    if (auto lun = find_lun(parts, request.lun()); !lun) return lun.error();
  if (!request.host().empty())
    if (auto host = find_host(parts, request.host()); !host) return host.error();
  auto state = parts.access.state();
  wire::AccessListReply reply;
  for (const auto& lun : parts.registry.list()) {
    if (!request.lun().empty() && lun.record.name != request.lun()) continue;
    for (const auto& grant : state->grants) {
      const auto* host = grant.lun == lun.record.uuid ? state->host(grant.host) : nullptr;
      if (host != nullptr &&
          (request.host().empty() || host->name == request.host() || host->name == kAnyHost))
        *reply.add_access() = describe_access(grant, *host, lun);
    }
  }
  return reply;
}

Outcome<wire::RemoveReply> access_revoke(Parts& parts, const Call&,
                                         const wire::AccessRevokeRequest& request) {
  auto place = find_place(parts, request.lun(), request.host());
  if (!place) return place.error();
  auto erased = parts.access.erase_grant(place->lun.record.uuid, place->host.id, request.dry_run());
  if (!erased) return erased.error();
  if (!*erased)
    return failure(
        Errc::not_found,
        fmt::format("host {} has no access of its own to LUN {}", request.host(), request.lun()),
        fmt::format("caisson access list --lun {} shows who has, '*' among them", request.lun()));
  wire::RemoveReply reply;
  reply.set_name(request.lun() + " " + request.host());
  *reply.mutable_change() = change(request.dry_run(), true);
  if (parts.access.state()->effective(place->lun.record.uuid, place->host.id) != nullptr)
    reply.mutable_change()->add_notes(fmt::format(
        "host {} still reaches LUN {} by the access of '*'", request.host(), request.lun()));
  if (!request.dry_run()) spread(parts, place->lun.record.uuid, *reply.mutable_change());
  return reply;
}

Outcome<wire::AccessReply> access_redirect(Parts& parts, const Call&,
                                           const wire::AccessRedirectRequest& request) {
  auto place = find_place(parts, request.lun(), request.host());
  if (!place) return place.error();
  auto to = redirect_address(request);
  if (!to) return to.error();
  auto state = parts.access.state();
  const auto* old = state->grant(place->lun.record.uuid, place->host.id);
  if (old == nullptr || old->proposed)
    return failure(
        Errc::not_found,
        fmt::format("host {} has no access of its own to LUN {}", request.host(), request.lun()),
        fmt::format("caisson access grant {} {} gives it", request.lun(), request.host()));
  auto grant = *old;
  grant.redirect_to = std::move(*to);
  grant.redirect_permanent = request.permanent();
  bool changed = grant != *old;
  if (changed) ++grant.config_id;
  wire::AccessReply reply;
  *reply.mutable_change() = change(request.dry_run(), changed);
  if (auto ok = check_one_way(parts, place->lun, grant, *reply.mutable_change()); !ok)
    return ok.error();
  if (changed) {
    if (auto put = parts.access.put_grant(grant, request.dry_run()); !put) return put.error();
    if (!request.dry_run()) spread(parts, grant.lun, *reply.mutable_change());
  }
  *reply.mutable_access() = describe_access(grant, place->host, place->lun);
  return reply;
}

}  // namespace caisson::service
