// SPDX-License-Identifier: Apache-2.0
// One snapshot in its chain: its files, what it has captured, and what became of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "snapshot/chain/place.hpp"
#include "snapshot/chain/pre_images.hpp"
#include "snapshot/chain/unit_set.hpp"
#include "snapshot/format/map_header.hpp"
#include "snapshot/format/map_writer.hpp"

namespace caisson::snapshot {

/// The units that a snapshot has, as the hot path asks for them.
struct CapturedUnits {
  CapturedUnits(std::uint64_t units, unsigned to_unit) : set(units), shift(to_unit) {}

  UnitSet set;
  const unsigned shift;  ///< of a byte offset, to its unit

  bool covers(std::uint64_t offset, std::uint64_t length) const noexcept {
    return length == 0 || set.contains_all(offset >> shift, ((offset + length - 1) >> shift) + 1);
  }
};

/// Blocking. What is marked "lane" runs on the chain's lane, or before the chain has
/// one; the rest on any thread.
class Member {
 public:
  /// What the catalog says of a snapshot that is there already.
  struct Known {
    Uuid uuid;
    std::string name;
    std::uint64_t sequence = 0;
    std::uint64_t capacity = 0;  ///< bytes
    bool whole = false;          ///< its image is complete: the map need not be read
    bool ghost = false;          ///< deleted, or never reported
    std::string invalid;         ///< why it is no image any more; empty: it is
    bool creating = false;       ///< a ghost that was never reported, perhaps never made
  };

  /// Makes the files of a snapshot that will be cut; durable, names too. After a failure,
  /// Errc::no_space and others: clean_up().
  static Outcome<std::shared_ptr<Member>> create(const Place& place, const MapHeader& header);
  /// What a create() that failed left of its files, durably. Until that succeeds a power cut
  /// may bring them back, and somebody has to know of them.
  static Outcome<> clean_up(const Place& place, const Uuid& snapshot);
  /// Takes one up. Believes nothing of what a former process wrote but what is durable,
  /// however that ended: a sync of its files may have failed. Errc::not_found, corrupt: its
  /// files are gone or damaged.
  static Outcome<std::shared_ptr<Member>> open(const Place& place, const Known& known,
                                               const FolderContents& folder);
  /// Takes up one of the copying kind whose captured units are known elsewhere. Only
  /// whether its files are there is looked at.
  static Outcome<std::shared_ptr<Member>> open_folded(const Place& place, const Known& known,
                                                      std::uint64_t units);
  /// As open(), but the units of one that could be folded go to `elsewhere` and are not
  /// kept: it is folded then. A failure of `elsewhere` leaves it as open() does. `durable`:
  /// no process can have written to its map since the machine was started.
  static Outcome<std::shared_ptr<Member>> open_into(const Place& place, const Known& known,
                                                    const FolderContents& folder,
                                                    MapVisitor& elsewhere, bool durable);

  const Uuid& uuid() const noexcept { return uuid_; }
  std::uint64_t sequence() const noexcept { return sequence_; }
  std::uint64_t capacity() const noexcept { return capacity_; }
  /// Up to here the container's data area goes, in zeros; and the image, until it is whole.
  std::uint64_t padded_capacity() const noexcept { return (capacity_ + 4095) / 4096 * 4096; }
  std::string name() const;
  /// Bytes; of one that was whole when it was opened it says nothing.
  std::uint64_t unit() const noexcept { return std::uint64_t{1} << shift_; }
  Primitive primitive() const noexcept { return primitive_; }

  bool whole() const noexcept { return whole_.load(std::memory_order_acquire); }
  bool ghost() const noexcept { return ghost_.load(std::memory_order_acquire); }
  bool invalid() const noexcept { return invalid_.load(std::memory_order_acquire); }
  /// What it has captured is known elsewhere only.
  bool folded() const noexcept { return folded_.load(std::memory_order_acquire); }
  std::string why_invalid() const;

  /// What it has captured; nullptr of one that is whole (or soon) or folded, or is none any
  /// more.
  std::shared_ptr<const CapturedUnits> captured() const;
  /// How many units that are, of a folded one too.
  std::uint64_t captured_units() const;
  /// Whether it reads through nobody.
  bool self_contained() const;
  /// Whether it has what is at `offset` itself, and how far, `limit` at most, that holds.
  struct Own {
    bool has = false;
    std::uint64_t until = 0;
    bool elsewhere = false;  ///< it is folded: ask there
  };
  Own own(std::uint64_t offset, std::uint64_t limit) const;
  /// Reads what it has itself. Errc::io_error, corrupt.
  Outcome<> read(std::uint64_t offset, std::span<std::byte> into) const;
  /// The open image; opens it if need be.
  Outcome<std::shared_ptr<file_store::File>> image() const;
  PreImages& pre_images() noexcept { return pre_images_; }

  // Lane. Each is durable when it succeeds.

  bool was_cut() const noexcept { return cut_; }
  /// Its set, of one that is neither whole nor folded nor invalid.
  UnitSet& set() noexcept { return captured_->set; }

  /// The record `cut`, if it is not there yet.
  Outcome<> begin(std::int64_t wall_ms);
  /// These units are in the synced image, or holes; they are in the set then.
  Outcome<> record(std::span<const Run> in_image, std::span<const Run> holes);
  /// Pre-images are durable before they are in the set; `images` of units of its own.
  Outcome<> add_pre_images(std::span<PreImage> images, std::int64_t wall_ms);
  /// One step of moving pre-images into the image. False: there is nothing to move.
  Outcome<bool> move_some();
  /// Copies what `newer`, the next one, has from unit `from` on and this one has not,
  /// `most` bytes at most. The unit to go on at; the end of its disk: all of it was.
  /// Both copy, in units of one size.
  Outcome<std::uint64_t> take_from(Member& newer, std::uint64_t from, std::uint64_t most);
  /// Every unit is captured: cut to the capacity, read-only, recorded. Not yet public.
  Outcome<> complete();
  /// It is whole: what it has captured need not be known any more.
  void forget_captured();
  /// Of a folded one, as it is known elsewhere.
  void set_captured_units(std::uint64_t units) noexcept { captured_units_ = units; }
  /// Whether nothing is added any more, and nothing waits to be moved.
  bool may_fold() const;
  /// What it has captured is known elsewhere from now on.
  void fold();
  /// It has its set again, from its map.
  Outcome<> unfold();
  /// Tells what its map says that it has.
  Outcome<> tell(MapVisitor& visitor) const;
  /// `by` follows it from now on. A failure is only logged: the catalog knows, too.
  void seal(const Uuid& by);
  /// The same, where the one that followed is about to go. Durable when it succeeds.
  Outcome<> seal_again(const Uuid& by);
  /// Which one followed, as its map says; absent: none has, or it is whole or folded.
  const std::optional<Uuid>& sealed_by() const noexcept { return sealed_by_; }
  /// It is no image of anything any more. A failure: the map does not say so.
  Outcome<> give_up(const std::string& why);
  /// The same, known from elsewhere.
  void spoil(const std::string& why);

  /// Whether the public file of a whole one is there, in its length. Any thread.
  /// Errc::corrupt: it is not; else what the file system said.
  Outcome<> check_public() const;
  /// Gives the whole image its public name, if it has not got it. Errc::already_exists:
  /// something else has.
  Outcome<> publish();
  /// Another name, in the map, then of the public file: before the catalog has it.
  Outcome<> rename(const std::string& name);
  /// It has no public name any more, and its map says so if that can be written.
  Outcome<> hide();

  /// Whether giving its space back has begun.
  bool removed() const noexcept { return removed_; }
  /// From here on a start takes it for removed, whatever else it finds. Its map and its
  /// segments are gone.
  Outcome<> begin_removal();
  /// Gives a slice of the image's space back; false: there is none left.
  Outcome<bool> reclaim_some();
  /// The last name: nothing tells of it any more.
  Outcome<> end_removal();

 private:
  Member(Place place, const Uuid& uuid, std::string name, std::uint64_t sequence,
         std::uint64_t capacity);

  static Outcome<std::shared_ptr<Member>> open_with(const Place& place, const Known& known,
                                                    const FolderContents& folder,
                                                    MapVisitor* elsewhere, bool durable);
  Outcome<> make_files(const MapHeader& header);
  Outcome<> load(const Known& known, const FolderContents& folder, MapVisitor* elsewhere,
                 bool durable);
  Outcome<> load_map(const FolderContents& folder, MapVisitor* elsewhere, bool durable);
  std::string missing_segment(const MapContents& map, const FolderContents& folder) const;
  Outcome<> load_segments(std::span<const std::uint32_t> numbers,
                          std::span<const std::uint32_t> moved);
  Outcome<> find_whole_image();
  Outcome<> leave_mark(const std::string& name);
  std::string image_file_name() const;
  Outcome<std::unique_ptr<file_store::File>> open_image(const std::string& name) const;
  Outcome<> open_map();
  Outcome<> append(const Record& record);
  Outcome<> say_begun();
  Outcome<> flush_map();
  void note_in_map(const Record& record);
  void set_captured(Primitive primitive, std::uint64_t unit);

  const Place place_;
  const Uuid uuid_;
  const std::uint64_t sequence_;
  const std::uint64_t capacity_;
  unsigned shift_ = 12;
  Primitive primitive_ = Primitive::reflink;

  // The lane's.
  std::unique_ptr<file_store::File> map_file_;
  std::unique_ptr<MapWriter> map_;
  bool cut_ = false;
  std::optional<Uuid> sealed_by_;
  std::uint32_t begun_ = 0;  // of segments with lower numbers its map says that they exist
  bool removed_ = false;
  std::uint64_t reclaimed_ = 0;  // up to here nothing is left of the image

  PreImages pre_images_;
  std::atomic<bool> whole_{false}, ghost_{false}, invalid_{false}, folded_{false};
  std::atomic<std::uint64_t> captured_units_{0};  // when it was folded
  mutable std::mutex units_mutex_;
  std::shared_ptr<CapturedUnits> captured_;  // changed on the lane, with units_mutex_
  mutable std::mutex mutex_;                 // guards what follows
  mutable std::shared_ptr<file_store::File> image_;
  std::string name_;
  std::string why_invalid_;
  bool public_ = false;
};

}  // namespace caisson::snapshot
