// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "gateway/service/access_book.hpp"
#include "gateway/service/lun_checks.hpp"
#include "gateway/service/snapshots.hpp"
#include "gateway/service/verbs.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/iscsi_name.hpp"

namespace caisson::service {
namespace {

wire::LunReply lun_reply(Parts& parts, const object::LunView& lun, bool dry_run, bool changed) {
  wire::LunReply reply;
  *reply.mutable_lun() = describe_lun(parts, lun, Detail::full);
  *reply.mutable_change() = change(dry_run, changed);
  return reply;
}

/// The reply to a change that the registry made or tried out, or why it did not.
Outcome<wire::LunReply> planned_reply(Parts& parts, const Outcome<object::LunView>& lun,
                                      bool dry_run, bool changed) {
  if (!lun) return lun.error();
  return lun_reply(parts, *lun, dry_run, changed);
}
Outcome<wire::LunReply> changed_reply(Parts& parts, const Outcome<object::LunView>& lun) {
  return planned_reply(parts, lun, false, true);
}

template <class Request>
Outcome<object::CreateOptions> create_options(const Request& request) {
  object::CreateOptions options;
  options.name = request.name();
  options.store = request.store();
  auto blocks = parse_block_size(request.block_size());
  if (!blocks) return blocks.error();
  options.logical_block = blocks->logical;
  options.physical_block = blocks->physical;
  auto cache = parse_cache_mode(request.cache());
  if (!cache) return cache.error();
  options.cache = *cache;
  options.thick = request.thick();
  options.removable = request.removable();
  options.location = request.location();
  return options;
}

/// The target's name in lower case, as initiators give it at login; empty: one is made.
Outcome<std::string> checked_target_name(const std::string& lun, const std::string& name) {
  if (name.empty()) return name;
  auto checked = checked_iscsi_name(name);
  if (checked) return checked;
  return failure(Errc::invalid_argument,
                 fmt::format("target of LUN {}: {}", lun, checked.error().message),
                 "give one like iqn.2026-11.io.caisson:disk, up to 223 bytes");
}

/// Where nobody serves it there is nothing to protect, and nobody to ask what is so.
Outcome<bool> changes_protection(const object::LunView& lun, std::optional<bool> protect) {
  if (!protect) return false;
  if (!lun.object)
    return failure(Errc::offline,
                   fmt::format("LUN {} is not online: its write protection cannot be changed",
                               lun.record.name),
                   fmt::format("bring it back first: caisson lun online {}", lun.record.name));
  const auto& modes = lun.object->modes();
  return modes.current().write_protect != *protect || modes.saved().write_protect != *protect;
}

}  // namespace

Outcome<wire::LunReply> lun_create(Parts& parts, const Call&,
                                   const wire::LunCreateRequest& request) {
  auto options = create_options(request);
  if (!options) return options.error();
  options->capacity = request.size();
  auto target = checked_target_name(request.name(), request.target_name());
  if (!target) return target.error();
  options->target_name = *target;
  options->target_lun = request.target_lun();
  options->dry_run = request.dry_run();
  bool existed = parts.registry.find(options->name).has_value();
  return planned_reply(parts, parts.registry.create(*options), request.dry_run(), !existed);
}

Outcome<wire::LunListReply> lun_list(Parts& parts, const Call&,
                                     const wire::LunListRequest& request) {
  wire::LunListReply reply;
  for (const auto& lun : parts.registry.list())
    if (request.store().empty() || lun.record.store == request.store())
      *reply.add_luns() = describe_lun(parts, lun, Detail::summary);
  return reply;
}

Outcome<wire::LunReply> lun_show(Parts& parts, const Call&, const wire::LunShowRequest& request) {
  auto lun = find_lun(parts, request.name());
  if (!lun) return lun.error();
  wire::LunReply reply;
  *reply.mutable_lun() = describe_lun(parts, *lun, Detail::full);
  return reply;
}

Outcome<wire::LunReply> lun_set(Parts& parts, const Call&, const wire::LunSetRequest& request) {
  auto lun = find_lun(parts, request.name());
  if (!lun) return lun.error();
  object::SetOptions options;
  if (request.has_cache()) {
    auto cache = parse_cache_mode(request.cache());
    if (!cache) return cache.error();
    options.cache = *cache;
  }
  if (request.has_location()) options.location = request.location();
  if (request.has_write_protect()) options.write_protect = request.write_protect();
  auto protects = changes_protection(*lun, options.write_protect);
  if (!protects) return protects.error();
  bool changed = (options.cache && *options.cache != lun->record.cache) ||
                 (options.location && *options.location != lun->record.vendor_location) ||
                 *protects;
  if (request.dry_run() || !changed) return lun_reply(parts, *lun, request.dry_run(), changed);
  return changed_reply(parts, parts.registry.set(request.name(), options));
}

Outcome<wire::LunReply> lun_resize(Parts& parts, const Call& call,
                                   const wire::LunResizeRequest& request) {
  auto lun = lun_for(parts, call, request.name(), wire::Right::resize);
  if (!lun) return lun.error();
  if (lun->record.capacity == request.size())
    return lun_reply(parts, *lun, request.dry_run(), false);
  auto resized = parts.registry.resize(request.name(), request.size(), request.allow_shrink(),
                                       request.dry_run());
  return planned_reply(parts, resized, request.dry_run(), true);
}

Outcome<wire::LunReply> lun_rename(Parts& parts, const Call&,
                                   const wire::LunRenameRequest& request) {
  auto renamed = parts.registry.rename(request.name(), request.to(), request.dry_run());
  return planned_reply(parts, renamed, request.dry_run(), request.name() != request.to());
}

Outcome<wire::LunReply> lun_import(Parts& parts, const Call& call,
                                   const wire::LunImportRequest& request) {
  object::ImportOptions options;
  auto like = create_options(request);
  if (!like) return like.error();
  options.like = std::move(*like);
  options.file = request.file();
  options.name = request.name();
  options.in_place = request.in_place();
  options.progress = call.progress;
  options.stop = call.stop;
  options.dry_run = request.dry_run();
  return planned_reply(parts, parts.registry.import(options), request.dry_run(), true);
}

Outcome<wire::LunReply> lun_adopt(Parts& parts, const Call&, const wire::LunAdoptRequest& request) {
  auto store = default_store(parts, request.store());
  if (!store) return store.error();
  std::optional<std::uint64_t> capacity;
  if (request.has_capacity()) capacity = request.capacity();
  auto known = parts.registry.find_by_file(*store, request.file());
  bool changed = !known || !known->object;
  if (parts.snapshots != nullptr) parts.snapshots->note_rebuild(true);
  auto adopted = parts.registry.adopt(*store, request.file(), capacity, request.dry_run());
  if (parts.snapshots != nullptr) parts.snapshots->note_rebuild(false);
  return planned_reply(parts, adopted, request.dry_run(), changed);
}

Outcome<wire::LunReply> lun_online(Parts& parts, const Call&,
                                   const wire::LunOnlineRequest& request) {
  auto lun = find_lun(parts, request.name());
  if (!lun) return lun.error();
  bool changed = lun->state != catalog::LunState::online;
  if (lun->state == catalog::LunState::failed && !request.accept_loss())
    return failure(
        Errc::offline, fmt::format("LUN {} failed: {}", lun->record.name, lun->reason),
        "check the data on it; then caisson lun online " + lun->record.name + " --accept-loss");
  if (request.dry_run() || !changed) return lun_reply(parts, *lun, request.dry_run(), changed);
  auto reply =
      changed_reply(parts, parts.registry.set_online(request.name(), request.accept_loss()));
  // Grants may have changed while the container could not be written.
  if (reply)
    if (auto copied = parts.registry.refresh_grants(lun->record.uuid); !copied)
      reply->mutable_change()->add_notes(copied.error().message);
  return reply;
}

Outcome<wire::LunReply> lun_offline(Parts& parts, const Call&,
                                    const wire::LunOfflineRequest& request) {
  auto lun = find_lun(parts, request.name());
  if (!lun) return lun.error();
  bool changed = lun->record.state != catalog::LunState::offline;
  if (request.dry_run() || !changed) return lun_reply(parts, *lun, request.dry_run(), changed);
  return changed_reply(parts, parts.registry.set_offline(request.name()));
}

Outcome<wire::RemoveReply> lun_delete(Parts& parts, const Call&,
                                      const wire::LunDeleteRequest& request) {
  auto lun = find_lun(parts, request.name());
  if (!lun) return lun.error();
  if (auto idle = check_no_sessions(parts, *lun); !idle) return idle.error();
  if (parts.snapshots != nullptr)
    if (auto ready = parts.snapshots->prepare_deletion(request.name(), request.dry_run()); !ready)
      return ready.error();
  if (!request.dry_run()) {
    if (auto removed = parts.registry.remove(request.name()); !removed) return removed.error();
    if (auto loaded = parts.access.load(); !loaded) return loaded.error();
  }
  wire::RemoveReply reply;
  reply.set_name(request.name());
  *reply.mutable_change() = change(request.dry_run(), true);
  return reply;
}

}  // namespace caisson::service
