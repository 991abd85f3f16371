// SPDX-License-Identifier: Apache-2.0
// The mark of a store: a small file at its top that holds an id the catalog has
// too. Without it a directory may be the empty mount point of a file system that
// is not there, and must not be worked on: what a crash interrupted in the store
// would seem never to have begun. docs/format/container.md, "The mark of a store".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage_object/base/result.hpp"
#include "storage_object/base/uuid.hpp"
#include "storage_object/file_store/store.hpp"

namespace caisson::object {

inline constexpr std::string_view kMarkName = ".caisson-store";

/// What the file holds: one line.
std::string mark_text(const Uuid& id);

/// The id in the mark of `store`; nullopt where it bears none. Only looks. What share
/// users may have planted is not believed: Errc::corrupt for a link, for anything
/// but a small plain file, for any other text. Of the `expected` mark they may have
/// made a second name. `name`: the store's, for messages.
Outcome<std::optional<Uuid>> read_mark(file_store::Store& store, std::string_view name,
                                       const std::optional<Uuid>& expected = {});

/// Makes durable that the store bears the mark that was found there.
Outcome<> settle_mark(file_store::Store& store, std::string_view name);

/// Marks a store that bears no mark, durably. Errc::already_exists if it does.
Outcome<> write_mark(file_store::Store& store, std::string_view name, const Uuid& id);

}  // namespace caisson::object
