// SPDX-License-Identifier: Apache-2.0
// Two files that share blocks, compared by where these lie.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "storage_object/base/result.hpp"
#include "storage_object/file_store/file.hpp"

namespace caisson::snapshot {

/// The map of a file up to `limit`, read in pages, which grow while one follows the
/// other. Blocking. What it tells of a place is as old as the page, so that a view is
/// for one question only; a new one sees every write that was completed before.
class MapView {
 public:
  /// Not `by_map`, or where the file tells no map: only data and holes, the data untrusted.
  MapView(std::shared_ptr<file_store::File> file, std::uint64_t limit, bool by_map);

  /// What is at `offset`, below the limit: from there on, up to `end` at most.
  Result<file_store::MapExtent> at(std::uint64_t offset, std::uint64_t end);
  /// Whether that needs no reading: it is on the page.
  bool holds(std::uint64_t offset) const noexcept {
    return !aged_ && begin_ <= offset && offset < end_;
  }
  /// Reads the range, which is on the page, again: up to where nothing of it has moved.
  Result<std::uint64_t> stands(std::uint64_t offset, std::uint64_t end);
  /// What it read until now is too old: it reads again.
  void age() noexcept { aged_ = true; }
  /// Whether the file stays as it is now. What was read before it did is too old.
  void settle(bool settled) noexcept {
    if (!settled_) age();
    settled_ = settled;
  }

 private:
  using Extents = std::vector<file_store::MapExtent>;

  Result<file_store::MapPage> read(std::uint64_t offset, std::uint64_t end,
                                   std::span<file_store::MapExtent> room);
  Result<file_store::MapPage> read_data(std::uint64_t offset, std::uint64_t end,
                                        std::span<file_store::MapExtent> room);
  Result<> load(std::uint64_t offset);
  file_store::MapExtent on_page(std::uint64_t offset, std::uint64_t end);

  const std::shared_ptr<file_store::File> file_;
  const std::uint64_t limit_;
  bool by_map_;
  bool aged_ = true;
  bool settled_ = false;
  Extents page_;
  std::size_t at_ = 0;                        ///< on the page, where the last answer came from
  std::uint64_t begin_ = 0, end_ = 0;         ///< of the page
  std::vector<file_store::FileExtent> data_;  ///< room
};

enum class Verdict : std::uint8_t {
  equal,    ///< zeros in both, or the same blocks
  changed,  ///< may be equal nevertheless: the same was written again, or zeros were
  unknown,  ///< the maps do not tell
};

struct Judged {
  std::uint64_t end = 0;  ///< of the run that it is said of
  Verdict verdict = Verdict::unknown;
  bool by_address = false;  ///< equal as long as the blocks have not moved: see MapView::stands()
};

/// Compares from `offset` up to `end` at most. `from` nullptr: nothing is there.
Result<Judged> judge(MapView* from, MapView& to, std::uint64_t offset, std::uint64_t end);

}  // namespace caisson::snapshot
