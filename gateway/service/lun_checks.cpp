// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/lun_checks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::service {
namespace {

constexpr std::string_view kMainStore = "main";

Outcome<> check_capacity(std::string_view name, std::uint64_t capacity, std::uint32_t block) {
  if (capacity != 0 && capacity % block == 0) return {};
  return failure(
      Errc::invalid_argument,
      fmt::format("LUN {}: {} bytes are not a whole number of blocks of {}", name, capacity, block),
      fmt::format("give a multiple of {}", block));
}

Outcome<> check_thick(Parts& parts, const object::CreateOptions& options, std::string_view store) {
  auto* where = parts.registry.store(store);
  if (!options.thick || where == nullptr) return {};
  auto space = where->space();
  if (!space || space->available >= options.capacity) return {};
  return failure(
      Errc::no_space,
      fmt::format("store {} has {} free, a thick LUN {} needs {}", store,
                  format_size(space->available), options.name, format_size(options.capacity)),
      "make it smaller, thin, or in another store");
}

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

Outcome<object::LunView> preview_create(Parts& parts, const object::CreateOptions& options) {
  if (auto name = checked_name("LUN", options.name); !name) return name.error();
  auto store = default_store(parts, options.store);
  if (!store) return store.error();
  if (auto ok = check_capacity(options.name, options.capacity, options.logical_block); !ok)
    return ok.error();
  if (auto ok = check_thick(parts, options, *store); !ok) return ok.error();
  if (auto known = parts.registry.find(options.name)) {
    const auto& old = known->record;
    if (old.capacity == options.capacity && old.store == *store && old.thick == options.thick &&
        old.logical_block == options.logical_block)
      return *known;
    return failure(Errc::already_exists,
                   fmt::format("LUN {} exists already and is different", options.name),
                   fmt::format("caisson lun show {} tells how", options.name));
  }
  object::LunView preview;
  preview.record.name = options.name;
  preview.record.store = *store;
  preview.record.file = options.name + ".img";
  preview.record.capacity = options.capacity;
  preview.record.logical_block = options.logical_block;
  preview.record.physical_block = options.physical_block;
  preview.record.cache = options.cache;
  preview.record.thick = options.thick;
  preview.record.removable = options.removable;
  preview.record.vendor_location = options.location;
  preview.state = catalog::LunState::creating;
  return preview;
}

Outcome<> check_resize(Parts& parts, const object::LunView& lun, std::uint64_t capacity,
                       bool allow_shrink) {
  const auto& record = lun.record;
  if (auto ok = check_capacity(record.name, capacity, record.logical_block); !ok) return ok;
  if (capacity < record.capacity && !allow_shrink)
    return failure(Errc::invalid_argument,
                   fmt::format("LUN {} has {}; {} would cut off data at its end", record.name,
                               format_size(record.capacity), format_size(capacity)),
                   "shrink what is on it first, then repeat with --allow-shrink");
  auto* store = parts.registry.store(record.store);
  if (!record.thick || store == nullptr || capacity <= record.capacity) return {};
  auto space = store->space();
  if (!space || space->available >= capacity - record.capacity) return {};
  return failure(Errc::no_space,
                 fmt::format("store {} has {} free, not enough to grow thick LUN {}", record.store,
                             format_size(space->available), record.name),
                 "free space in the store first");
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

Outcome<> check_host_right(Parts& parts, const Call& call, const object::LunView& lun,
                           std::string_view right) {
  if (call.caller.role != wire::Role::host) return {};
  auto state = parts.access.state();
  const auto* grant = state->effective(lun.record.uuid, call.caller.host_id);
  if (grant != nullptr && !grant->read_only && allows(grant->allowed_verbs, right)) return {};
  return failure(
      Errc::permission_denied,
      fmt::format("{} may not {} LUN {}", call.caller.name, right, lun.record.name),
      fmt::format("an administrator can allow it: caisson access grant {} HOST --allow {}",
                  lun.record.name, right));
}

}  // namespace caisson::service
