// SPDX-License-Identifier: Apache-2.0
// What a snapshot takes in, and how it becomes whole.
#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "snapshot/chain/member.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {

Outcome<> Member::begin(std::int64_t wall_ms) {
  if (cut_) return {};
  if (auto added = append(Cut{wall_ms}); !added) return added;
  if (auto flushed = flush_map(); !flushed) return flushed;
  cut_ = true;
  return {};
}

Outcome<> Member::record(std::span<const Run> in_image, std::span<const Run> holes) {
  if (in_image.empty() && holes.empty()) return {};
  Outcome<> added;
  if (!in_image.empty()) added = append(Captured{in_image});
  if (added && !holes.empty()) added = append(Hole{holes});
  if (!added) {
    if (map_) map_->discard();
    return added;
  }
  if (auto flushed = flush_map(); !flushed) return flushed;
  for (const auto& run : in_image) captured_->set.add(run);
  for (const auto& run : holes) captured_->set.add(run);
  return {};
}

Outcome<> Member::add_pre_images(std::span<PreImage> images, std::int64_t wall_ms) {
  if (auto begun = begin(wall_ms); !begun) return begun;
  if (auto added = pre_images_.add(images); !added) return added;
  if (auto said = say_begun(); !said) return said;
  for (const auto& image : images)
    captured_->set.add({image.block >> (shift_ - std::countr_zero(kPreImageBlock)), 1});
  return {};
}

/// Before anything is overwritten that only a new segment has: who does not find it must miss
/// it. Once for each.
Outcome<> Member::say_begun() {
  auto fresh = pre_images_.begun_from(begun_);
  if (fresh.empty()) return {};
  for (auto number : fresh)
    if (auto said = append(Begun{number}); !said) return said;
  if (auto said = flush_map(); !said) return said;
  begun_ = fresh.back() + 1;
  return {};
}

Outcome<bool> Member::move_some() {
  if (pre_images_.movable_segments() == 0) return false;
  auto file = image();
  if (!file) return file.error();
  auto slice = pre_images_.move_some(**file);
  if (!slice) return slice.error();
  if (!slice->any) return false;
  if (auto synced = file_store::sync(**file); !synced)
    return place_.failed("sync", hidden_image_name(uuid_), synced.error());
  if (!slice->ended) return true;
  auto number = *slice->ended;
  auto runs = pre_images_.blocks_of(number);
  if (auto added = append(Moved{number, runs}); !added) return added.error();
  if (auto flushed = flush_map(); !flushed) return flushed.error();
  if (auto gone = pre_images_.moved(number); !gone) return gone.error();
  return true;
}

Outcome<std::uint64_t> Member::take_from(Member& newer, std::uint64_t from, std::uint64_t most) {
  auto file = image();
  if (!file) return file.error();
  const auto& theirs = newer.captured_->set;
  auto end = std::min(theirs.size(), captured_->set.size());
  std::vector<Run> taken, holes;
  auto at = from;
  for (auto left = std::max<std::uint64_t>(1, most / unit()); left != 0;) {
    auto run = theirs.next_present_run(at, end);
    if (!run) {
      at = theirs.size();
      break;
    }
    auto missing =
        captured_->set.next_absent_run(run->first, std::min(run->end(), run->first + left));
    at = missing ? missing->end() : std::min(run->end(), run->first + left);
    left -= std::min(left, at - run->first);
    if (!missing) continue;
    auto offset = missing->first * unit();
    Buffer data(std::min(missing->count * unit(), padded_capacity() - offset));
    if (auto got = newer.read(offset, data.span()); !got) return got.error();
    auto zeros = all_zero(data.span());
    append_units(zeros ? holes : taken, missing->first, missing->count);
    if (zeros) continue;
    if (auto put = file_store::write_at(**file, offset, data.span()); !put)
      return place_.failed("write", hidden_image_name(uuid_), put.error());
  }
  if (!taken.empty())
    if (auto synced = file_store::sync(**file); !synced)
      return place_.failed("sync", hidden_image_name(uuid_), synced.error());
  if (auto recorded = record(taken, holes); !recorded) return recorded.error();
  return at;
}

Outcome<> Member::complete() {
  auto file = image();
  if (!file) return file.error();
  auto name = hidden_image_name(uuid_);
  if (auto sized = (*file)->resize(capacity_); !sized)
    return place_.failed("size", name, sized.error());
  if (auto sealed = (*file)->set_read_only(); !sealed)
    return place_.failed("make read-only", name, sealed.error());
  if (auto synced = (*file)->sync_all(); !synced)
    return place_.failed("sync", name, synced.error());
  if (auto added = append(Complete{}); !added) return added;
  if (auto flushed = flush_map(); !flushed) return flushed;
  whole_.store(true, std::memory_order_release);
  map_.reset();
  map_file_.reset();
  std::lock_guard lock(mutex_);
  image_.reset();  // opened for reading only when it is next asked for
  return {};
}

void Member::forget_captured() {
  std::lock_guard lock(units_mutex_);
  captured_.reset();
}

bool Member::may_fold() const {
  return !folded() && !whole() && !invalid() && cut_ && primitive_ == Primitive::copy &&
         unit() == kPreImageBlock && pre_images_.sealed() && pre_images_.size() == 0;
}

void Member::fold() {
  captured_units_.store(captured_->set.count(), std::memory_order_relaxed);
  folded_.store(true, std::memory_order_release);
  forget_captured();
  pre_images_.close();
  map_.reset();
  map_file_.reset();
  std::lock_guard lock(mutex_);
  image_.reset();
}

void Member::seal(const Uuid& by) {
  pre_images_.seal();
  sealed_by_ = by;
  note_in_map(Sealed{by});
}

Outcome<> Member::seal_again(const Uuid& by) {
  if (auto added = append(Sealed{by}); !added) return added;
  if (auto flushed = flush_map(); !flushed) return flushed;
  sealed_by_ = by;
  return {};
}

Outcome<> Member::give_up(const std::string& why) {
  if (map_) map_->discard();
  if (auto added = append(GivenUp{why}); !added) return added;
  return flush_map();
}

}  // namespace caisson::snapshot
