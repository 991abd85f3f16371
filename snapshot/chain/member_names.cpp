// SPDX-License-Identifier: Apache-2.0
// The public name of a snapshot, and how its files go.
#include <algorithm>

#include "snapshot/chain/member.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

// What is punched at once: bytes, and extents, of which each takes its time.
constexpr std::uint64_t kSlice = std::uint64_t{4} << 20;
constexpr std::uint64_t kLeastSlice = std::uint64_t{64} << 10;
constexpr std::size_t kExtents = 64;

std::uint64_t slice_at(file_store::File& file, std::uint64_t offset, std::uint64_t end) {
  auto length = std::min(end - offset, kSlice);
  while (length > kLeastSlice) {
    auto count = file.count_extents(offset, length, kExtents + 1);
    if (!count || *count <= kExtents) break;
    length = std::max(kLeastSlice, length / 2);
  }
  return length;
}

}  // namespace

Outcome<> Member::publish() {
  {
    std::lock_guard lock(mutex_);
    if (public_ || ghost()) return {};
    if (auto renamed = place_.rename(hidden_image_name(uuid_), image_name(name_)); !renamed)
      return renamed;
    public_ = true;
  }
  return place_.sync();
}

Outcome<> Member::check_public() const {
  std::lock_guard lock(mutex_);
  if (!public_ || ghost() || invalid()) return {};
  auto found = place_.look_up(image_name(name_));
  if (!found && to_errc(found.error()) != Errc::not_found)
    return place_.failed("find", image_name(name_), found.error());
  if (found && found->size == capacity_) return {};
  return failure(Errc::corrupt, place_.label(image_name(name_)) +
                                    (found ? " has not the snapshot's length any more"
                                           : " is not there any more"));
}

Outcome<> Member::rename(const std::string& name) {
  if (name == this->name()) return {};
  note_in_map(Named{name});
  {
    std::lock_guard lock(mutex_);
    if (public_)
      if (auto renamed = place_.rename(image_name(name_), image_name(name)); !renamed)
        return renamed;
    name_ = name;
    if (!public_) return {};
  }
  return place_.sync();
}

Outcome<> Member::hide() {
  ghost_.store(true, std::memory_order_release);
  note_in_map(Ghost{});
  {
    std::lock_guard lock(mutex_);
    if (!public_) return {};
    auto renamed = place_.rename(image_name(name_), hidden_image_name(uuid_));
    if (!renamed && renamed.error().code != Errc::not_found) return renamed;
    public_ = false;
  }
  // Should it come back at a power cut: the next start knows it for a ghost's.
  if (auto synced = place_.sync(); !synced) log::info("{}", synced.error().message);
  return {};
}

Outcome<> Member::begin_removal() {
  pre_images_.close();
  map_.reset();
  map_file_.reset();
  if (!removed_) {
    std::lock_guard lock(mutex_);
    image_.reset();
    place_.open_files->drop(uuid_);
    auto name = image_file_name(), mark = removed_name(uuid_);
    if (!place_.has(mark))
      if (auto renamed = place_.rename(name, mark); !renamed)
        if (auto left = leave_mark(mark); !left && left.error().code != Errc::not_found)
          return left;  // else there is not even a folder
    public_ = false;
    if (auto synced = place_.sync(); !synced && synced.error().code != Errc::not_found)
      return synced;
    removed_ = true;
  }
  auto folder = place_.list();
  if (!folder) return folder.error();
  for (auto number : folder->segments[uuid_])
    if (auto gone = place_.remove(segment_name(uuid_, number)); !gone) return gone;
  for (const auto& name : {map_name(uuid_), hidden_image_name(uuid_)})
    if (auto gone = place_.remove(name); !gone) return gone;
  // None of them comes back at a power cut that finds the mark gone.
  auto synced = place_.sync();
  return synced || synced.error().code == Errc::not_found ? Outcome<>() : synced;
}

/// Where there is no image that could bear the name.
Outcome<> Member::leave_mark(const std::string& name) {
  auto file = place_.store->create_unnamed();
  if (!file) return place_.failed("make", name, file.error());
  return place_.publish(**file, name);
}

Outcome<bool> Member::reclaim_some() {
  auto name = removed_name(uuid_);
  std::shared_ptr<file_store::File> file;
  {
    std::lock_guard lock(mutex_);
    if (!image_) {
      if (auto opened = place_.open(name, {.read_only = true})) (void)(*opened)->set_writable();
      auto opened = place_.open(name);
      if (opened) image_ = std::move(*opened);
    }
    file = image_;
  }
  while (file && file->traits().punch && reclaimed_ < padded_capacity()) {
    auto data = file->seek_data(reclaimed_, padded_capacity() - reclaimed_);
    if (!data) break;
    reclaimed_ = *data;
    if (*data == padded_capacity()) break;
    auto length = slice_at(*file, *data, padded_capacity());
    reclaimed_ += length;
    if (!file_store::apply(*file, file_store::FileOp::punch, *data, length)) break;
    return true;
  }
  std::lock_guard lock(mutex_);
  image_.reset();
  return false;
}

Outcome<> Member::end_removal() {
  if (auto gone = place_.remove(removed_name(uuid_)); !gone) return gone;
  return place_.sync();
}

}  // namespace caisson::snapshot
