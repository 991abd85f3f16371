// SPDX-License-Identifier: Apache-2.0
#include "snapshot/copies/clone_fill.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "snapshot/chain/share.hpp"
#include "storage_object/base/buffer.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;  // shared or copied at once
constexpr auto kStep = std::chrono::milliseconds(3);
constexpr int kPiecesOfStep = 64;
constexpr auto kAfterFailure = std::chrono::seconds(5);
constexpr auto kAfterWaiting = std::chrono::milliseconds(20);

}  // namespace

std::shared_ptr<CloneFill> CloneFill::open(CloneParts parts) {
  std::shared_ptr<CloneFill> fill(new CloneFill(std::move(parts)));
  if (auto loaded = fill->load(); !loaded) {
    log::error("clone {}: nothing of it can be read: {}", fill->parts_.place.clone.to_string(),
               loaded.error().message);
    fill->state_ = State::broken;
    return fill;
  }
  fill->may_share_ = fill->parts_.place.store->traits().clone;
  if (fill->map_->complete()) {
    fill->state_ = State::whole;
    fill->parts_.filled();
  } else {
    fill->pace_.watch(true);
    fill->schedule(fill->pace_.now());
  }
  return fill;
}

Outcome<> CloneFill::load() {
  auto map = FillMap::open(parts_.place);
  if (!map) return map.error();
  map_ = std::move(*map);
  auto file = parts_.place.store->open(parts_.container);
  if (!file) return cannot("open", file.error());
  file_ = std::move(*file);
  return {};
}

unsigned CloneFill::percent() const noexcept {
  if (state() != State::filling) return state() == State::whole ? 100 : 0;
  return static_cast<unsigned>(map_->units().count() * 100 / map_->units().size());
}

Failure CloneFill::cannot(const char* doing, const Error& error) const {
  return failure(to_errc(error),
                 fmt::format("cannot {} the clone {}/{}: {}", doing, parts_.place.store_name,
                             parts_.container, error.message()),
                 "look after the file system of the store");
}

Outcome<> CloneFill::take(Run run, Batch& batch) {
  while (run.count != 0) {
    auto taken = take_some(run, batch);
    if (!taken) return taken.error();
    run = {run.first + *taken, run.count - *taken};
  }
  return {};
}

/// How many units from the beginning of the run on are taken care of now.
Outcome<std::uint64_t> CloneFill::take_some(const Run& run, Batch& batch) {
  const auto offset = run.first * kFillUnit;
  const auto end = std::min(run.end() * kFillUnit, map_->capacity());
  auto extent = parts_.origin->extent(offset, end - offset);
  if (!extent) return extent.error();
  const auto last = offset + extent->length;
  if (!extent->data && (last == end || extent->length >= kFillUnit)) {
    auto units = last == end ? run.count : extent->length / kFillUnit;
    append_units(batch.holes, run.first, units);
    return units;
  }
  // The unit in which a hole begins or ends is taken whole.
  auto wanted = extent->data ? extent->length : kFillUnit;
  auto units = std::min({run.count, (wanted + kFillUnit - 1) / kFillUnit, kPiece / kFillUnit});
  auto length = std::min(units * kFillUnit, map_->capacity() - offset);
  auto shared = share(offset, length, batch);
  if (!shared) return shared.error();
  if (*shared)
    append_units(batch.filled, run.first, units);
  else if (auto copied = copy({run.first, units}, length, batch); !copied)
    return copied.error();
  return units;
}

/// False: it must be copied. The end of a disk that is no multiple of the file system's
/// block always is.
Outcome<bool> CloneFill::share(std::uint64_t offset, std::uint64_t length, Batch& batch) {
  if (!may_share_.load() || length % file_->traits().block != 0) return false;
  auto image = parts_.origin->image();
  if (!image) return false;
  auto cloned = file_->clone_range(image->innermost(), offset, length, offset);
  if (!cloned) {
    if (!says_never(cloned.error())) return cannot("fill", cloned.error());
    log::info("clone {} shares no blocks with its snapshot: {}", parts_.place.clone.to_string(),
              cloned.error().message());
    may_share_ = false;
    return false;
  }
  batch.written = true;
  return true;
}

Outcome<> CloneFill::copy(const Run& run, std::uint64_t length, Batch& batch) {
  const auto offset = run.first * kFillUnit;
  Buffer data(length);
  if (auto got = parts_.origin->read(offset, data.span()); !got) return got;
  for (std::uint64_t at = 0; at < length; at += kFillUnit) {
    auto unit = data.span().subspan(at, std::min(kFillUnit, length - at));
    bool zeros = all_zero(unit);
    append_units(zeros ? batch.holes : batch.filled, run.first + at / kFillUnit, 1);
    if (zeros) continue;
    batch.written = true;
    if (auto put = file_store::write_at(*file_, offset + at, unit); !put)
      return cannot("fill", put.error());
  }
  return {};
}

Outcome<> CloneFill::commit(const Batch& batch) {
  if (batch.written)
    if (auto synced = file_store::sync(*file_); !synced) return cannot("sync", synced.error());
  if (batch.filled.empty() && batch.holes.empty()) return {};
  return map_->record(batch.filled, batch.holes);
}

void CloneFill::schedule(Pacer::Clock::time_point when) {
  parts_.pacer->at(when, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self || self->closed_.load()) return;
    self->parts_.threads->post(self->lane_, [self] { self->background(); });
  });
}

void CloneFill::background() {
  if (closed_.load()) return;
  switch (pace_.step([this] { return step_once(); })) {
    case Step::idle: return pace_.watch(false);
    case Step::worked: return schedule(pace_.due(parts_.policy->pace));
    case Step::later: return schedule(pace_.now() + kAfterWaiting);
    case Step::failed: return schedule(pace_.now() + kAfterFailure);
  }
}

bool CloneFill::step() {
  std::promise<bool> worked;
  if (!parts_.threads->post(lane_, [&] {
        worked.set_value(pace_.step([this] { return step_once(); }) == Step::worked);
      }))
    return false;
  return worked.get_future().get();
}

CloneFill::Step CloneFill::step_once() {
  if (closed_.load() || state() != State::filling) return Step::idle;
  {
    std::lock_guard lock(waiting_mutex_);
    if (!waiting_.empty()) return Step::later;  // hosts come first
  }
  if (map_->units().full()) return finish();
  // Soon it can share what it would copy now.
  if (may_share_.load() && !parts_.origin->image()) {
    if (parts_.origin->will_share_in(*parts_.place.store)) return Step::later;
    may_share_ = false;
  }
  return fill_some();
}

CloneFill::Step CloneFill::fill_some() {
  const auto& units = map_->units();
  Batch batch;
  auto until = Pacer::Clock::now() + kStep;
  for (int pieces = 0; pieces < kPiecesOfStep; ++pieces) {
    auto missing = units.next_absent_run(cursor_, units.size());
    if (!missing) break;
    auto taken = take_some(*missing, batch);
    if (!taken) return failed(taken.error());
    cursor_ = missing->first + *taken;
    if (Pacer::Clock::now() >= until) break;
  }
  if (!units.next_absent_run(cursor_, units.size())) cursor_ = 0;
  if (auto done = commit(batch); !done) return failed(done.error());
  said_.clear();
  return Step::worked;
}

CloneFill::Step CloneFill::finish() {
  if (auto synced = file_->sync_all(); !synced) return failed(cannot("sync", synced.error()));
  if (auto ended = map_->end(); !ended) return failed(ended.error());
  state_.store(State::whole, std::memory_order_release);
  parts_.filled();
  return Step::worked;
}

CloneFill::Step CloneFill::failed(const Failure& why) {
  cursor_ = 0;  // what was not recorded lies before it
  if (std::exchange(said_, why.message) != why.message)
    log::warning("clone {} is not filled: {}", parts_.place.clone.to_string(), why.message);
  return Step::failed;
}

void CloneFill::close() {
  if (closed_.exchange(true)) return;  // the parts may be gone
  parts_.threads->drain(lane_);
}

}  // namespace caisson::snapshot
