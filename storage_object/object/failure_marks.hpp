// SPDX-License-Identifier: Apache-2.0
// Marks of failed objects that the catalog or the trailer could not take, in as
// many places of different kinds as there are: one empty file each, named by the
// object's UUID, in directories on other file systems; and a slot of a file that
// was allocated beforehand.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "storage_object/base/uuid.hpp"
#include "storage_object/file_store/store.hpp"
#include "storage_object/object/failure_record.hpp"
#include "storage_object/object/registry.hpp"

namespace caisson::object {

/// Thread-safe; blocking.
class FailureMarks {
 public:
  /// A place that cannot be opened or listed now is tried again at every use.
  /// `record`: where the file allocated beforehand lies; may lack an opener.
  FailureMarks(std::vector<MarkPlace> places, const MarkPlace& record);

  /// Whether one may have it, as far as they can be read.
  bool has(const Uuid& uuid);
  /// Success if one place took it, durably as far as that place is; the error of
  /// the last otherwise. Every place is tried.
  Result<> set(const Uuid& uuid);
  /// In the quick places only.
  void set_quickly(const Uuid& uuid);
  /// Success if none has it any more. What failed to be cleared is still there; what
  /// may be in a place that is there and cannot be opened counts as that.
  Result<> clear(const Uuid& uuid);

 private:
  struct Place {
    explicit Place(MarkPlace place) : how(std::move(place)) {}
    const MarkPlace how;
    std::mutex mutex;  ///< guards what follows
    std::unique_ptr<file_store::Store> store;
    bool listed = false;
    std::map<Uuid, bool> marked;  ///< those that may be there; whether that is durable
  };
  /// Errc::not_found: it is not there, and is not made.
  static Outcome<> open(Place& place, bool make);
  static Result<> set_in(Place& place, const Uuid& uuid);
  static Result<> clear_in(Place& place, const Uuid& uuid);

  FailureRecord record_;
  std::list<Place> places_;  // the list itself never changes
};

}  // namespace caisson::object
