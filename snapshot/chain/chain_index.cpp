// SPDX-License-Identifier: Apache-2.0
// Where so many snapshots of the copying kind are kept that what they have captured has
// no room in memory: the index.
#include <utility>

#include "snapshot/chain/index_batch.hpp"
#include "snapshot/chain/lane.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::uint64_t kRowsOfStep = 2048;

}  // namespace

/// Errc::unsupported: there shall be none.
Outcome<std::shared_ptr<CaptureIndex>> Chain::index() {
  if (index_) return index_;
  if (parts_.index.empty()) return failure(Errc::unsupported, "there is no index");
  auto opened = CaptureIndex::open(parts_.index, parts_.boot);
  if (!opened) return opened.error();
  std::lock_guard lock(members_mutex_);
  index_ = std::move(*opened);
  return index_;
}

/// One that was superseded goes into the index, and its set out of memory.
Chain::Step Chain::fold_some() {
  if (parts_.index.empty()) return Step::idle;
  auto all = members();
  for (std::size_t i = 0; i + 1 < all->size(); ++i) {
    const auto& member = (*all)[i];
    // Not while something is handed on to it, or it is being exported.
    if (member->ghost() || (*all)[i + 1]->ghost() || !member->may_fold()) continue;
    if (member->uuid() == exported_) continue;
    auto folded = fold(*member);
    return folded ? Step::worked : background_failed(folded.error());
  }
  if (!index_) return Step::idle;
  auto learnt = index_->learn_some();
  if (!learnt) return background_failed(learnt.error());
  return *learnt ? Step::worked : Step::idle;
}

Outcome<> Chain::fold(Member& member) {
  if (std::exchange(fold_of_, member.uuid()) != member.uuid()) fold_cursor_ = 0;
  auto open = index();
  if (!open) return open.error();
  auto& index = **open;
  const auto& set = member.set();
  auto done = index.begin();
  std::uint64_t left = kRowsOfStep;
  while (done && left != 0) {
    auto run = set.next_present_run(fold_cursor_, set.size());
    if (!run) break;
    run->count = std::min(run->count, left);
    done = index.add(member.sequence(), *run);
    fold_cursor_ = run->end();
    left -= run->count;
  }
  bool all = done && left != 0;
  if (all) done = index.set_complete(member.uuid(), set.count());
  if (auto ended = index.commit(); done) done = ended;
  if (!done || all) fold_of_ = {};  // if ever again, then from the beginning
  if (!done || !all) return done;
  member.fold();
  replace([](Members&) {});
  return {};
}

/// Its set is in memory again, and may be added to.
Outcome<> Chain::unfold(Member& member) {
  if (!member.folded()) return {};
  if (!index_ || !index_->set_incomplete(member.uuid())) distrust_index();
  if (auto unfolded = member.unfold(); !unfolded) return unfolded;
  replace([](Members&) {});
  return {};
}

/// It is not what the maps say: nobody shall believe it again.
void Chain::distrust_index() const {
  CaptureIndex::discard(parts_.index);
  index_broken_.store(true);
}

/// Takes a slice of what it had out of the index. Rows that stay harm nobody: they are of
/// a sequence number that is never used again.
Outcome<bool> Chain::unindex_some(Removal& removal) {
  auto& member = *removal.member;
  if (!index_ || member.primitive() != Primitive::copy || member.whole()) return false;
  if (!member.folded() && !index_->set_incomplete(member.uuid())) distrust_index();
  if (!unfold(member)) return false;
  auto units = member.captured();
  if (!units) return false;
  auto done = index_->begin();
  std::uint64_t left = kRowsOfStep;
  while (done && left != 0) {
    auto run = units->set.next_present_run(removal.cursor, units->set.size());
    if (!run) break;
    run->count = std::min(run->count, left);
    done = index_->remove(member.sequence(), *run);
    removal.cursor = run->end();
    left -= run->count;
  }
  if (auto ended = index_->commit(); done) done = ended;
  if (!done) return done.error();
  if (left != 0) member.forget_captured();
  return left == 0;
}

/// Of those that are folded nothing is known but what their maps say.
Chain::Step Chain::remake_index() {
  if (!index_broken_.load()) return Step::idle;
  {
    std::lock_guard lock(members_mutex_);
    index_.reset();
  }
  log::warning("the index of LUN {}'s snapshots is made anew", parts_.lun.to_string());
  CaptureIndex::discard(parts_.index);
  auto open = index();
  if (!open) return background_failed(open.error());
  if (auto made = remake(**open); !made) return background_failed(made.error());
  fold_of_ = {};
  index_broken_.store(false);
  replace([](Members&) {});
  return Step::worked;
}

Outcome<> Chain::remake(CaptureIndex& fresh) {
  IndexBatch batch(fresh);
  for (const auto& member : *members()) {
    if (!member->folded()) continue;
    if (batch.large())
      if (auto flushed = batch.flush(); !flushed) return flushed;
    batch.begin(member->sequence());
    auto told = member->tell(batch);
    batch.end(told ? member : nullptr);
    if (!told && told.error().code == Errc::no_space) told = member->unfold();  // too large
    if (!told) return told;
  }
  return batch.flush();
}

}  // namespace caisson::snapshot
