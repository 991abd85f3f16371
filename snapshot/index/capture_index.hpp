// SPDX-License-Identifier: Apache-2.0
// Which of a LUN's older snapshots has captured which block, where there are too many of
// them to know that in memory. Derived from their maps, and made anew whenever in doubt.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "snapshot/format/runs.hpp"
#include "snapshot/index/block_filter.hpp"
#include "storage_object/base/result.hpp"
#include "storage_object/base/uuid.hpp"
#include "storage_object/catalog/sqlite.hpp"

namespace caisson::snapshot {

/// An SQLite file with one row (block, sequence number) for each captured block. Not
/// synced: what a power cut may have touched is not believed. find(): any thread; the rest
/// one thread at a time. Every failure means that it should be opened again, which makes
/// it anew where it is damaged.
class CaptureIndex {
 public:
  /// Opens it, or makes an empty one where it is absent, damaged, or was not closed before
  /// the machine was started (`boot`: which start of it this is).
  static Outcome<std::unique_ptr<CaptureIndex>> open(const std::string& path,
                                                     const std::string& boot);
  /// Which start of the machine this is, as the kernel calls it.
  static std::string this_boot();
  /// Removes the file.
  static void discard(const std::string& path);
  ~CaptureIndex();

  /// Snapshots of which every captured block is here, and how many those are.
  Outcome<std::map<Uuid, std::uint64_t>> complete();

  /// Those of which an index said so that is not believed any more because the power may have
  /// failed: their maps have not been written to since then.
  const std::set<Uuid>& untouched() const noexcept { return untouched_; }

  /// Puts several changes together, which then are all there or none.
  Outcome<> begin();
  Outcome<> commit();
  /// Rows that are there already stay.
  Outcome<> add(std::uint64_t sequence, const Run& blocks);
  Outcome<> add(std::uint64_t sequence, std::uint64_t block);
  Outcome<> remove(std::uint64_t sequence, const Run& blocks);
  Outcome<> set_complete(const Uuid& snapshot, std::uint64_t blocks);
  Outcome<> set_incomplete(const Uuid& snapshot);

  /// Who has `block`, of those with sequence numbers in [from, to]: the lowest; and how far,
  /// `end` at most, that holds for certain.
  struct Found {
    std::optional<std::uint64_t> sequence;
    std::uint64_t until = 0;
  };
  Outcome<Found> find(std::uint64_t block, std::uint64_t end, std::uint64_t from, std::uint64_t to);

  /// Makes find() quicker, in slices. False: there is no more to do.
  Outcome<bool> learn_some();

  /// Durable and to be believed after whatever happens next, until it is changed again.
  Outcome<> close();

 private:
  CaptureIndex(catalog::Database database, std::string path, std::string boot);

  static Outcome<std::unique_ptr<CaptureIndex>> try_open(const std::string& path,
                                                         const std::string& boot,
                                                         std::set<Uuid>& untouched);
  Outcome<bool> believable();
  Outcome<> make_tables();
  Outcome<> change();
  Outcome<std::optional<std::uint64_t>> holder(std::uint64_t block, std::uint64_t from,
                                               std::uint64_t to, std::uint64_t& next);

  std::mutex mutex_;  // of the connection
  const std::string path_;
  const std::string boot_;
  catalog::Database database_;
  std::unique_ptr<catalog::Statements> statements_;
  std::set<Uuid> untouched_;
  BlockFilter filter_;
  std::uint64_t learnt_ = 0;  ///< blocks before it are in the filter
  bool dirty_ = false;        ///< its file says that it is not to be believed after a power cut
};

}  // namespace caisson::snapshot
