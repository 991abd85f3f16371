// SPDX-License-Identifier: Apache-2.0
// The file that holds one object: made, opened, resized. Nothing here knows the
// catalog; the order between the two is the registry's. Every step is
// idempotent: after a crash the same call is made again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage_object/catalog/records.hpp"
#include "storage_object/file_store/store.hpp"
#include "storage_object/object/trailer_file.hpp"

namespace caisson::object {

/// A container's file as the trailer sees it: the same open file that hosts' data
/// goes through, with its syncs told to whoever must know of a failed one.
class ControlFile final : public file_store::File {
 public:
  using SyncHook = std::function<Result<>(file_store::File&)>;  ///< performs the sync

  explicit ControlFile(std::shared_ptr<file_store::File> file) : file_(std::move(file)) {}
  void submit(file_store::FileRequest& request) override { file_->submit(request); }
  const file_store::FileTraits& traits() const noexcept override { return file_->traits(); }
  Result<file_store::FileAttributes> attributes() override { return file_->attributes(); }
  Result<> resize(std::uint64_t size) override { return file_->resize(size); }
  Result<> sync_all() override;
  Result<> drop_cache() override { return file_->drop_cache(); }
  Result<> lock_owner() override { return file_->lock_owner(); }
  Result<> hold_off_owner() override { return file_->hold_off_owner(); }
  Result<> clone_range(file_store::File& source, std::uint64_t from, std::uint64_t length,
                       std::uint64_t to) override {
    return file_->clone_range(source, from, length, to);
  }
  Result<file_store::MapPage> extent_map(std::uint64_t offset, std::uint64_t length,
                                         std::span<file_store::MapExtent> room) override {
    return file_->extent_map(offset, length, room);
  }
  Result<std::uint64_t> seek_data(std::uint64_t offset, std::uint64_t length) override {
    return file_->seek_data(offset, length);
  }
  Result<std::size_t> count_extents(std::uint64_t offset, std::uint64_t length,
                                    std::size_t most) override {
    return file_->count_extents(offset, length, most);
  }
  void write_back(std::span<const file_store::ByteRange> ranges) override {
    file_->write_back(ranges);
  }
  Result<> set_read_only() override { return file_->set_read_only(); }
  Result<> set_writable() override { return file_->set_writable(); }
  File& innermost() noexcept override { return file_->innermost(); }

  /// From now on syncs go through it; empty: straight to the file.
  void set_hook(SyncHook hook);
  const std::shared_ptr<file_store::File>& file() const noexcept { return file_; }

 private:
  std::shared_ptr<file_store::File> file_;
  std::mutex mutex_;  // guards hook_
  SyncHook hook_;
};

/// Writes the data area of a container under construction (import by copy).
using Fill = std::function<Outcome<>(file_store::File&)>;

/// Blocking; control threads. Calls on one container run one after the other.
class Container {
 public:
  /// A complete container without a name: sized, thick if asked, filled, trailer
  /// written, durable, locked. It vanishes unless publish() follows.
  static Outcome<std::unique_ptr<Container>> make(file_store::Store& store,
                                                  const catalog::LunRecord& row, const Fill& fill);
  /// Gives it its name row.file, durably. Errc::already_exists if that is taken.
  Outcome<> publish(file_store::Store& store);

  /// Makes a raw image a container where it lies: padded with zeros, trailer
  /// behind, durable, locked; its name is not changed. On failure the image has its
  /// old length again. Errc::corrupt, and nothing is changed, if what bears its name
  /// is not the image, as it was or as an earlier call left it.
  static Outcome<std::unique_ptr<Container>> wrap(file_store::Store& store,
                                                  const catalog::LunRecord& row,
                                                  const catalog::RawImage& image);

  /// Opens row.file, takes the owner lock and compares with `row`: UUID,
  /// capacity (or the resize intent's), geometry, identity. Errc::not_found,
  /// in_use (another owner holds the lock), corrupt (damaged or something else
  /// than the catalog says), unsupported (features, version), io_error.
  static Outcome<std::unique_ptr<Container>> open(file_store::Store& store,
                                                  const catalog::LunRecord& row);
  /// Opens a container the catalog does not speak of. Its trailer is looked for
  /// where the file's length, or `capacity` if given, says. Nothing is changed.
  static Outcome<std::unique_ptr<Container>> open_unknown(file_store::Store& store,
                                                          std::string_view file,
                                                          std::optional<std::uint64_t> capacity);
  /// Gives one of open_unknown() the length that its trailer says, durably.
  Outcome<> fit();

  /// The open file for the data area, as the cache mode wants it: the container's
  /// own, or one past the page cache. Errc::unsupported where the store has none.
  Outcome<std::shared_ptr<file_store::File>> open_data(file_store::Store& store,
                                                       catalog::CacheMode mode);

  /// Another open file of the container, to be synced only; see ContainerData.
  Outcome<std::shared_ptr<file_store::File>> open_witness(file_store::Store& store);

  /// The container's own open file, through the page cache.
  const std::shared_ptr<file_store::File>& file() const noexcept { return file_.file(); }
  /// What the open file is, and how many names it has.
  Result<file_store::FileAttributes> attributes() { return file_.attributes(); }
  /// A copy of the ruling slot.
  format::Slot slot();
  /// Replaces the message of the trailer, durably.
  Outcome<> update(const std::function<void(format::pb::Trailer&)>& change);
  /// Unknown read-only-compatible features: served read-only, never rewritten.
  bool read_only();
  /// Whether a sync of the container failed since it was opened, or since this was
  /// last asked. Once a sync hook is set that hears of each.
  bool take_sync_failure();
  /// Makes sure that what was read at open outlives a power cut: it may be in the
  /// page cache only. Nothing for one that is read-only.
  Outcome<> anchor();
  /// Gives the trailer its room where it has none: containers of other makers and
  /// of earlier versions. An economy; failures of it are met later.
  void keep_room();

  /// Before the intent of a resize is recorded: finds the room that its steps
  /// write to, durably, so that a full store refuses the resize here. The container
  /// stays what it was; hosts may go on meanwhile. No guarantee where overwriting
  /// takes new space (copy-on-write). Errc::no_space.
  Outcome<> prepare_resize(const catalog::ResizeIntent& intent, bool thick);
  /// From intent.from to intent.to, both recorded in the catalog before. After
  /// success the container is of capacity intent.to, durably, and its host-visible
  /// part ends in zeros. No I/O may be in flight to what is cut off.
  Outcome<> resize(const catalog::ResizeIntent& intent, bool thick);
  /// Takes back a resize that was prepared, or that failed: capacity and length are
  /// intent.from's, durably; the intent may then be forgotten. What lies behind
  /// intent.to may have been overwritten if resize() was called. Errc::in_use when it
  /// is too late: then the resize can only be finished.
  Outcome<> abandon_resize(const catalog::ResizeIntent& intent);

  /// See ControlFile. A failed writeback is reported once per open file, so the
  /// trailer's syncs must count among the hosts' flushes.
  void set_sync_hook(ControlFile::SyncHook hook);

  /// Renames nothing: tells under which name the file is found from now on.
  void renamed(std::string file);
  const std::string& file_name() const noexcept { return name_; }

 private:
  Container(std::unique_ptr<file_store::File> file, std::string store_name, std::string name);

  static Outcome<std::unique_ptr<Container>> open_locked(file_store::Store& store,
                                                         std::string_view store_name,
                                                         std::string_view file);
  Outcome<std::shared_ptr<file_store::File>> open_again(file_store::Store& store,
                                                        file_store::OpenOptions options);
  Outcome<> locate(const catalog::LunRecord& row);
  Outcome<> locate_resizing(const catalog::LunRecord& row, std::uint64_t length);
  Outcome<> check(const catalog::LunRecord& row) const;
  Outcome<> within_padding(const catalog::ResizeIntent& intent);
  Outcome<> grow(const catalog::ResizeIntent& intent, bool thick);
  Outcome<> shrink(const catalog::ResizeIntent& intent);
  Outcome<> write_zeros(std::uint64_t begin, std::uint64_t end);
  Outcome<> clear(std::uint64_t begin, std::uint64_t end, std::uint64_t hole_end);
  Outcome<> allocate(std::uint64_t begin, std::uint64_t end);
  Outcome<> allocate_trailer(std::uint64_t capacity);
  Outcome<> set_length(std::uint64_t length);
  Outcome<> sync();
  Failure failed(const char* doing, const Error& error) const;

  ControlFile file_;
  std::string name_;
  std::string label_;
  std::mutex mutex_;  // guards what follows and the file's length
  TrailerFile trailer_;
  bool sync_failed_ = false;
  bool moving_in_ = false;  // a shrink may have written its trailer into the data area
};

/// Why a container's file did not take that length.
Failure cannot_size(std::string_view label, std::uint64_t length, const Error& error);

/// Whether direct I/O of such a store can reach every block of a container.
/// `label`: the container in question. Errc::unsupported.
Outcome<> check_direct(const file_store::FileTraits& traits, std::string_view label);

// What dry runs ask.

/// Errc::already_exists if anything in the store has that name.
Outcome<> check_name_free(file_store::Store& store, std::string_view store_name,
                          std::string_view file);
/// Whether the store can hold the container of `row`. `thick_bytes`: what it still
/// has to find room for if it is thick.
Outcome<> check_room(file_store::Store& store, const catalog::LunRecord& row,
                     std::uint64_t thick_bytes);

/// What a trailer says of an object, from the catalog's row and back. Fields the
/// row does not have are left alone.
void fill_message(format::pb::Trailer& message, const catalog::LunRecord& row);
catalog::LunRecord row_of(const format::Slot& slot);

}  // namespace caisson::object
