// SPDX-License-Identifier: Apache-2.0
// Where the files of a LUN's snapshots lie.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/chain/open_files.hpp"
#include "snapshot/format/names.hpp"
#include "storage_object/base/result.hpp"
#include "storage_object/file_store/store.hpp"

namespace caisson::snapshot {

/// What a folder holds by its names alone.
struct FolderContents {
  std::map<Uuid, std::vector<std::uint32_t>> segments;  ///< ascending
  std::set<Uuid> removed;                               ///< see removed_name()
};

/// A LUN's folder in its store. The store outlives it. Blocking.
struct Place {
  file_store::Store* store = nullptr;
  std::string store_name;  ///< for messages
  std::string folder;      ///< ".snapshots/<lun>"
  std::shared_ptr<OpenFiles> open_files = std::make_shared<OpenFiles>();

  std::string path(std::string_view name) const { return folder + "/" + std::string(name); }
  std::string label(std::string_view name) const { return store_name + "/" + path(name); }

  /// Makes the folder, durably, if it is not there.
  Outcome<> make() const;
  Outcome<std::unique_ptr<file_store::File>> open(std::string_view name,
                                                  file_store::OpenOptions options = {}) const;
  /// Gives a file from Store::create_unnamed() its name. Durable after sync().
  Outcome<> publish(file_store::File& file, std::string_view name) const;
  Outcome<> rename(std::string_view from, std::string_view to) const;
  /// Not there any more: success.
  Outcome<> remove(std::string_view name) const;
  Outcome<> sync() const;
  /// Empty where there is no folder.
  Outcome<FolderContents> list() const;
  bool has(std::string_view name) const { return store->look_up(path(name)).has_value(); }
  /// What went wrong with the file of that name, in words.
  Failure failed(const char* doing, std::string_view name, const Error& error) const;
};

}  // namespace caisson::snapshot
