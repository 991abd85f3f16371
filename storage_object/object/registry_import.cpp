// SPDX-License-Identifier: Apache-2.0
// Raw images become LUNs: by copy into a new container, or where they lie. What
// is in them is never looked at.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"
#include "storage_object/base/names.hpp"
#include "storage_object/object/registry_impl.hpp"

namespace caisson::object {

using catalog::LunRecord;
using catalog::LunState;
using catalog::Transaction;
using file_store::File;
using file_store::FileExtent;
using file_store::FileOp;

namespace {

constexpr std::size_t kCopyRun = std::size_t{1} << 20;

/// One run of data or hole from `offset` on. Without extents all is data.
FileExtent extent_at(File& file, std::uint64_t offset, std::uint64_t end) {
  FileExtent extent;
  std::atomic<bool> done = false;
  file_store::FileRequest request;
  request.op = FileOp::extents;
  request.offset = offset;
  request.length = end - offset;
  request.extents = {&extent, 1};
  request.owner = &done;
  request.complete = [](file_store::FileRequest& finished) noexcept {
    auto& flag = *static_cast<std::atomic<bool>*>(finished.owner);
    flag.store(true, std::memory_order_release);
    flag.notify_one();
  };
  file.submit(request);
  done.wait(false, std::memory_order_acquire);
  if (request.error || request.extent_count == 0 || extent.length == 0)
    return {offset, end - offset, true};
  return extent;
}

Outcome<> copy_run(File& from, File& to, std::uint64_t offset, std::span<std::byte> memory,
                   const std::string& name) {
  if (auto done = file_store::read_at(from, offset, memory); !done)
    return failure(to_errc(done.error()),
                   fmt::format("{}: cannot read at {}: {}", name, offset, done.error().message()),
                   "check the image");
  if (auto done = file_store::write_at(to, offset, memory); !done)
    return failure(to_errc(done.error()),
                   fmt::format("cannot write the copy of {}: {}", name, done.error().message()),
                   "free space in the store");
  return {};
}

/// Copies what is data; holes stay holes.
Outcome<> copy_image(File& from, File& to, std::uint64_t length, const ImportOptions& options) {
  Buffer buffer(kCopyRun);
  for (std::uint64_t at = 0; at < length;) {
    auto extent = extent_at(from, at, length);
    auto end = std::min(length, extent.offset + extent.length);
    while (extent.data && at < end) {
      auto run = buffer.span().first(std::min<std::uint64_t>(kCopyRun, end - at));
      if (options.stop.stop_requested())
        return failure(Errc::cancelled, fmt::format("the import of {} was stopped", options.file),
                       "import it again");
      if (auto done = copy_run(from, to, at, run, options.file); !done) return done.error();
      at += run.size();
      if (options.progress) options.progress(at, length);
    }
    at = std::max(at, end);
    if (options.progress) options.progress(at, length);
  }
  return {};
}

/// The name of `path` below `directory`; by the text alone, links are the store's business.
std::optional<std::string> name_below(const std::filesystem::path& path,
                                      const std::filesystem::path& directory) {
  auto below = path.lexically_normal().lexically_relative(directory.lexically_normal());
  if (below.empty() || below == "." || *below.begin() == "..") return std::nullopt;
  return below.string();
}

/// Holds off owners for as long as `image` is open, and refuses one that has an
/// owner: what it is changing meanwhile would be copied torn.
Outcome<> check_unowned(File& image, const std::string& name) {
  auto held = image.hold_off_owner();
  if (held) return {};
  if (to_errc(held.error()) == Errc::in_use)
    return failure(Errc::in_use, fmt::format("{} is a container that a gateway is serving", name),
                   "take that LUN offline first, or clone it");
  // Where no locks are to be had there is no owner either: it could not have one.
  log::warning("{}: nobody can be kept from changing it during the import: {}", name,
               held.error().message());
  return {};
}

std::string stem(std::string_view file) { return std::filesystem::path(file).stem().string(); }

}  // namespace

/// The store that an image lies in, and its name there.
Outcome<Registry::Source> Registry::find_source(const ImportOptions& options,
                                                std::string_view target_name,
                                                file_store::Store& target) {
  auto allowed = options_.import_directories;
  std::filesystem::path own;
  for (const auto& record : stores()) {
    if (record.import_allowed) allowed.push_back(record.location);
    if (record.name == target_name) own = record.location;
  }
  const auto path = own / options.file;  // an absolute one stays what it is
  const auto inside = name_below(path, own);
  for (const auto& directory : allowed) {
    auto name = name_below(path, directory);
    if (!name) continue;
    if (inside) return Source{nullptr, &target, *inside};
    auto opened = options_.open_store({.name = "import", .location = directory});
    if (!opened) return opened.error();
    auto* store = opened->get();
    return Source{std::move(*opened), store, *name};
  }
  return failure(Errc::permission_denied,
                 fmt::format("{} is not below a directory that imports may read", path.string()),
                 "name its directory in import_directories, or let its store say import_allowed "
                 "(in the configuration, or --import of `caisson store add`)");
}

Outcome<LunView> Registry::import(const ImportOptions& options) {
  auto store_name = options.like.store.empty() ? default_store() : options.like.store;
  auto target = open_store(store_name);
  if (!target) return target.error();
  auto source = find_source(options, store_name, **target);
  if (!source) return source.error();
  bool inside = source->store == *target;
  if (options.in_place && (!inside || source->name.find('/') != std::string::npos))
    return failure(
        Errc::invalid_argument,
        fmt::format("{} does not lie at the top of store '{}'", options.file, store_name),
        "move it there, or import it by copy");
  if (inside && find_by_file(store_name, source->name))
    return failure(Errc::in_use, fmt::format("{} is the container of a LUN", options.file),
                   "clone that LUN instead");
  auto image = source->store->open(source->name, {.read_only = true});
  if (!image)
    return failure(to_errc(image.error()),
                   fmt::format("cannot open {}: {}", options.file, image.error().message()),
                   "it must be a plain file with one name");
  auto attributes = (*image)->attributes();
  if (!attributes)
    return failure(to_errc(attributes.error()),
                   fmt::format("{}: {}", options.file, attributes.error().message()));
  if (auto free = check_unowned(**image, options.file); !free) return free.error();
  auto length = attributes->size;
  auto create = options.like;
  create.name = options.name.empty() ? stem(source->name) : options.name;
  create.store = store_name;
  auto block = std::max(create.logical_block, 1u);
  create.capacity = (length + block - 1) / block * block;
  auto row = checked_row(create);
  if (!row) return row.error();
  if (find(create.name))
    return failure(Errc::already_exists, fmt::format("LUN '{}' exists already", create.name),
                   "choose another name with --as");
  if (options.in_place) {
    image->reset();
    catalog::RawImage raw{.file = source->name,
                          .length = length,
                          .inode = attributes->id.inode,
                          .born = attributes->born};
    return import_in_place(std::move(*row), std::move(raw), options.dry_run);
  }
  if (options.dry_run) return preview(*row);
  return build(*row, [&](File& to) { return copy_image(**image, to, length, options); });
}

Outcome<LunView> Registry::import_in_place(LunRecord row, catalog::RawImage image, bool dry_run) {
  auto store = open_store(row.store);
  if (!store) return store.error();
  if (image.file != row.file)
    if (auto free = check_name_free(**store, row.store, row.file); !free) return free.error();
  if (dry_run) {
    std::lock_guard lock(mutex_);
    if (auto free = check_free(row); !free) return free.error();
    return LunView{.record = std::move(row), .state = LunState::creating};
  }
  row.reason = fmt::format("import of {}", image.file);
  row.import = image;
  auto reserved = reserve(row);
  if (!reserved) return reserved.error();
  const auto& entry = reserved->entry;
  auto noted =
      options_.catalog->change([&](Transaction& transaction) { return transaction.put_lun(row); });
  if (!noted) {
    forget(entry);
    return noted.error();
  }
  auto done = wrap_in_place(entry);
  if (done) return view_of(entry);
  // The image is the administrator's: whatever happened, it is not removed. The row
  // goes if the image is known to be what it was.
  auto there = (*store)->look_up(image.file);
  bool as_before = there && there->size == image.length && done.error().code != Errc::io_error;
  if (!as_before || !erase(entry)) {
    log::error("LUN '{}': its import failed and is taken up again at the next start", row.name);
    std::lock_guard lock(mutex_);
    entry->reason = done.error().message;
  }
  return done.error();
}

Outcome<> Registry::wrap_in_place(const EntryPtr& entry) {
  auto row = row_of_entry(entry);
  auto store = open_store(row.store);
  if (!store) return store.error();
  auto container = Container::wrap(**store, row, *row.import);
  if (!container) return container.error();
  return end_import(entry, std::move(*container));
}

/// From an image that has become a container, whatever its name, to a served LUN.
Outcome<> Registry::end_import(const EntryPtr& entry, std::unique_ptr<Container> container) {
  auto row = row_of_entry(entry);
  auto store = open_store(row.store);
  if (!store) return store.error();
  if (const auto origin = container->file_name(); origin != row.file) {
    if (auto renamed = (*store)->rename(origin, row.file); !renamed)
      return failure(
          to_errc(renamed.error()),
          fmt::format("cannot rename {} to {}: {}", origin, row.file, renamed.error().message()),
          "check the store; the next start tries again");
    container->renamed(row.file);
  }
  if (auto synced = (*store)->sync_names(); !synced)
    return failure(to_errc(synced.error()),
                   fmt::format("store '{}': {}", row.store, synced.error().message()),
                   "check the store; the next start tries again");
  auto done = save(entry, [](LunRecord& changed) {
    changed.state = LunState::online;
    changed.reason.clear();
    changed.import.reset();
  });
  if (!done) return done.error();
  return serve(entry, std::move(container));
}

}  // namespace caisson::object
