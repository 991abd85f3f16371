// SPDX-License-Identifier: Apache-2.0
// The pre-image segments of one snapshot: what the copy primitive has kept and not
// yet moved into the image.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "snapshot/chain/place.hpp"
#include "snapshot/format/pre_image.hpp"
#include "snapshot/format/runs.hpp"

namespace caisson::snapshot {

/// Blocks of kPreImageBlock bytes. Blocking. read(), absent_run() and size(): any thread;
/// the rest: the chain's lane only.
class PreImages {
 public:
  PreImages(Place place, Uuid snapshot);

  /// Takes up the segments numbered as in `numbers`, ascending, that the map does not
  /// call moved; tells of their blocks. Files that do not check are Errc::corrupt.
  Outcome<> open(std::span<const std::uint32_t> numbers, std::vector<std::uint64_t>& blocks);

  /// The map says of that number that its segment was moved: no other one may have it, since
  /// the next start would take that for moved, too.
  void use_up(std::uint32_t number) { next_ = std::max(next_, number + 1); }

  /// Segments from that number on that hold something.
  std::vector<std::uint32_t> begun_from(std::uint32_t number) const;

  /// Keeps `images`, durably: one write and one sync, unless a segment becomes full. After
  /// a failure another try goes to a new segment: what the old one got is not known.
  Outcome<> add(std::span<PreImage> images);

  /// Whether `block` stands in a segment; then `into` gets it. False: in the image.
  Outcome<bool> read(std::uint64_t block, std::span<std::byte> into) const;
  /// How many of the blocks from `block` on, at most `count`, none of which stands in a
  /// segment.
  std::uint64_t absent_run(std::uint64_t block, std::uint64_t count) const;

  /// Blocks that were not moved.
  std::uint64_t size() const;
  /// Nothing is added any more: the last segment may be moved too.
  void seal() { sealed_ = true; }
  bool sealed() const noexcept { return sealed_; }
  /// Segments that could be moved.
  std::size_t movable_segments() const noexcept;
  /// Writes a slice of the oldest segment into `image`, in the order of blocks, if nothing is added
  /// to it any more; not durably.
  struct Slice {
    bool any = false;                    ///< there was one
    std::optional<std::uint32_t> ended;  ///< of this segment it was the last
  };
  Outcome<Slice> move_some(file_store::File& image);
  /// The blocks of a segment, ascending, for the map.
  std::vector<Run> blocks_of(std::uint32_t number) const;
  /// The map says that it was moved: forgets it and removes its file.
  Outcome<> moved(std::uint32_t number);
  /// Closes all; the files stay.
  void close();

 private:
  struct Segment : std::enable_shared_from_this<Segment> {
    std::uint32_t number = 0;
    std::unique_ptr<file_store::File> file;
    std::unique_ptr<PreImageWriter> writer;  ///< of the one that still grows
    std::vector<PreImageEntry> entries;      ///< by block once it is moved
    std::size_t moved = 0;                   ///< of them, how many are in the image
    bool sorted = false;
  };
  struct Where {
    Segment* segment;
    std::uint64_t offset;
  };

  Outcome<Segment*> growing();
  bool may_move(std::size_t index) const noexcept;
  Segment* find(std::uint32_t number) const;
  Outcome<> write_run(const Segment& segment, std::span<const PreImageEntry> entries,
                      file_store::File& image) const;
  Outcome<> add_to(Segment& segment, std::span<PreImage> images);
  Outcome<> open_one(std::uint32_t number, bool last, std::vector<std::uint64_t>& blocks);

  const Place place_;
  const Uuid snapshot_;
  bool sealed_ = false;
  std::vector<std::shared_ptr<Segment>> segments_;  // ascending; of the last one more may come
  std::uint32_t next_ = 0;
  mutable std::mutex mutex_;  // guards where_, not while a file is read
  std::unordered_map<std::uint64_t, Where> where_;
};

}  // namespace caisson::snapshot
