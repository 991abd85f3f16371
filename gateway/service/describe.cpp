// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "gateway/service/snapshots.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::service {
namespace {

constexpr std::array<std::string_view, 3> kCacheModes = {"writeback", "none", "writethrough"};
constexpr std::array<std::string_view, 5> kLunStates = {"online", "offline", "failed", "creating",
                                                        "deleting"};

struct BlockSizeRow {
  std::string_view name;
  BlockSizes sizes;
};
constexpr BlockSizeRow kBlockSizes[] = {
    {"", {512, 4096}}, {"512e", {512, 4096}}, {"512n", {512, 512}}, {"4096", {4096, 4096}}};

template <class Container>
void split_into(std::string_view list, Container& out) {
  while (!list.empty()) {
    auto comma = list.find(',');
    if (auto item = list.substr(0, comma); !item.empty()) out.Add(std::string(item));
    list = comma == std::string_view::npos ? "" : list.substr(comma + 1);
  }
}

void add_users(Parts& parts, const object::LunView& lun, wire::LunDescription& out) {
  auto state = parts.access.state();
  for (const auto& grant : state->grants)
    if (grant.lun == lun.record.uuid)
      if (const auto* host = state->host(grant.host))
        *out.add_users() = describe_access(grant, *host, lun);
}

void add_sessions(Parts& parts, const object::LunView& lun, wire::LunDescription& out) {
  for (const auto& session : parts.sessions.list()) {
    if (session.identity.target_name != lun.record.target_name) continue;
    auto described = describe_session(parts, session);
    if (std::ranges::find(described.luns(), lun.record.name) != described.luns().end())
      *out.add_sessions() = std::move(described);
  }
}

std::string organization_of(Parts& parts, const catalog::LunRecord& record) {
  if (record.kind == catalog::LunKind::view) return "shows a snapshot";
  if (record.kind == catalog::LunKind::disk) return "single container";
  auto percent = parts.snapshots ? parts.snapshots->clone_percent(record.uuid) : std::nullopt;
  return fmt::format("clone that still reads through its snapshot, {} % its own",
                     percent.value_or(0));
}

void add_space(Parts& parts, const object::LunView& lun, wire::LunDescription& out) {
  if (lun.object)
    if (auto used = lun.object->allocated()) out.set_used(*used);
  auto* store = parts.registry.store(lun.record.store);
  if (store == nullptr) return;
  if (!lun.record.file.empty()) out.set_path(store->location() + "/" + lun.record.file);
  if (auto space = store->space()) out.set_free(space->available);
}

}  // namespace

std::string_view to_string(catalog::CacheMode mode) noexcept {
  return kCacheModes[static_cast<std::size_t>(mode)];
}

std::string_view to_string(catalog::LunState state) noexcept {
  return kLunStates[static_cast<std::size_t>(state)];
}

Outcome<catalog::CacheMode> parse_cache_mode(std::string_view text) {
  if (text.empty()) return catalog::CacheMode::writeback;
  auto at = std::ranges::find(kCacheModes, text);
  if (at != kCacheModes.end()) return static_cast<catalog::CacheMode>(at - kCacheModes.begin());
  return failure(Errc::invalid_argument, fmt::format("'{}' is not a cache mode", text),
                 "choose writeback, none or writethrough");
}

Outcome<BlockSizes> parse_block_size(std::string_view text) {
  for (const auto& row : kBlockSizes)
    if (row.name == text) return row.sizes;
  return failure(Errc::invalid_argument, fmt::format("'{}' is not a block size", text),
                 "choose 512e, 512n or 4096");
}

Outcome<object::LunView> find_lun(Parts& parts, std::string_view name) {
  if (auto lun = parts.registry.find(name)) return *lun;
  return failure(Errc::not_found, fmt::format("there is no LUN '{}'", name),
                 "caisson lun list shows them");
}

Outcome<catalog::HostRecord> find_host(Parts& parts, std::string_view name) {
  auto state = parts.access.state();
  if (const auto* host = state->host(name)) return *host;
  return failure(Errc::not_found, fmt::format("there is no host '{}'", name),
                 "caisson host list shows them; caisson host create makes one");
}

std::string_view auth_name(const catalog::HostRecord& host) noexcept {
  if (host.no_auth) return "none";
  return host.mutual_user.empty() ? "chap" : "mutual-chap";
}

void add_accounting(wire::Accounting& sum, const object::Accounting& more) {
  sum.set_reads(sum.reads() + more.reads);
  sum.set_read_bytes(sum.read_bytes() + more.read_bytes);
  sum.set_writes(sum.writes() + more.writes);
  sum.set_written_bytes(sum.written_bytes() + more.written_bytes);
  sum.set_flushes(sum.flushes() + more.flushes);
  sum.set_unmaps(sum.unmaps() + more.unmaps);
  sum.set_errors(sum.errors() + more.errors);
}

wire::StoreDescription describe_store(Parts& parts, const catalog::StoreRecord& record) {
  wire::StoreDescription out;
  out.set_name(record.name);
  out.set_location(record.location);
  out.set_import_allowed(record.import_allowed);
  for (const auto& lun : parts.registry.list()) {
    if (lun.record.store != record.name) continue;
    out.set_luns(out.luns() + 1);
    if (lun.record.kind != catalog::LunKind::view)
      out.set_provisioned(out.provisioned() + lun.record.capacity);
  }
  auto* store = parts.registry.store(record.name);
  out.set_state(store == nullptr ? "offline" : "online");
  if (store == nullptr) {
    out.set_reason(parts.registry.store_reason(record.name));
    return out;
  }
  if (auto space = store->space()) {
    out.set_capacity(space->capacity);
    out.set_free(space->available);
    out.set_used(space->capacity - space->available);
  }
  out.set_block(store->traits().block);
  out.set_punch_hole(store->traits().punch);
  out.set_direct_io(store->traits().direct);
  out.set_reflink(store->traits().clone);
  return out;
}

namespace {

std::string saved_text(const object::ModeValues& saved) {
  return fmt::format("cache {}, write protected {}, descriptor sense {}", to_string(saved.cache),
                     saved.write_protect ? "yes" : "no", saved.descriptor_sense ? "yes" : "no");
}

std::string condition_of(object::StorageObject& object) {
  const auto& upkeep = object.upkeep();
  auto percent = upkeep.progress() * 100 / 65536;
  switch (upkeep.state()) {
    case object::UpkeepState::none: break;
    case object::UpkeepState::formatting: return fmt::format("formatting, {} %", percent);
    case object::UpkeepState::sanitizing: return fmt::format("sanitizing, {} %", percent);
    case object::UpkeepState::format_failed: return "a format failed: format it again";
    case object::UpkeepState::restoring: return fmt::format("being restored, {} %", percent);
    case object::UpkeepState::sanitize_failed: return "a sanitize failed or was interrupted";
  }
  return object.medium().present() ? "" : "ejected";
}

/// Those that can be read, oldest first; none when the catalog does not answer.
void add_snapshots(Parts& parts, const Uuid& lun, wire::LunDescription& out) {
  auto snapshots = parts.catalog.snapshots_of(lun);
  if (!snapshots) return log::warning("snapshots are not shown: {}", snapshots.error().message);
  for (const auto& snapshot : *snapshots)
    if (snapshot.state == catalog::SnapshotState::present) out.add_snapshots(snapshot.name);
}

void add_host_settings(object::StorageObject& object, wire::LunDescription& out) {
  auto current = object.modes().current(), saved = object.modes().saved();
  out.set_cache(std::string(to_string(current.cache)));
  out.set_write_protect(current.write_protect);
  out.set_descriptor_sense(current.descriptor_sense);
  if (saved != current) out.set_saved_modes(saved_text(saved));
  out.set_condition(condition_of(object));
}

}  // namespace

wire::LunDescription describe_lun(Parts& parts, const object::LunView& lun, Detail detail) {
  const auto& record = lun.record;
  wire::LunDescription out;
  out.set_name(record.name);
  out.set_uuid(record.uuid.to_string());
  out.set_store(record.store);
  out.set_file(record.file);
  out.set_state(std::string(to_string(lun.state)));
  out.set_reason(lun.reason);
  out.set_capacity(record.capacity);
  out.set_logical_block(record.logical_block);
  out.set_physical_block(record.physical_block);
  out.set_cache(std::string(to_string(record.cache)));
  out.set_thick(record.thick);
  out.set_removable(record.removable);
  out.set_naa(record.naa);
  out.set_serial(record.serial);
  out.set_target_name(record.target_name);
  out.set_target_lun(record.target_lun);
  out.set_location(record.vendor_location);
  out.set_organization(organization_of(parts, record));
  out.set_config_id(record.config_id);
  out.set_owner_epoch(record.owner_epoch);
  out.set_created_at(record.created_at);
  add_snapshots(parts, record.uuid, out);
  if (lun.object) add_host_settings(*lun.object, out);
  add_space(parts, lun, out);
  add_users(parts, lun, out);
  if (detail == Detail::summary) return out;
  if (lun.object) add_accounting(*out.mutable_accounting(), lun.object->accounting());
  add_sessions(parts, lun, out);
  return out;
}

wire::AccessDescription describe_access(const catalog::GrantRecord& grant,
                                        const catalog::HostRecord& host,
                                        const object::LunView& lun) {
  wire::AccessDescription out;
  out.set_lun(lun.record.name);
  out.set_host(host.name);
  out.set_permission(grant.read_only ? "read-only" : "read-write");
  out.set_quota(grant.quota);
  out.set_lun_number(grant.lun_number);
  split_into(grant.allowed_verbs, *out.mutable_allow());
  out.set_auth(std::string(auth_name(host)));
  out.set_proposed(grant.proposed);
  out.set_config_id(grant.config_id);
  out.set_target_name(lun.record.target_name);
  out.set_redirect_to(grant.redirect_to);
  out.set_redirect_permanent(grant.redirect_permanent);
  return out;
}

wire::HostDescription describe_host(Parts& parts, const catalog::HostRecord& host) {
  wire::HostDescription out;
  out.set_name(host.name);
  for (const auto& iqn : host.iqns) out.add_iqns(iqn);
  out.set_auth(std::string(auth_name(host)));
  out.set_chap_user(host.chap_user);
  out.set_mutual_user(host.mutual_user);
  out.set_quota(host.quota);
  out.set_created_at(host.created_at);
  std::map<Uuid, object::LunView> luns;
  for (auto& lun : parts.registry.list()) luns.emplace(lun.record.uuid, std::move(lun));
  for (const auto& grant : parts.access.state()->grants)
    if (auto lun = luns.find(grant.lun); grant.host == host.id && lun != luns.end())
      *out.add_access() = describe_access(grant, host, lun->second);
  auto sessions = parts.sessions.list();
  out.set_sessions(static_cast<std::uint64_t>(std::ranges::count_if(
      sessions, [&](const auto& session) { return session.identity.host == host.id; })));
  return out;
}

std::vector<std::string> luns_of(Parts& parts, const scsi::SessionView& session) {
  std::vector<std::string> names;
  auto state = parts.access.state();
  for (const auto& lun : parts.registry.find_by_target(session.identity.target_name)) {
    const auto* grant = state->effective(lun.record.uuid, session.identity.host);
    if (grant != nullptr &&
        std::ranges::find(session.luns, grant->lun_number) != session.luns.end())
      names.push_back(lun.record.name);
  }
  return names;
}

wire::SessionDescription describe_session(Parts& parts, const scsi::SessionView& session) {
  wire::SessionDescription out;
  out.set_id(std::to_string(session.identity.id));
  out.set_protocol(session.transport);
  out.set_host(session.identity.host_name);
  out.set_initiator(session.identity.initiator_port);
  out.set_target_name(session.identity.target_name);
  for (auto& name : luns_of(parts, session)) out.add_luns(std::move(name));
  out.add_peers(session.identity.peer_address);
  out.set_portal(session.portal);
  out.set_auth(session.auth);
  out.set_since(session.since);
  out.set_commands(session.commands);
  out.set_read_bytes(session.bytes_out);
  out.set_written_bytes(session.bytes_in);
  return out;
}

wire::EventDescription describe_event(const catalog::EventRecord& event) {
  wire::EventDescription out;
  out.set_sequence(event.sequence);
  out.set_time_ms(event.time_ms);
  out.set_kind(event.kind);
  out.set_object(event.object);
  out.set_actor(event.actor);
  out.set_text(event.text);
  return out;
}

}  // namespace caisson::service
