// SPDX-License-Identifier: Apache-2.0
#include "snapshot/chain/place.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {

Failure Place::failed(const char* doing, std::string_view name, const Error& error) const {
  return failure(to_errc(error),
                 fmt::format("cannot {} {}: {}", doing, label(name), error.message()),
                 "look after the file system of the store");
}

Outcome<> Place::make() const {
  FolderName::Kept kept(folder);
  for (const auto& directory : {std::string(kSnapshotsFolder), kept.name()})
    if (auto made = store->make_directory(directory); !made)
      return failed("make the folder", "", made.error());
  for (std::string_view parent : {std::string_view(), kSnapshotsFolder})
    if (auto synced = store->sync_names(parent); !synced)
      return failed("make durable", "", synced.error());
  return {};
}

Outcome<> Place::move_to(const std::string& other) const {
  auto move = [&](const std::string& from, const std::string& to) -> Outcome<> {
    auto moved = store->rename(from, to);
    if (!moved && to_errc(moved.error()) == Errc::already_exists && store->remove(to))
      moved = store->rename(from, to);  // it was an empty one that a deleted LUN left
    if (!moved && to_errc(moved.error()) == Errc::not_found) return {};
    if (moved) moved = store->sync_names(kSnapshotsFolder);
    if (moved) return {};
    return failure(to_errc(moved.error()),
                   fmt::format("the folder {}/{} cannot be renamed to {}: {}", store_name, from, to,
                               moved.error().message()),
                   "look after what is there under that name; the next start tries again");
  };
  return folder.change(other, move);
}

Result<file_store::FileAttributes> Place::look_up(std::string_view name) const {
  FolderName::Kept kept(folder);
  return store->look_up(kept.path(name));
}

Outcome<std::unique_ptr<file_store::File>> Place::open(std::string_view name,
                                                       file_store::OpenOptions options) const {
  auto opened = [&] {
    FolderName::Kept kept(folder);
    return store->open(kept.path(name), options);
  }();
  if (!opened) return failed("open", name, opened.error());
  return std::move(*opened);
}

Outcome<> Place::publish(file_store::File& file, std::string_view name) const {
  auto named = [&] {
    FolderName::Kept kept(folder);
    return store->publish(file, kept.path(name));
  }();
  if (!named) return failed("name", name, named.error());
  return {};
}

Outcome<> Place::rename(std::string_view from, std::string_view to) const {
  auto renamed = [&] {
    FolderName::Kept kept(folder);
    return store->rename(kept.path(from), kept.path(to));
  }();
  if (!renamed) return failed("give its name to", to, renamed.error());
  return {};
}

Outcome<> Place::remove(std::string_view name) const {
  auto removed = [&] {
    FolderName::Kept kept(folder);
    return store->remove(kept.path(name));
  }();
  if (removed || to_errc(removed.error()) == Errc::not_found) return {};
  return failed("remove", name, removed.error());
}

Outcome<> Place::sync() const {
  auto synced = [&] {
    FolderName::Kept kept(folder);
    return store->sync_names(kept.name());
  }();
  if (!synced) return failed("make the names durable in", "", synced.error());
  return {};
}

Outcome<FolderContents> Place::list() const {
  FolderContents contents;
  auto entries = store->list(folder.name());
  if (!entries && to_errc(entries.error()) == Errc::not_found) return contents;
  if (!entries) return failed("list", "", entries.error());
  for (const auto& entry : *entries) {
    auto parsed = parse_entry_name(entry.name);
    if (!parsed) continue;
    if (parsed->kind == EntryKind::segment)
      contents.segments[parsed->snapshot].push_back(parsed->number);
    else if (parsed->kind == EntryKind::removed)
      contents.removed.insert(parsed->snapshot);
  }
  for (auto& [snapshot, numbers] : contents.segments) std::ranges::sort(numbers);
  return contents;
}

}  // namespace caisson::snapshot
