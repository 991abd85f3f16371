// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/lun_checks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "storage_object/base/errc.hpp"

namespace caisson::service {
namespace {

constexpr std::string_view kMainStore = "main";

}  // namespace

Outcome<std::string> default_store(Parts& parts, std::string_view name) {
  auto stores = parts.registry.stores();
  if (name.empty() && stores.size() == 1) return stores.front().name;
  auto wanted = name.empty() ? kMainStore : name;
  if (std::ranges::find(stores, wanted, &catalog::StoreRecord::name) != stores.end())
    return std::string(wanted);
  return failure(Errc::not_found, fmt::format("there is no store '{}'", wanted),
                 "caisson store list shows them; caisson store add makes one known");
}

Outcome<> check_no_sessions(Parts& parts, const object::LunView& lun) {
  for (const auto& session : parts.sessions.list()) {
    if (session.identity.target_name != lun.record.target_name) continue;
    auto names = luns_of(parts, session);
    if (std::ranges::find(names, lun.record.name) == names.end()) continue;
    return failure(Errc::in_use,
                   fmt::format("LUN {} is in use: session {} of host {} ({}) is logged in",
                               lun.record.name, session.identity.id, session.identity.host_name,
                               session.identity.initiator_port),
                   "log out there, or caisson session drop " + std::to_string(session.identity.id) +
                       " after revoking its access");
  }
  return {};
}

bool allows(std::string_view verbs, std::string_view right) noexcept {
  while (!verbs.empty()) {
    auto comma = verbs.find(',');
    if (verbs.substr(0, comma) == right) return true;
    verbs = comma == std::string_view::npos ? "" : verbs.substr(comma + 1);
  }
  return false;
}

bool has_right(Parts& parts, const Call& call, const object::LunView& lun, wire::Right right) {
  if (call.caller.role != wire::Role::host) return true;
  auto state = parts.access.state();
  const auto* grant = state->effective(lun.record.uuid, call.caller.host_id);
  return grant != nullptr && (!grant->read_only || right == wire::Right::snapshot) &&
         allows(grant->allowed_verbs, to_string(right));
}

Outcome<object::LunView> lun_for(Parts& parts, const Call& call, std::string_view name,
                                 wire::Right right) {
  auto lun = find_lun(parts, name);
  if (lun ? has_right(parts, call, *lun, right) : call.caller.role != wire::Role::host) return lun;
  return failure(
      Errc::permission_denied,
      fmt::format("{} may not {} LUN {}", call.caller.name, to_string(right), name),
      fmt::format("an administrator can allow it: caisson access grant {} HOST --allow {}", name,
                  to_string(right)));
}

}  // namespace caisson::service
