// SPDX-License-Identifier: Apache-2.0
// What is made of snapshots: the LUN as it was, other LUNs, lists of changes, files.
#include <fmt/format.h>

#include <algorithm>

#include "gateway/service/lun_checks.hpp"
#include "gateway/service/snapshots.hpp"
#include "gateway/service/verbs.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::service {
namespace {

constexpr std::uint32_t kDefaultExtents = 16'384;
constexpr std::uint32_t kMostExtents = 65'536;
constexpr std::size_t kLongestFileName = 255;

/// The LUN of that name, if the snapshot `wanted` made it what it is already.
Outcome<std::optional<object::LunView>> made_already(Parts& parts, Snapshots& engine,
                                                     std::string_view name, std::string_view lun,
                                                     std::string_view snapshot, bool view) {
  auto wanted = engine.show(lun, snapshot);
  if (!wanted) return wanted.error();
  auto there = parts.registry.find(name);
  if (!there) return std::optional<object::LunView>();
  bool is_view = there->record.kind == catalog::LunKind::view;
  if (there->record.origin == wanted->record.uuid && is_view == view) return there;
  return failure(Errc::already_exists, fmt::format("there is a LUN {} already", name),
                 "choose another name");
}

wire::LunReply lun_reply(Parts& parts, const object::LunView& lun, bool dry_run, bool changed) {
  wire::LunReply reply;
  *reply.mutable_lun() = describe_lun(parts, lun, Detail::full);
  *reply.mutable_change() = change(dry_run, changed);
  return reply;
}

/// Hosts that are cut off would be so at another host's word.
Outcome<> check_force(const Call& call, const wire::SnapshotRestoreRequest& request) {
  if (!request.force() || call.caller.role == wire::Role::admin) return {};
  return failure(
      Errc::permission_denied,
      fmt::format("{} may not restore LUN {} while hosts use it", call.caller.name, request.lun()),
      "log all hosts out of it first, or ask an administrator");
}

Outcome<> check_file_name(std::string_view name) {
  if (!name.empty() && name.size() <= kLongestFileName && name.front() != '.' &&
      name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos)
    return {};
  return failure(Errc::invalid_argument,
                 fmt::format("'{}' is no name for a file in the LUN's store", name),
                 "give a name without '/' that begins with no point, such as db1-monday.img");
}

}  // namespace

Outcome<wire::SnapshotRestoreReply> snapshot_restore(Parts& parts, const Call& call,
                                                     const wire::SnapshotRestoreRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto lun = lun_for(parts, call, request.lun(), wire::Right::restore);
  if (!lun) return lun.error();
  if (auto ok = check_force(call, request); !ok) return ok.error();
  RestoreOptions options;
  options.lun = request.lun();
  options.snapshot = request.snapshot();
  options.force = request.force();
  options.keep_state = !request.has_keep_state() || request.keep_state();
  options.dry_run = request.dry_run();
  options.progress = call.progress;
  options.stop = call.stop;
  auto kept = (*engine)->restore(options);
  if (!kept) return kept.error();
  wire::SnapshotRestoreReply reply;
  reply.set_lun(request.lun());
  reply.set_snapshot(request.snapshot());
  reply.set_kept(std::move(*kept));
  *reply.mutable_change() = change(request.dry_run(), true);
  return reply;
}

Outcome<wire::LunReply> snapshot_clone(Parts& parts, const Call&,
                                       const wire::SnapshotCloneRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto there =
      made_already(parts, **engine, request.name(), request.lun(), request.snapshot(), false);
  if (!there) return there.error();
  if (*there) return lun_reply(parts, **there, request.dry_run(), false);
  auto made = (*engine)->clone({.lun = request.lun(),
                                .snapshot = request.snapshot(),
                                .name = request.name(),
                                .store = request.store(),
                                .location = request.location(),
                                .dry_run = request.dry_run()});
  if (!made) return made.error();
  return lun_reply(parts, *made, request.dry_run(), true);
}

Outcome<wire::LunReply> snapshot_expose(Parts& parts, const Call&,
                                        const wire::SnapshotExposeRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto there =
      made_already(parts, **engine, request.name(), request.lun(), request.snapshot(), true);
  if (!there) return there.error();
  if (*there) return lun_reply(parts, **there, request.dry_run(), false);
  auto shown =
      (*engine)->expose(request.lun(), request.snapshot(), request.name(), request.dry_run());
  if (!shown) return shown.error();
  return lun_reply(parts, *shown, request.dry_run(), true);
}

Outcome<wire::RemoveReply> snapshot_unexpose(Parts& parts, const Call&,
                                             const wire::SnapshotUnexposeRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto lun = find_lun(parts, request.name());
  if (!lun) return lun.error();
  if (lun->record.kind != catalog::LunKind::view)
    return failure(Errc::invalid_argument,
                   fmt::format("LUN {} shows no snapshot: it is a disk of its own", request.name()),
                   fmt::format("caisson lun delete {} removes it with its data", request.name()));
  if (auto idle = check_no_sessions(parts, *lun); !idle) return idle.error();
  auto removed = (*engine)->unexpose(request.name(), request.dry_run());
  if (!removed) return removed.error();
  if (!request.dry_run())
    if (auto loaded = parts.access.load(); !loaded) return loaded.error();
  wire::RemoveReply reply;
  reply.set_name(request.name());
  *reply.mutable_change() = change(request.dry_run(), true);
  return reply;
}

Outcome<wire::SnapshotDiffReply> snapshot_diff(Parts& parts, const Call& call,
                                               const wire::SnapshotDiffRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  auto lun = lun_for(parts, call, request.lun(), wire::Right::snapshot);
  if (!lun) return lun.error();
  auto limit = std::min(request.limit() == 0 ? kDefaultExtents : request.limit(), kMostExtents);
  auto page = (*engine)->diff({.lun = request.lun(),
                               .from = request.from(),
                               .to = request.to(),
                               .cursor = request.cursor(),
                               .limit = limit});
  if (!page) return page.error();
  wire::SnapshotDiffReply reply;
  for (const auto& extent : page->extents) {
    auto* out = reply.add_extents();
    out->set_offset(extent.offset);
    out->set_length(extent.length);
    out->set_hole(extent.hole);
  }
  reply.set_cursor(page->cursor);
  reply.set_done(page->done);
  reply.set_capacity(page->capacity);
  return reply;
}

Outcome<wire::SnapshotExportReply> snapshot_export(Parts& parts, const Call& call,
                                                   const wire::SnapshotExportRequest& request) {
  auto engine = snapshots_of(parts);
  if (!engine) return engine.error();
  if (auto ok = check_file_name(request.file()); !ok) return ok.error();
  auto file = (*engine)->export_image({.lun = request.lun(),
                                       .snapshot = request.snapshot(),
                                       .file = request.file(),
                                       .dry_run = request.dry_run(),
                                       .progress = call.progress,
                                       .stop = call.stop});
  if (!file) return file.error();
  wire::SnapshotExportReply reply;
  reply.set_file(std::move(file->path));
  reply.set_size(file->size);
  *reply.mutable_change() = change(request.dry_run(), true);
  return reply;
}

}  // namespace caisson::service
