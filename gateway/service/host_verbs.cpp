// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "gateway/service/verbs.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/iscsi_name.hpp"
#include "storage_object/base/random.hpp"

namespace caisson::service {
namespace {

/// 16 characters out of 64: 96 bits, within RFC 7143 12.1.3's 12 to 16.
std::string generate_secret() {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  static_assert(kAlphabet.size() == 64);
  std::array<std::byte, 16> bytes;
  fill_random(bytes);
  std::string secret;
  for (auto b : bytes) secret += kAlphabet[std::to_integer<std::size_t>(b) % kAlphabet.size()];
  return secret;
}

/// Fills in the parts of CHAP that were left to us; what was made is noted.
void complete_chap(const Parts& parts, catalog::HostRecord& host, bool mutual,
                   wire::GeneratedSecrets& generated) {
  if (host.chap_user.empty()) host.chap_user = host.name;
  if (host.chap_secret.empty()) {
    host.chap_secret = generate_secret();
    generated.set_chap_user(host.chap_user);
    generated.set_chap_secret(host.chap_secret);
  }
  if (!mutual) return;
  if (host.mutual_user.empty()) host.mutual_user = parts.facts.node;
  if (host.mutual_secret.empty()) {
    host.mutual_secret = generate_secret();
    generated.set_mutual_user(host.mutual_user);
    generated.set_mutual_secret(host.mutual_secret);
  }
}

void clear_chap(catalog::HostRecord& host) {
  host.chap_user.clear();
  host.chap_secret.clear();
  host.mutual_user.clear();
  host.mutual_secret.clear();
}

/// Whether a `create` again asks for what is there: given secrets must match,
/// secrets left to us may be whatever they became.
bool same_host(const catalog::HostRecord& old, const wire::HostCreateRequest& request,
               const std::vector<std::string>& iqns) {
  auto given = [](const std::string& value, const std::string& have) {
    return value.empty() || value == have;
  };
  return old.iqns == iqns && old.no_auth == request.no_auth() && old.quota == request.quota() &&
         given(request.chap_user(), old.chap_user) &&
         given(request.chap_secret(), old.chap_secret) &&
         request.mutual() == !old.mutual_user.empty() &&
         given(request.mutual_user(), old.mutual_user) &&
         given(request.mutual_secret(), old.mutual_secret);
}

bool any(const wire::GeneratedSecrets& generated) {
  return !generated.chap_secret().empty() || !generated.mutual_secret().empty();
}

wire::HostReply host_reply(Parts& parts, const catalog::HostRecord& host, bool dry_run,
                           bool changed, const wire::GeneratedSecrets& generated) {
  wire::HostReply reply;
  *reply.mutable_host() = describe_host(parts, host);
  *reply.mutable_change() = change(dry_run, changed);
  if (any(generated) && !dry_run) *reply.mutable_generated() = generated;
  if (changed && !dry_run) parts.sessions.refresh_all();
  return reply;
}

Outcome<> change_iqns(catalog::HostRecord& host, const wire::HostSetRequest& request) {
  for (const auto& iqn : request.remove_iqns()) {
    auto name = checked_iscsi_name(iqn);  // an older version took some that are none
    if (std::erase(host.iqns, name ? *name : iqn) == 0)
      return failure(Errc::not_found, fmt::format("host {} does not list {}", host.name, iqn),
                     fmt::format("caisson host show {} lists what it has", host.name));
  }
  for (const auto& iqn : request.add_iqns()) {
    auto name = checked_iscsi_name(iqn);
    if (!name) return name.error();
    if (std::ranges::find(host.iqns, *name) == host.iqns.end()) host.iqns.push_back(*name);
  }
  return {};
}

bool touches_chap(const wire::HostSetRequest& request) {
  return request.has_chap_user() || request.has_chap_secret() || request.new_secret() ||
         request.has_mutual() || request.has_mutual_user() || request.has_mutual_secret();
}

/// Anything said about CHAP ends --no-auth; both at once contradict each other.
Outcome<> change_chap(const Parts& parts, catalog::HostRecord& host,
                      const wire::HostSetRequest& request, wire::GeneratedSecrets& generated) {
  bool open = request.has_no_auth() && request.no_auth();
  if (open && touches_chap(request))
    return failure(Errc::invalid_argument,
                   fmt::format("host {}: CHAP and --no-auth exclude each other", host.name),
                   "give one of them");
  if (open) {
    host.no_auth = true;
    clear_chap(host);
    return {};
  }
  if (!request.has_no_auth() && !touches_chap(request)) return {};
  host.no_auth = false;
  if (request.has_chap_user()) host.chap_user = request.chap_user();
  if (request.has_chap_secret()) host.chap_secret = request.chap_secret();
  if (request.new_secret()) host.chap_secret.clear();
  bool mutual = request.has_mutual() ? request.mutual() : !host.mutual_user.empty();
  if (!mutual) {
    host.mutual_user.clear();
    host.mutual_secret.clear();
  }
  if (request.has_mutual_user()) host.mutual_user = request.mutual_user();
  if (request.has_mutual_secret()) host.mutual_secret = request.mutual_secret();
  complete_chap(parts, host, mutual, generated);
  return {};
}

}  // namespace

Outcome<wire::HostReply> host_create(Parts& parts, const Call&,
                                     const wire::HostCreateRequest& request) {
  std::vector<std::string> iqns(request.iqns().begin(), request.iqns().end());
  if (auto named = normalize_initiator_names(iqns); !named) return named.error();
  auto state = parts.access.state();
  if (const auto* old = state->host(request.name())) {
    if (!same_host(*old, request, iqns))
      return failure(Errc::already_exists,
                     fmt::format("host {} exists already and is different", request.name()),
                     fmt::format("caisson host set {} changes it", request.name()));
    return host_reply(parts, *old, request.dry_run(), false, {});
  }
  catalog::HostRecord host;
  host.name = request.name();
  host.iqns = std::move(iqns);
  host.no_auth = request.no_auth();
  host.chap_user = request.chap_user();
  host.chap_secret = request.chap_secret();
  host.mutual_user = request.mutual_user();
  host.mutual_secret = request.mutual_secret();
  host.quota = request.quota();
  host.created_at = std::chrono::system_clock::to_time_t(Clock::system().wall());
  wire::GeneratedSecrets generated;
  if (!host.no_auth) complete_chap(parts, host, request.mutual(), generated);
  auto stored = parts.access.put_host(std::move(host), request.dry_run());
  if (!stored) return stored.error();
  return host_reply(parts, *stored, request.dry_run(), true, generated);
}

Outcome<wire::HostListReply> host_list(Parts& parts, const Call&, const wire::HostListRequest&) {
  wire::HostListReply reply;
  for (const auto& host : parts.access.state()->hosts)
    *reply.add_hosts() = describe_host(parts, host);
  return reply;
}

Outcome<wire::HostReply> host_show(Parts& parts, const Call&,
                                   const wire::HostShowRequest& request) {
  auto host = find_host(parts, request.name());
  if (!host) return host.error();
  wire::HostReply reply;
  *reply.mutable_host() = describe_host(parts, *host);
  return reply;
}

Outcome<wire::HostReply> host_set(Parts& parts, const Call&, const wire::HostSetRequest& request) {
  wire::GeneratedSecrets generated;
  auto edit = [&](catalog::HostRecord& host) -> Outcome<> {
    if (auto ok = change_iqns(host, request); !ok) return ok;
    if (request.has_quota()) host.quota = request.quota();
    return change_chap(parts, host, request, generated);
  };
  auto edited = parts.access.change_host(request.name(), edit, request.dry_run());
  if (!edited) return edited.error();
  return host_reply(parts, edited->host, request.dry_run(), edited->changed, generated);
}

Outcome<wire::RemoveReply> host_delete(Parts& parts, const Call&,
                                       const wire::HostDeleteRequest& request) {
  if (auto erased = parts.access.erase_host(request.name(), request.dry_run()); !erased)
    return erased.error();
  if (!request.dry_run()) parts.sessions.refresh_all();
  wire::RemoveReply reply;
  reply.set_name(request.name());
  *reply.mutable_change() = change(request.dry_run(), true);
  return reply;
}

}  // namespace caisson::service
