// SPDX-License-Identifier: Apache-2.0
// Lists of changes, by name.
#include <fmt/format.h>

#include "snapshot/chain/changes.hpp"
#include "snapshot/manager/manager.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {

Outcome<DiffPage> Manager::diff(std::string_view name, std::string_view from, std::string_view to,
                                std::uint64_t cursor, std::size_t limit) {
  auto lun = lun_named(name);
  if (!lun) return lun.error();
  auto first = record_of(*lun, from);
  if (!first) return first.error();
  std::optional<Uuid> second;
  DiffPage out{.capacity = lun->capacity};
  if (!to.empty()) {
    auto record = record_of(*lun, to);
    if (!record) return record.error();
    second = record->uuid;
    out.capacity = record->capacity;
  }
  auto chain = chain_of(lun->uuid);
  if (!chain)
    return failure(Errc::offline, fmt::format("LUN '{}' is not online", name),
                   fmt::format("bring it back with `caisson lun online {}`", name));
  out.changed.resize(limit);
  auto page = chain->changes(first->uuid, second, cursor, out.changed);
  if (!page) return page.error();
  out.changed.resize(page->count);
  out.cursor = page->next;
  out.done = page->done;
  return out;
}

}  // namespace caisson::snapshot
