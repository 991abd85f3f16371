// SPDX-License-Identifier: Apache-2.0
// Lists of changes between two snapshots, or a snapshot and now.
#include "snapshot/chain/lane.hpp"
#include "snapshot/chain/listing.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::size_t kBatch = 1024;    // runs judged at once
constexpr std::size_t kMostViews = 64;  // kept from one batch to the next
constexpr std::uint64_t kBatchesOfCall = 256;

Failure unreadable(const Error& error) {
  return failure(to_errc(error), "cannot tell where blocks of the LUN lie: " + error.message());
}

}  // namespace

Outcome<ChangesPage> Chain::changes(const Uuid& from, const std::optional<Uuid>& to,
                                    std::uint64_t offset, std::span<Changed> room,
                                    ChangesOptions options) const {
  Use use(*this);
  if (!use) return Use::refused();
  if (room.empty() || offset % kChangeBlock != 0)
    return failure(Errc::invalid_argument,
                   "a list of changes begins at a block of 4096 bytes and has room for one run");
  Listing listing(*this, {from, to, options}, room);
  return listing.run(offset);
}

/// The capacity of what is listed: of the newer side.
Outcome<std::uint64_t> Chain::Listing::look() {
  all_ = chain_.members();
  auto position = [&](const Uuid& snapshot) {
    auto at = std::ranges::find(*all_, snapshot, [](const auto& one) { return one->uuid(); });
    return static_cast<std::size_t>(at - all_->begin());
  };
  from_ = position(asked_.from);
  to_ = asked_.to ? position(*asked_.to) : all_->size();
  auto absent = [](const Uuid& snapshot) {
    return failure(Errc::not_found, "there is no snapshot " + snapshot.to_string());
  };
  if (from_ == all_->size()) return absent(asked_.from);
  if (asked_.to && to_ == all_->size()) return absent(*asked_.to);
  if (from_ > to_)
    return failure(Errc::invalid_argument,
                   "'" + (*all_)[from_]->name() + "' is newer than '" + (*all_)[to_]->name() + "'",
                   "name the older snapshot first");
  if (auto valid = check_valid(); !valid) return valid.error();
  return asked_.to ? (*all_)[to_]->capacity() : chain_.parts_.live->geometry().capacity;
}

/// What was read of images says something only if none of it was being given back.
Outcome<> Chain::Listing::check_valid() const {
  for (auto index : {from_, to_}) {
    if (index == all_->size() || !(*all_)[index]->invalid()) continue;
    const auto& member = *(*all_)[index];
    return failure(Errc::corrupt, "snapshot '" + member.name() +
                                      "' is no image any more: " + member.why_invalid());
  }
  return {};
}

Outcome<ChangesPage> Chain::Listing::run(std::uint64_t offset) {
  auto capacity = look();
  if (!capacity) return capacity.error();
  end_ = *capacity;
  sink_.limit(end_);
  // Nothing changes between a snapshot and itself.
  if (from_ == to_) offset = end_;
  for (std::uint64_t batch = 0; batch < kBatchesOfCall && offset < end_; ++batch) {
    auto judged = judge_batch(offset);
    if (!judged) return judged.error();
    auto told = tell(offset);
    if (!told) return told.error();
    offset = *told;
    if (offset < judged_) break;  // no room, or enough done
    offset = judged_;
    auto again = look();
    if (!again) return again.error();
  }
  auto next = std::min(std::max(offset / kChangeBlock * kChangeBlock, sink_.end()), end_);
  if (offset >= end_) next = end_;
  return ChangesPage{sink_.count(), next, next >= end_};
}

/// Judges from `offset` on: runs_, up to judged_.
Outcome<> Chain::Listing::judge_batch(std::uint64_t offset) {
  runs_.clear();
  relied_on_ = {};
  if (views_.size() > kMostViews) views_.clear();
  auto done = judge_runs(offset);
  if (done) done = confirm();
  auto valid = check_valid();
  return valid ? done : valid;
}

Outcome<> Chain::Listing::judge_runs(std::uint64_t offset) {
  for (judged_ = offset; judged_ < end_ && runs_.size() < kBatch;) {
    auto run = next_run(judged_);
    if (!run) return run.error();
    if (run->unchanged) {
      judged_ = run->end;
      continue;
    }
    auto went_on = judge_run(*run);
    if (!went_on) return went_on.error();
    if (!*went_on) break;
  }
  return {};
}

/// Who holds what is at `offset` in both, and up to where: at edges of blocks. The block
/// in which the older side ends is its own to the end: what follows there is zeros.
Outcome<Chain::Listing::Stretch> Chain::Listing::next_run(std::uint64_t offset) const {
  const auto& older = *(*all_)[from_];
  Stretch run{.offset = offset, .end = end_};
  if (asked_.options.method == Method::contents) return run;
  run.grown = offset >= older.padded_capacity();
  auto to_block = [&](std::uint64_t until) {
    return std::min(end_, (until + kChangeBlock - 1) / kChangeBlock * kChangeBlock);
  };
  if (!run.grown) {
    auto in_older = std::min(offset, older.capacity() - 1);
    auto from = chain_.holder_at(*all_, from_, in_older, std::min(end_, older.capacity()));
    if (!from) return from.error();
    run.from = std::move(*from);
    run.end = to_block(run.from.until);
    // Held by one and the same: nothing was overwritten, or it would have been captured.
    run.unchanged = run.from.index >= to_;
    if (run.unchanged) return run;
  }
  auto to = chain_.holder_at(*all_, to_, offset, run.end);
  if (!to) return to.error();
  run.to = std::move(*to);
  run.end = to_block(run.to.until);
  return run;
}

/// False: the batch ends at judged_.
Outcome<bool> Chain::Listing::judge_run(const Stretch& run) {
  auto method = asked_.options.method;
  if (method == Method::contents) return put({run.end, Verdict::unknown});
  if (!is_image(run.to) || (!run.grown && !is_image(run.from)))
    return put({run.end, Verdict::changed});
  if (method == Method::captures && !run.grown) return put({run.end, Verdict::changed});
  MapView* old = nullptr;
  if (!run.grown) {
    auto view = view_of(run.from);
    if (!view) return view.error();
    old = *view;
  }
  auto now = view_of(run.to);
  if (!now) return now.error();
  while (judged_ < run.end && runs_.size() < kBatch) {
    // One page is asked again for all that relies on it.
    if (relied_on_.view != nullptr && (old != relied_on_.view || !old->holds(judged_)))
      return false;
    // The newer file is never read before the older one.
    if (old != nullptr && !old->holds(judged_)) (*now)->age();
    auto judged = judge(old, **now, judged_, run.end);
    if (!judged) return unreadable(judged.error());
    if (judged->verdict == Verdict::equal) {
      auto holds = still_holds(run.to, judged->end);
      if (!holds || !*holds) return holds;
    }
    if (judged->by_address) rely_on(*old, judged->end);
    if (judged->verdict == Verdict::changed && !run.grown && !shares(run))
      judged->verdict = Verdict::unknown;
    put(*judged);
  }
  return true;
}

/// Whether files on this store lie at the same address where they are equal: else an
/// image that is whole says no more than that it is different blocks.
bool Chain::Listing::shares(const Stretch& run) const {
  return chain_.parts_.source->traits().clone || !run.from.member || !run.from.member->whole();
}

/// Whether all it holds stands in one file.
bool Chain::Listing::is_image(const Holder& holder) {
  const auto* member = holder.member.get();
  return member == nullptr || member->whole() || member->primitive() == Primitive::reflink;
}

/// The container is believed, for a snapshot, only if still nobody had captured the
/// range when its map had been read: then nothing of it had been overwritten.
Outcome<bool> Chain::Listing::still_holds(const Holder& holder, std::uint64_t end) const {
  if (holder.member || !asked_.to) return true;
  auto now = chain_.members();
  auto at = std::ranges::find(*now, *asked_.to, [](const auto& one) { return one->uuid(); });
  if (at == now->end()) return false;
  auto last = std::min(end, (*at)->capacity());
  auto again = chain_.holder_at(*now, static_cast<std::size_t>(at - now->begin()), judged_, last);
  if (!again) return again.error();
  return !again->member && again->until == last;
}

/// Of an image that is not whole what was read before says nothing of what it has got since.
Outcome<MapView*> Chain::Listing::view_of(const Holder& holder) {
  bool settled = !holder.member || holder.member->whole();
  auto found = views_.find(holder.member);
  if (found != views_.end()) {
    found->second.settle(settled);
    return &found->second;
  }
  std::shared_ptr<file_store::File> file = chain_.parts_.source;
  auto limit = end_;
  if (holder.member) {
    auto image = holder.member->image();
    if (!image) return image.error();
    file = *image;
    limit = std::min(end_, holder.member->padded_capacity());
  }
  auto by_map = asked_.options.method != Method::captures;
  auto& view = views_.try_emplace(holder.member, std::move(file), limit, by_map).first->second;
  view.settle(settled);
  return &view;
}

void Chain::Listing::rely_on(MapView& view, std::uint64_t end) {
  if (relied_on_.view == nullptr) relied_on_ = {&view, judged_, end};
  relied_on_.end = end;
}

bool Chain::Listing::put(const Judged& judged) {
  if (!runs_.empty() && runs_.back().verdict == judged.verdict &&
      runs_.back().by_address == judged.by_address && runs_.back().end == judged_)
    runs_.back().end = judged.end;
  else
    runs_.push_back({judged_, judged.end, judged.verdict, judged.by_address});
  judged_ = judged.end;
  return true;
}

/// Equal addresses prove something only if the older file had its blocks there while the
/// other was read. Where a balance or a defragmentation moves them, contents decide.
Outcome<> Chain::Listing::confirm() {
  if (relied_on_.view == nullptr) return {};
  auto stands = relied_on_.view->stands(relied_on_.begin, relied_on_.end);
  if (!stands) return unreadable(stands.error());
  if (*stands == relied_on_.end) return {};
  views_.clear();
  for (auto& run : runs_)
    if (run.by_address) run.moved = true;
  return {};
}

}  // namespace caisson::snapshot
