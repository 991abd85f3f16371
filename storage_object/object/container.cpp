// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/container.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/system/errc.hpp>
#include <utility>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::object {

using catalog::CacheMode;
using catalog::LunRecord;
using file_store::FileOp;
using file_store::Store;
using format::container_length;
using format::trailer_position;

Container::Container(std::unique_ptr<file_store::File> file, std::string store_name,
                     std::string name)
    : file_(std::move(file)),
      name_(std::move(name)),
      label_(fmt::format("{}/{}", store_name, name_)),
      trailer_(file_, label_) {}

namespace {

std::string remedy_of(const Error& error) {
  return to_errc(error) == Errc::no_space ? "free space in the store"
                                          : "check the store's file system";
}

}  // namespace

Failure cannot_size(std::string_view label, std::uint64_t length, const Error& error) {
  if (error == boost::system::errc::file_too_large)
    return failure(
        Errc::no_space,
        fmt::format("{}: this file system cannot hold a file of {}", label, format_size(length)),
        "choose a smaller size");
  return failure(to_errc(error),
                 fmt::format("{}: cannot set its length to {}: {}", label, format_size(length),
                             error.message()),
                 remedy_of(error));
}

Failure Container::failed(const char* doing, const Error& error) const {
  return failure(to_errc(error), fmt::format("{}: cannot {}: {}", label_, doing, error.message()),
                 remedy_of(error));
}

Outcome<> Container::sync() {
  if (auto done = file_.sync_all(); !done) {
    sync_failed_ = true;
    return failed("make it durable", done.error());
  }
  return {};
}

Outcome<> Container::set_length(std::uint64_t length) {
  if (auto done = file_.resize(length); !done) return cannot_size(label_, length, done.error());
  return {};
}

Outcome<> Container::allocate(std::uint64_t begin, std::uint64_t end) {
  if (auto done = file_store::apply(file_, FileOp::allocate, begin, end - begin); !done)
    return failed("allocate its space", done.error());
  return {};
}

/// Updates of the trailer shall need no space: a full store must not keep the
/// failed state or a reservation from being written.
Outcome<> Container::allocate_trailer(std::uint64_t capacity) {
  auto begin = trailer_position(capacity);
  auto end = begin + format::kTrailerSize;
  return file_.traits().allocate ? allocate(begin, end) : write_zeros(begin, end);
}

namespace {

Failure owned_elsewhere(const std::string& label) {
  return failure(Errc::in_use, fmt::format("{}: another process owns it", label),
                 "stop the other gateway or tool that serves this file");
}

Failure cannot_open(std::string_view store, std::string_view file, const Error& error) {
  auto name = fmt::format("{}/{}", store, file);
  if (error == boost::system::errc::no_such_file_or_directory)
    return failure(Errc::not_found, fmt::format("{}: the file is missing", name),
                   "put it back, or delete the LUN");
  if (error == boost::system::errc::too_many_symbolic_link_levels ||
      error == boost::system::errc::cross_device_link ||
      error == boost::system::errc::invalid_argument ||
      error == boost::system::errc::too_many_links)
    return failure(Errc::corrupt,
                   fmt::format("{}: not a plain file of this store ({})", name, error.message()),
                   "remove the link or special file that stands in its place");
  return failure(to_errc(error), fmt::format("{}: cannot open: {}", name, error.message()),
                 "check the store's file system and its permissions");
}

}  // namespace

Outcome<std::unique_ptr<Container>> Container::make(Store& store, const LunRecord& row,
                                                    const Fill& fill) {
  auto file = store.create_unnamed();
  if (!file)
    return failure(
        to_errc(file.error()),
        fmt::format("store '{}': cannot make a file: {}", row.store, file.error().message()),
        "check the store's space and permissions");
  std::unique_ptr<Container> self(new Container(std::move(*file), row.store, row.file));
  if (auto done = self->set_length(container_length(row.capacity)); !done) return done.error();
  if (row.thick)
    if (auto done = self->allocate(0, container_length(row.capacity)); !done) return done.error();
  if (auto done = self->allocate_trailer(row.capacity); !done) return done.error();
  if (fill)
    if (auto done = fill(self->file_); !done) return done.error();
  format::Slot slot;
  slot.uuid = row.uuid;
  slot.capacity = row.capacity;
  fill_message(slot.message, row);
  if (auto done = self->trailer_.begin(std::move(slot)); !done) return done.error();
  if (auto done = self->sync(); !done) return done.error();
  if (auto locked = self->file_.lock_owner(); !locked) return owned_elsewhere(self->label_);
  return self;
}

Outcome<> Container::publish(Store& store) {
  if (auto done = store.publish(*file_.file(), name_); !done) {
    if (to_errc(done.error()) == Errc::already_exists)
      return failure(Errc::already_exists, fmt::format("{}: a file of that name exists", label_),
                     "choose another name, or adopt or import that file");
    return failed("give it its name", done.error());
  }
  if (auto done = store.sync_names(); !done) return failed("make its name durable", done.error());
  return {};
}

Outcome<std::unique_ptr<Container>> Container::open_locked(Store& store,
                                                           std::string_view store_name,
                                                           std::string_view file) {
  auto opened = store.open(file);
  if (!opened) return cannot_open(store_name, file, opened.error());
  std::unique_ptr<Container> self(
      new Container(std::move(*opened), std::string(store_name), std::string(file)));
  if (auto locked = self->file_.lock_owner(); !locked) {
    if (to_errc(locked.error()) == Errc::in_use) return owned_elsewhere(self->label_);
    return self->failed("lock it", locked.error());
  }
  return self;
}

Outcome<std::unique_ptr<Container>> Container::wrap(Store& store, const LunRecord& row,
                                                    const catalog::RawImage& image) {
  auto self = open_locked(store, row.store, image.file);
  if (!self) return self.error();
  auto undo = [&](const Failure& why) -> Outcome<std::unique_ptr<Container>> {
    auto undone = (*self)->set_length(image.length);
    if (undone) undone = (*self)->sync();
    if (undone) return why;
    return failure(Errc::io_error, fmt::format("{}; nor can its old length be made durable: {}",
                                               why.message, undone.error().message));
  };
  auto raw = (*self)->file_.attributes();
  if (!raw) return (*self)->failed("read its length", raw.error());
  const std::uint64_t lengths[] = {image.length, row.capacity, container_length(row.capacity)};
  if (raw->id.inode != image.inode || raw->born != image.born ||
      std::ranges::count(lengths, raw->size) == 0)
    return failure(Errc::corrupt,
                   fmt::format("{} is not the file whose import began", (*self)->label_),
                   "import it again");
  // Cut at the capacity first: what an earlier call left behind it is no trailer.
  if (raw->size > row.capacity)
    if (auto done = (*self)->set_length(row.capacity); !done) return undo(done.error());
  if (auto done = (*self)->set_length(container_length(row.capacity)); !done)
    return undo(done.error());
  if (row.thick)
    if (auto done = (*self)->allocate(0, container_length(row.capacity)); !done)
      return undo(done.error());
  if (auto done = (*self)->allocate_trailer(row.capacity); !done) return undo(done.error());
  format::Slot slot;
  slot.uuid = row.uuid;
  slot.capacity = row.capacity;
  fill_message(slot.message, row);
  if (auto done = (*self)->trailer_.begin(std::move(slot)); !done) return undo(done.error());
  if (auto done = (*self)->sync(); !done) return undo(done.error());
  return self;
}

Outcome<std::unique_ptr<Container>> Container::open(Store& store, const LunRecord& row) {
  auto self = open_locked(store, row.store, row.file);
  if (!self) return self.error();
  if (auto done = (*self)->locate(row); !done) return done.error();
  if (auto done = (*self)->check(row); !done) return done.error();
  return self;
}

Outcome<std::unique_ptr<Container>> Container::open_unknown(Store& store, std::string_view file,
                                                            std::optional<std::uint64_t> capacity) {
  auto self = open_locked(store, store.location(), file);
  if (!self) return self.error();
  auto attributes = (*self)->file_.attributes();
  if (!attributes) return (*self)->failed("read its length", attributes.error());
  auto position = capacity ? std::optional(trailer_position(*capacity))
                           : format::trailer_position_in(attributes->size);
  if (!position)
    return failure(Errc::corrupt,
                   fmt::format("{}: {} bytes is not the length of a container", (*self)->label_,
                               attributes->size),
                   "import it as a raw image, or name the capacity it had");
  TrailerPlace place{.position = *position};
  if (capacity) place.capacities = {*capacity, *capacity};
  if (auto done = (*self)->trailer_.load(place); !done) return done.error();
  if (format::compatibility((*self)->trailer_.slot().features) == format::Compatibility::none)
    return failure(
        Errc::unsupported,
        fmt::format("{}: its trailer needs features this version lacks", (*self)->label_),
        "serve it with the version that wrote it");
  return self;
}

Outcome<> Container::fit() {
  std::lock_guard lock(mutex_);
  const auto length = container_length(trailer_.slot().capacity);
  auto attributes = file_.attributes();
  if (!attributes) return failed("read its length", attributes.error());
  if (attributes->size == length) return {};
  if (auto done = set_length(length); !done) return done.error();
  return sync();
}

// Where the trailer may stand follows from the file's length and the intent,
// and from nothing else (docs/format/container.md, "Resizing").
Outcome<> Container::locate(const LunRecord& row) {
  auto attributes = file_.attributes();
  if (!attributes) return failed("read its length", attributes.error());
  auto length = attributes->size;
  if (row.resize) return locate_resizing(row, length);
  if (length != container_length(row.capacity))
    return failure(Errc::corrupt,
                   fmt::format("{}: {} bytes long, a capacity of {} needs {}", label_, length,
                               row.capacity, container_length(row.capacity)),
                   "restore the file, or adopt it");
  return trailer_.load({.position = trailer_position(row.capacity),
                        .capacities = {row.capacity, row.capacity},
                        .uuid = row.uuid});
}

Outcome<> Container::locate_resizing(const LunRecord& row, std::uint64_t length) {
  const auto [from, to] = *row.resize;
  TrailerPlace old_place{
      .position = trailer_position(from), .capacities = {from, from}, .uuid = row.uuid};
  if (old_place.position == trailer_position(to)) {
    old_place.capacities = {from, to};
    if (length == container_length(from)) return trailer_.load(old_place);
  } else if (length == container_length(to)) {
    bool growing = to > from;
    TrailerPlace new_place{.position = trailer_position(to),
                           .slots = {!growing, growing},
                           .capacities = {to, to},
                           .uuid = row.uuid};
    auto there = trailer_.load(new_place);
    if (there || !growing) return there;
    return trailer_.load(old_place);
  } else if (length == container_length(from)) {
    return trailer_.load(old_place);
  }
  return failure(Errc::corrupt,
                 fmt::format("{}: {} bytes long, a resize from {} to {} was under way", label_,
                             length, from, to),
                 "restore the file, or adopt it");
}

Outcome<> Container::check(const LunRecord& row) const {
  const auto& slot = trailer_.slot();
  if (format::compatibility(slot.features) == format::Compatibility::none)
    return failure(Errc::unsupported,
                   fmt::format("{}: its trailer needs features this version lacks", label_),
                   "serve it with the version that wrote it");
  const auto& identity = slot.message.identity();
  auto differs = [&](const char* what, const auto& trailer, const auto& catalog) {
    return failure(
        Errc::corrupt,
        fmt::format("{}: its trailer says {} {}, the catalog {}", label_, what, trailer, catalog),
        "adopt it to take what the trailer says");
  };
  if (identity.target_name() != row.target_name)
    return differs("target name", identity.target_name(), row.target_name);
  if (identity.target_lun() != row.target_lun)
    return differs("LUN number", identity.target_lun(), row.target_lun);
  if (identity.naa() != row.naa) return differs("NAA", identity.naa(), row.naa);
  if (identity.serial() != row.serial) return differs("serial", identity.serial(), row.serial);
  if (slot.message.logical_block() != row.logical_block)
    return differs("block size", slot.message.logical_block(), row.logical_block);
  return {};
}

Outcome<> check_direct(const file_store::FileTraits& traits, std::string_view label) {
  if (traits.direct_alignment <= file_store::kMaxDirectAlignment) return {};
  return failure(Errc::unsupported,
                 fmt::format("{}: its store goes past the page cache in blocks of {} bytes only, a "
                             "container is laid out in blocks of {}",
                             label, traits.direct_alignment, file_store::kMaxDirectAlignment),
                 "use cache mode writeback or writethrough");
}

Outcome<std::shared_ptr<file_store::File>> Container::open_data(Store& store, CacheMode mode) {
  if (mode != CacheMode::none) return file_.file();
  if (auto fine = check_direct(store.traits(), label_); !fine) return fine.error();
  return open_again(store, {.direct = true});
}

Outcome<std::shared_ptr<file_store::File>> Container::open_witness(Store& store) {
  return open_again(store, {.read_only = true});
}

Outcome<std::shared_ptr<file_store::File>> Container::open_again(Store& store,
                                                                 file_store::OpenOptions options) {
  auto opened = store.open(name_, options);
  if (!opened) {
    if (options.direct && to_errc(opened.error()) == Errc::invalid_argument)
      return failure(Errc::unsupported,
                     fmt::format("{}: this store cannot go past the page cache", label_),
                     "use cache mode writeback or writethrough");
    return cannot_open(store.location(), name_, opened.error());
  }
  // The name may have been given to another file since the lock was taken.
  auto locked = file_.attributes();
  if (!locked) return failed("tell which file it is", locked.error());
  auto named = (*opened)->attributes();
  if (!named) return failed("tell which file it is", named.error());
  if (named->id != locked->id)
    return failure(Errc::corrupt, fmt::format("{}: another file has taken its name", label_),
                   "put the right file back");
  return std::shared_ptr<file_store::File>(std::move(*opened));
}

Result<> ControlFile::sync_all() {
  SyncHook hook;
  {
    std::lock_guard lock(mutex_);
    hook = hook_;
  }
  return hook ? hook(*file_) : file_->sync_all();
}

void ControlFile::set_hook(SyncHook hook) {
  std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

void Container::set_sync_hook(ControlFile::SyncHook hook) { file_.set_hook(std::move(hook)); }

format::Slot Container::slot() {
  std::lock_guard lock(mutex_);
  return trailer_.slot();
}

bool Container::read_only() {
  return format::compatibility(slot().features) != format::Compatibility::full;
}

bool Container::take_sync_failure() {
  std::lock_guard lock(mutex_);
  const bool in_trailer = trailer_.take_sync_failure();
  return std::exchange(sync_failed_, false) || in_trailer;
}

Outcome<> Container::anchor() {
  std::lock_guard lock(mutex_);
  if (format::compatibility(trailer_.slot().features) != format::Compatibility::full) return {};
  auto done = trailer_.anchor();
  return done ? done : trailer_.anchor();  // once more: see TrailerFile::update()
}

void Container::keep_room() {
  std::lock_guard lock(mutex_);
  const auto& slot = trailer_.slot();
  if (!file_.traits().allocate) return;
  if (format::compatibility(slot.features) != format::Compatibility::full) return;
  (void)allocate(trailer_position(slot.capacity), container_length(slot.capacity));
}

Outcome<> Container::update(const std::function<void(format::pb::Trailer&)>& change) {
  std::lock_guard lock(mutex_);
  if (format::compatibility(trailer_.slot().features) != format::Compatibility::full)
    return failure(
        Errc::unsupported,
        fmt::format("{}: read-only, its trailer uses features this version lacks", label_),
        "change it with the version that wrote it");
  return trailer_.update([&](format::Slot& slot) { change(slot.message); });
}

void Container::renamed(std::string file) {
  std::lock_guard lock(mutex_);
  label_.replace(label_.size() - name_.size(), name_.size(), file);
  name_ = std::move(file);
}

void fill_message(format::pb::Trailer& message, const LunRecord& row) {
  auto& identity = *message.mutable_identity();
  identity.set_naa(row.naa);
  identity.set_serial(row.serial);
  identity.set_target_name(row.target_name);
  identity.set_target_lun(row.target_lun);
  message.set_logical_block(row.logical_block);
  message.set_physical_block(row.physical_block);
  message.set_cache_mode(static_cast<format::pb::CacheMode>(row.cache));
  message.set_thick(row.thick);
  message.set_removable(row.removable);
  message.mutable_location()->set_text(row.vendor_location);
  message.set_owner_epoch(row.owner_epoch);
  message.set_name(row.name);
  message.set_created_at(row.created_at);
  if (row.origin) {
    message.mutable_lineage()->set_origin("clone");
    message.mutable_lineage()->set_snapshot_uuid(row.origin->bytes.data(),
                                                 row.origin->bytes.size());
  }
}

LunRecord row_of(const format::Slot& slot) {
  const auto& message = slot.message;
  LunRecord row;
  row.uuid = slot.uuid;
  row.name = message.name();
  row.capacity = slot.capacity;
  row.logical_block = message.logical_block();
  row.physical_block = message.physical_block();
  if (message.cache_mode() >= 0 && message.cache_mode() <= 2)
    row.cache = static_cast<CacheMode>(message.cache_mode());
  row.thick = message.thick();
  row.removable = message.removable();
  row.naa = message.identity().naa();
  row.serial = message.identity().serial();
  row.target_name = message.identity().target_name();
  row.target_lun = message.identity().target_lun();
  row.vendor_location = message.location().text();
  row.owner_epoch = std::max<std::uint64_t>(message.owner_epoch(), 1);
  row.created_at = message.created_at();
  if (message.has_failed()) {
    row.state = catalog::LunState::failed;
    row.reason = message.failed().reason();
  }
  return row;
}

}  // namespace caisson::object
