// SPDX-License-Identifier: Apache-2.0
// Whether a container could be made, found out without leaving a trace.
#include <fmt/format.h>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"
#include "storage_object/object/container.hpp"

namespace caisson::object {

Outcome<> check_name_free(file_store::Store& store, std::string_view store_name,
                          std::string_view file) {
  auto there = store.open(file, {.read_only = true});
  if (there)
    return failure(Errc::already_exists,
                   fmt::format("{}/{}: a file of that name exists", store_name, file),
                   "choose another name, or adopt or import that file");
  if (to_errc(there.error()) == Errc::not_found) return {};
  return failure(Errc::already_exists,
                 fmt::format("{}/{}: what has that name cannot be opened: {}", store_name, file,
                             there.error().message()),
                 "choose another name, or look after that file");
}

Outcome<> check_room(file_store::Store& store, const catalog::LunRecord& row,
                     std::uint64_t thick_bytes) {
  auto file = store.create_unnamed();
  if (!file)
    return failure(
        to_errc(file.error()),
        fmt::format("store '{}': cannot make a file: {}", row.store, file.error().message()),
        "check the store's space and permissions");
  const auto length = format::container_length(row.capacity);
  if (auto done = (*file)->resize(length); !done)
    return cannot_size(fmt::format("{}/{}", row.store, row.file), length, done.error());
  if (!row.thick) return {};
  auto space = store.space();
  if (!space || space->available >= thick_bytes) return {};
  return failure(Errc::no_space,
                 fmt::format("store '{}' has {} free, thick LUN '{}' needs {}", row.store,
                             format_size(space->available), row.name, format_size(thick_bytes)),
                 "make it smaller, thin, or in another store");
}

}  // namespace caisson::object
