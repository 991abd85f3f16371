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
  };

  /// Makes the files of a snapshot that will be cut; durable, names too. Errc::no_space
  /// and others leave nothing behind.
  static Outcome<std::shared_ptr<Member>> create(const Place& place, const MapHeader& header);
  /// Takes one up. `distrust`: a process that wrote to it may not have ended cleanly.
  /// Errc::not_found, corrupt: its files are gone or damaged.
  static Outcome<std::shared_ptr<Member>> open(const Place& place, const Known& known,
                                               bool distrust);

  const Uuid& uuid() const noexcept { return uuid_; }
  std::uint64_t sequence() const noexcept { return sequence_; }
  std::uint64_t capacity() const noexcept { return capacity_; }
  /// Up to here the container's data area goes, in zeros; and the image, until it is whole.
  std::uint64_t padded_capacity() const noexcept { return (capacity_ + 4095) / 4096 * 4096; }
  std::string name() const;
  /// Bytes; 0 of one that was whole when it was opened.
  std::uint64_t unit() const noexcept { return std::uint64_t{1} << shift_; }
  Primitive primitive() const noexcept { return primitive_; }

  bool whole() const noexcept { return whole_.load(std::memory_order_acquire); }
  bool ghost() const noexcept { return ghost_.load(std::memory_order_acquire); }
  bool invalid() const noexcept { return invalid_.load(std::memory_order_acquire); }
  std::string why_invalid() const;
  /// Lane: its map says that it was cut.
  bool was_cut() const noexcept { return cut_; }

  /// nullptr: it is whole.
  const CapturedUnits* captured() const noexcept { return captured_.get(); }
  std::shared_ptr<const CapturedUnits> share_captured() const { return captured_; }
  /// Whether it has that byte's unit itself.
  bool has(std::uint64_t offset) const noexcept;
  /// How far from `offset` on, `limit` at most, it has everything, or nothing, itself.
  std::uint64_t same_until(std::uint64_t offset, std::uint64_t limit) const noexcept;
  /// Reads what it has itself. Errc::io_error, corrupt.
  Outcome<> read(std::uint64_t offset, std::span<std::byte> into) const;
  /// The open image; opens it if need be.
  Outcome<std::shared_ptr<file_store::File>> image() const;
  PreImages& pre_images() noexcept { return pre_images_; }
  const PreImages& pre_images() const noexcept { return pre_images_; }

  // Lane. Each is durable when it succeeds.

  /// The record `cut`, if it is not there yet; with what `record` adds in one write.
  Outcome<> begin(std::int64_t wall_ms);
  /// These units are in the synced image, or holes; they are in the set then.
  Outcome<> record(std::span<const Run> in_image, std::span<const Run> holes);
  /// Pre-images are durable before they are in the set; `images` of units of its own.
  Outcome<> add_pre_images(std::span<PreImage> images, std::int64_t wall_ms);
  /// One step of moving pre-images into the image. False: there is nothing to move.
  Outcome<bool> move_some();
  /// Copies what `newer`, the next one, has from unit `from` on and this one has not,
  /// `most` bytes at most. The unit to go on at; the end of the disk: all of it was.
  Outcome<std::uint64_t> take_from(const Member& newer, std::uint64_t from, std::uint64_t most);
  /// Every unit is captured: cut to the capacity, read-only, recorded. Not yet public.
  Outcome<> complete();
  /// Gives the whole image its public name. Errc::already_exists: something has it.
  Outcome<> publish();
  /// Another name, also of the public file.
  Outcome<> rename(const std::string& name);
  /// Hides it: it has no public name any more, and its map says so if there is room.
  Outcome<> hide();
  /// It is no image of anything any more. A failure: the map does not say so.
  Outcome<> give_up(const std::string& why);
  /// The same, known from elsewhere.
  void spoil(const std::string& why);
  void seal(const Uuid& by);
  /// Gives a slice of the space back; false: there is none left, the files are gone.
  Outcome<bool> reclaim_some();

 private:
  Member(Place place, Uuid uuid, std::string name, std::uint64_t sequence, std::uint64_t capacity);

  Outcome<> make_files(const MapHeader& header);
  Outcome<> load(const Known& known, bool distrust);
  Outcome<> load_segments(bool distrust);
  std::string image_file_name() const;
  Outcome<> append(const Record& record);
  Outcome<> flush_map();
  void set_captured(Primitive primitive, std::uint64_t unit);

  const Place place_;
  const Uuid uuid_;
  const std::uint64_t sequence_;
  const std::uint64_t capacity_;
  unsigned shift_ = 12;
  Primitive primitive_ = Primitive::reflink;

  std::unique_ptr<file_store::File> map_file_;
  std::unique_ptr<MapWriter> map_;
  bool cut_ = false;
  std::shared_ptr<CapturedUnits> captured_;
  PreImages pre_images_;
  std::uint64_t reclaimed_ = 0;

  std::atomic<bool> whole_{false}, ghost_{false}, invalid_{false};
  mutable std::mutex mutex_;  // guards what follows
  mutable std::shared_ptr<file_store::File> image_;
  std::string name_;
  std::string why_invalid_;
  bool public_ = false;
};

}  // namespace caisson::snapshot
