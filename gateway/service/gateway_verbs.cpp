// SPDX-License-Identifier: Apache-2.0
// Sessions, status, events and the catalog itself.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "gateway/service/snapshots.hpp"
#include "gateway/service/verbs.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::service {
namespace {

constexpr std::uint32_t kDefaultEvents = 100;
constexpr std::uint32_t kMostEvents = 10'000;

Outcome<> check_absolute(std::string_view path) {
  if (path.starts_with('/')) return {};
  return failure(Errc::invalid_argument, fmt::format("'{}' is not an absolute path", path),
                 "name the file on the gateway from the root on");
}

void add_problem(wire::StatusReply& reply, const object::LunView& lun) {
  reply.add_problems(fmt::format("LUN {} is {}: {}", lun.record.name, to_string(lun.state),
                                 lun.reason.empty() ? "taken offline" : lun.reason));
}

void count_lun(wire::StatusReply& reply, const object::LunView& lun) {
  reply.set_luns(reply.luns() + 1);
  reply.set_capacity(reply.capacity() + lun.record.capacity);
  if (lun.state == catalog::LunState::online)
    reply.set_luns_online(reply.luns_online() + 1);
  else if (lun.state == catalog::LunState::failed)
    reply.set_luns_failed(reply.luns_failed() + 1);
  else
    reply.set_luns_offline(reply.luns_offline() + 1);
  if (lun.state != catalog::LunState::online) add_problem(reply, lun);
  if (!lun.object) return;
  if (auto used = lun.object->allocated()) reply.set_used(reply.used() + *used);
  add_accounting(*reply.mutable_accounting(), lun.object->accounting());
}

void add_facts(wire::StatusReply& reply, const GatewayFacts& facts) {
  reply.set_node(facts.node);
  reply.set_version(facts.version);
  reply.set_state("serving");
  reply.set_started_at(facts.started_at);
  reply.set_pid(static_cast<std::uint64_t>(::getpid()));
  reply.set_io_engine(facts.io_engine);
  reply.set_io_threads(facts.io_threads);
  reply.set_clean_start(facts.clean_start);
  for (const auto& [protocol, address] : facts.portals) {
    auto* portal = reply.add_portals();
    portal->set_protocol(protocol);
    portal->set_address(address);
  }
}

}  // namespace

Outcome<wire::SessionListReply> session_list(Parts& parts, const Call&,
                                             const wire::SessionListRequest& request) {
  wire::SessionListReply reply;
  for (const auto& session : parts.sessions.list()) {
    auto described = describe_session(parts, session);
    const auto& luns = described.luns();
    if (!request.host().empty() && described.host() != request.host()) continue;
    if (!request.lun().empty() && std::ranges::find(luns, request.lun()) == luns.end()) continue;
    *reply.add_sessions() = std::move(described);
  }
  return reply;
}

Outcome<wire::RemoveReply> session_drop(Parts& parts, const Call& call,
                                        const wire::SessionDropRequest& request) {
  std::uint64_t id = 0;
  const auto& text = request.id();
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  bool numeric = error == std::errc() && end == text.data() + text.size();
  auto sessions = parts.sessions.list();
  bool known = numeric && std::ranges::any_of(sessions, [&](const auto& session) {
                 return session.identity.id == id;
               });
  if (!known)
    return failure(Errc::not_found, fmt::format("there is no session '{}'", text),
                   "caisson session list shows them");
  if (!request.dry_run()) parts.sessions.drop(id, "dropped by " + call.caller.name);
  wire::RemoveReply reply;
  reply.set_name(text);
  *reply.mutable_change() = change(request.dry_run(), true);
  return reply;
}

Outcome<wire::StatusReply> status(Parts& parts, const Call&, const wire::StatusRequest&) {
  wire::StatusReply reply;
  add_facts(reply, parts.facts);
  for (const auto& store : parts.registry.stores()) {
    reply.set_stores(reply.stores() + 1);
    if (parts.registry.store(store.name) == nullptr)
      reply.add_problems(fmt::format("store {} at {} is offline", store.name, store.location));
  }
  for (const auto& lun : parts.registry.list()) count_lun(reply, lun);
  auto state = parts.access.state();
  auto proposed = std::ranges::count_if(state->grants, &catalog::GrantRecord::proposed);
  reply.set_hosts(state->hosts.size());
  reply.set_grants_proposed(static_cast<std::uint64_t>(proposed));
  if (proposed != 0)
    reply.add_problems(fmt::format(
        "{} grants were found in trailers and wait for caisson access grant", proposed));
  reply.set_sessions(parts.sessions.list().size());
  return reply;
}

Outcome<wire::EventsReply> events(Parts& parts, const Call&, const wire::EventsRequest& request) {
  auto limit = std::min(request.limit() == 0 ? kDefaultEvents : request.limit(), kMostEvents);
  auto found = request.has_after() ? parts.catalog.events_after(request.after(), limit)
                                   : parts.catalog.latest_events(limit);
  if (!found) return found.error();
  wire::EventsReply reply;
  for (const auto& event : *found) *reply.add_events() = describe_event(event);
  return reply;
}

namespace {

/// What was, or would be, taken up of its snapshots, and what is lost.
void add_snapshots(Snapshots& snapshots, const catalog::LunRecord& lun, bool dry_run,
                   wire::CatalogRebuildReply& reply) {
  auto unknown = snapshots.find_unknown(lun);
  for (auto& line : unknown.lost) reply.add_lost(std::move(line));
  auto name = [&](const std::string& snapshot) { return lun.name + " " + snapshot; };
  if (dry_run) {
    for (const auto& record : unknown.snapshots)
      if (record.state == catalog::SnapshotState::present)
        reply.add_snapshots(name(record.name));
      else if (record.state == catalog::SnapshotState::invalid)
        reply.add_lost(name(record.name) + ": " + record.reason);
    return;
  }
  auto views = snapshots.list(lun.name);
  if (!views) return;
  for (const auto& view : *views)
    if (view.record.state == catalog::SnapshotState::present)
      reply.add_snapshots(name(view.record.name));
    else
      reply.add_lost(name(view.record.name) + ": " + view.record.reason);
}

}  // namespace

Outcome<wire::CatalogRebuildReply> catalog_rebuild(Parts& parts, const Call&,
                                                   const wire::CatalogRebuildRequest& request) {
  if (parts.snapshots != nullptr) parts.snapshots->note_rebuild(true);
  auto report = parts.registry.rebuild(request.dry_run());
  if (parts.snapshots != nullptr) parts.snapshots->note_rebuild(false);
  if (!report) return report.error();
  if (!request.dry_run()) {
    if (auto loaded = parts.access.load(); !loaded) return loaded.error();
    parts.sessions.refresh_all();
  }
  wire::CatalogRebuildReply reply;
  for (const auto& lun : report->restored) {
    reply.add_restored(lun.name);
    if (parts.snapshots != nullptr) add_snapshots(*parts.snapshots, lun, request.dry_run(), reply);
  }
  for (auto& line : report->proposals) reply.add_proposals(std::move(line));
  for (auto& line : report->lost) reply.add_lost(std::move(line));
  *reply.mutable_change() =
      change(request.dry_run(), reply.restored_size() + reply.proposals_size() != 0);
  return reply;
}

Outcome<wire::CatalogBackupReply> catalog_backup(Parts& parts, const Call&,
                                                 const wire::CatalogBackupRequest& request) {
  if (auto ok = check_absolute(request.file()); !ok) return ok.error();
  if (!request.dry_run())
    if (auto made = parts.catalog.backup_to(request.file()); !made) return made.error();
  wire::CatalogBackupReply reply;
  reply.set_file(request.file());
  struct stat attributes {};
  if (!request.dry_run() && ::stat(request.file().c_str(), &attributes) == 0)
    reply.set_size(static_cast<std::uint64_t>(attributes.st_size));
  *reply.mutable_change() = change(request.dry_run(), true);
  return reply;
}

Outcome<wire::CatalogRestoreReply> catalog_restore(Parts& parts, const Call&,
                                                   const wire::CatalogRestoreRequest& request) {
  if (auto ok = check_absolute(request.file()); !ok) return ok.error();
  // Checked and copied beside the live catalog now; put in its place by the next start.
  auto target = request.dry_run() ? parts.staged_catalog + ".check" : parts.staged_catalog;
  ::unlink(target.c_str());
  if (auto staged = catalog::restore(request.file(), target); !staged) return staged.error();
  if (request.dry_run()) ::unlink(target.c_str());
  wire::CatalogRestoreReply reply;
  reply.set_file(request.file());
  reply.set_restart_required(true);
  *reply.mutable_change() = change(request.dry_run(), true);
  reply.mutable_change()->add_notes(
      "it takes the place of the catalog when caissond starts again; changes made until then are "
      "lost with the old one, which is kept beside it");
  return reply;
}

}  // namespace caisson::service
