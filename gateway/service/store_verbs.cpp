// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "gateway/service/verbs.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::service {
namespace {

Outcome<catalog::StoreRecord> find_store(Parts& parts, std::string_view name) {
  for (auto& record : parts.registry.stores())
    if (record.name == name) return record;
  return failure(Errc::not_found, fmt::format("there is no store '{}'", name),
                 "caisson store list shows them");
}

bool same(const catalog::StoreRecord& a, const catalog::StoreRecord& b) {
  return a.location == b.location && a.import_allowed == b.import_allowed;
}

}  // namespace

Outcome<wire::StoreReply> store_add(Parts& parts, const Call&,
                                    const wire::StoreAddRequest& request) {
  catalog::StoreRecord record;
  record.name = request.name();
  record.location = request.location();
  record.import_allowed = request.import_allowed();
  if (auto name = checked_name("store", record.name); !name) return name.error();
  if (!record.location.starts_with('/'))
    return failure(
        Errc::invalid_argument,
        fmt::format("store {}: '{}' is not an absolute path", record.name, record.location),
        "name the directory from the root on");
  auto known = find_store(parts, record.name);
  bool changed = !(known && same(*known, record));
  if (changed && known)
    return failure(Errc::already_exists,
                   fmt::format("store {} exists already, at {}", known->name, known->location),
                   "choose another name, or remove that store first");
  // The same once more opens a store that was not there before.
  changed = changed || parts.registry.store(record.name) == nullptr;
  if (auto added = parts.registry.add_store(record, request.dry_run()); !added)
    return added.error();
  wire::StoreReply reply;
  *reply.mutable_store() = describe_store(parts, record);
  *reply.mutable_change() = change(request.dry_run(), changed);
  return reply;
}

Outcome<wire::StoreListReply> store_list(Parts& parts, const Call&, const wire::StoreListRequest&) {
  wire::StoreListReply reply;
  for (const auto& record : parts.registry.stores())
    *reply.add_stores() = describe_store(parts, record);
  return reply;
}

Outcome<wire::StoreReply> store_show(Parts& parts, const Call&,
                                     const wire::StoreShowRequest& request) {
  auto record = find_store(parts, request.name());
  if (!record) return record.error();
  wire::StoreReply reply;
  *reply.mutable_store() = describe_store(parts, *record);
  return reply;
}

Outcome<wire::RemoveReply> store_remove(Parts& parts, const Call&,
                                        const wire::StoreRemoveRequest& request) {
  auto record = find_store(parts, request.name());
  if (!record) return record.error();
  auto described = describe_store(parts, *record);
  if (described.luns() != 0)
    return failure(Errc::in_use,
                   fmt::format("store {} still holds {} LUNs", record->name, described.luns()),
                   fmt::format("caisson lun list --store {} shows them", record->name));
  if (!request.dry_run())
    if (auto removed = parts.registry.remove_store(record->name); !removed) return removed.error();
  wire::RemoveReply reply;
  reply.set_name(record->name);
  *reply.mutable_change() = change(request.dry_run(), true);
  return reply;
}

}  // namespace caisson::service
