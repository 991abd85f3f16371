// SPDX-License-Identifier: Apache-2.0
// Where the files of a LUN's snapshots lie.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
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

/// The name of a folder, which changes with the LUN's: one for all copies of it.
class FolderName {
  struct State {
    std::shared_mutex mutex;
    std::string name;
  };

 public:
  FolderName(std::string name)  // NOLINT(google-explicit-constructor): a name is meant
      : state_(std::make_shared<State>()) {
    state_->name = std::move(name);
  }
  FolderName(const char* name)  // NOLINT(google-explicit-constructor): as well
      : FolderName(std::string(name)) {}
  /// While it lives the folder keeps its name.
  class Kept {
   public:
    explicit Kept(const FolderName& folder) : state_(folder.state_), lock_(folder.state_->mutex) {}
    const std::string& name() const noexcept { return state_->name; }
    std::string path(std::string_view file) const { return name() + "/" + std::string(file); }

   private:
    std::shared_ptr<State> state_;
    std::shared_lock<std::shared_mutex> lock_;
  };
  std::string name() const { return Kept(*this).name(); }
  /// Calls `rename`, which gets both names, while nobody uses either; its success changes
  /// the name.
  template <class Rename>
  Outcome<> change(const std::string& to, Rename rename) const {
    std::unique_lock alone(state_->mutex);
    auto renamed = rename(state_->name, to);
    if (renamed) state_->name = to;
    return renamed;
  }

 private:
  std::shared_ptr<State> state_;
};

/// A LUN's folder in its store. The store outlives it. Blocking.
struct Place {
  file_store::Store* store = nullptr;
  std::string store_name;    ///< for messages
  FolderName folder = {""};  ///< ".snapshots/<lun>"
  std::shared_ptr<OpenFiles> open_files = std::make_shared<OpenFiles>();

  std::string label(std::string_view name) const {
    return store_name + "/" + FolderName::Kept(folder).path(name);
  }
  /// The folder gets another name, durably; where there is none yet it will have that one.
  Outcome<> move_to(const std::string& other) const;
  Result<file_store::FileAttributes> look_up(std::string_view name) const;

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
  bool has(std::string_view name) const { return look_up(name).has_value(); }
  /// What went wrong with the file of that name, in words.
  Failure failed(const char* doing, std::string_view name, const Error& error) const;
};

}  // namespace caisson::snapshot
