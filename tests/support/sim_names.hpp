// SPDX-License-Identifier: Apache-2.0
// The directory tree of a SimStore and the changes of names that no directory
// sync has covered.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage_object/base/result.hpp"
#include "tests/support/sim_node.hpp"

namespace caisson::tests {

using SimNodePtr = std::shared_ptr<SimNode>;

/// Not thread-safe. Errors are system errors, as file_store::Store promises.
class SimNames {
 public:
  SimNames();

  /// The node of a name, "" being the root. Links on the way are ELOOP.
  Result<SimNodePtr> find(std::string_view name) const;
  /// find(), and the rules for opening: a regular file with one link, or `linked`.
  Result<SimNodePtr> find_file(std::string_view name, bool linked = false) const;

  Result<> add(std::string_view name, const SimNodePtr& node);
  Result<> rename(std::string_view from, std::string_view to);
  /// A file or an empty directory. Returns what was removed.
  Result<SimNodePtr> remove(std::string_view name);
  /// Makes the names directly inside durable, and what they depend on.
  Result<> sync(std::string_view directory);

  /// The tree after a cut: durable names and a random part of the others.
  SimNames after_cut(std::uint64_t seed, const CutPolicy& policy, bool torn_renames) const;

  /// The tree as it is, with what is not durable yet, apart from this one. Of
  /// nobody's handles: what has no name any more can only come back by a cut.
  SimNames copy() const;

  std::uint64_t next_id() noexcept { return ++last_id_; }
  const SimNodePtr& root() const noexcept { return root_; }

 private:
  struct Place {
    SimNodePtr directory;
    std::string leaf;
  };
  struct Entry {
    SimNodePtr directory;
    std::string leaf;
    SimNodePtr value;  ///< null: the name goes
  };
  struct Change {
    SimNodePtr subject;
    std::vector<Entry> entries;
  };

  Result<Place> locate(std::string_view name) const;
  static bool depends(const Change& later, const Change& earlier) noexcept;
  void change(Change change);
  std::vector<Change> survivors(SimRandom& random, const CutPolicy& policy,
                                bool torn_renames) const;

  SimNodePtr root_;
  std::vector<Change> changes_;
  std::uint64_t last_id_ = 0;
};

}  // namespace caisson::tests
