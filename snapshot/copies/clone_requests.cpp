// SPDX-License-Identifier: Apache-2.0
// Requests of a range that a clone does not have wholly itself.
#include <algorithm>

#include "snapshot/copies/blocking.hpp"
#include "snapshot/copies/clone_fill.hpp"
#include "snapshot/format/runs.hpp"
#include "storage_object/base/buffer.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::snapshot {
namespace {

using block::BlockErrc;
using block::IoOp;
using block::IoRequest;

/// Of one change a round, so that a long one does not keep the short ones waiting.
constexpr std::uint64_t kPieceOfChange = std::uint64_t{4} << 20;

bool is_read(const IoRequest& request) {
  return request.op == IoOp::read || request.op == IoOp::status;
}

Error error_of(const Failure& why, BlockErrc otherwise) {
  if (why.code == Errc::no_space) return BlockErrc::no_space;
  if (why.code == Errc::offline) return BlockErrc::offline;
  return otherwise;
}

/// Units that the request makes zeros whole: nothing of them need be taken over.
Run zeroed(const IoRequest& request) {
  if (request.op == IoOp::write) return {};
  auto first = (request.offset + kFillUnit - 1) / kFillUnit;
  auto end = (request.offset + request.length) / kFillUnit;
  return first < end ? Run{first, end - first} : Run{};
}

}  // namespace

void CloneFill::submit_missing(IoRequest& request) {
  if (state() == State::broken)
    return request.finish(is_read(request) ? BlockErrc::medium_error : BlockErrc::write_error);
  if (!is_read(request)) return hold_back(request);
  on_control_thread(
      *parts_.threads,
      [this, &request] { return request.op == IoOp::read ? read(request) : status(request); },
      [&request](Error error) { request.finish(error); });
}

/// How far who has `offset` has what follows.
std::uint64_t CloneFill::piece_end(std::uint64_t offset, std::uint64_t end, bool& own) const {
  const auto& units = map_->units();
  const auto unit = offset / kFillUnit, last = (end - 1) / kFillUnit + 1;
  own = offset >= map_->capacity() || units.contains(unit);
  if (offset >= map_->capacity()) return end;  // it has grown since
  if (own) return std::min(end, units.first_absent(unit, last) * kFillUnit);
  return std::min({end, units.first_present(unit, last) * kFillUnit, map_->capacity()});
}

Error CloneFill::read_piece(std::uint64_t offset, std::span<std::byte> into) {
  IoVec memory{into.data(), into.size()};
  IoRequest request;
  request.op = IoOp::read;
  request.offset = offset;
  request.length = into.size();
  request.buffers = {&memory, 1};
  return block::perform(*parts_.below, request);
}

Error CloneFill::read(IoRequest& request) {
  Buffer data(request.length);
  const auto end = request.offset + request.length;
  for (auto offset = request.offset; offset < end;) {
    bool own = false;
    auto until = piece_end(offset, end, own);
    auto into = data.span().subspan(offset - request.offset, until - offset);
    if (own) {
      if (auto error = read_piece(offset, into)) return error;
    } else if (auto got = parts_.origin->read(offset, into); !got) {
      if (has(offset, into.size())) continue;  // by now: the snapshot may be gone
      log::warning("clone {}: {}", parts_.place.clone.to_string(), got.error().message);
      return error_of(got.error(), BlockErrc::medium_error);
    }
    offset = until;
  }
  (void)scatter(request.buffers, 0, data.span());
  return {};
}

Error CloneFill::status(IoRequest& request) {
  const auto end = request.offset + request.length;
  request.status_count = 0;
  for (auto offset = request.offset; offset < end;) {
    auto room = request.status.subspan(request.status_count);
    if (room.empty()) break;
    bool own = false;
    auto until = piece_end(offset, end, own);
    if (own) {
      IoRequest below;
      below.op = IoOp::status;
      below.offset = offset;
      below.length = until - offset;
      below.status = room;
      if (auto error = block::perform(*parts_.below, below)) return error;
      if (below.status_count == 0) break;
      request.status_count += below.status_count;
    } else {
      auto extent = parts_.origin->extent(offset, until - offset);
      if (!extent) return error_of(extent.error(), BlockErrc::medium_error);
      room[0] = {extent->offset, extent->length, extent->data};
      ++request.status_count;
    }
    const auto& last = request.status[request.status_count - 1];
    offset = last.offset + last.length;
  }
  return {};
}

void CloneFill::hold_back(IoRequest& request) {
  {
    std::lock_guard lock(waiting_mutex_);
    waiting_.push_back({&request, Executor::current(), request.offset, request.length});
    if (std::exchange(working_, true)) return;
  }
  post_work();
}

void CloneFill::post_work() {
  if (parts_.threads->post(lane_, [self = shared_from_this()] { self->work(); })) return;
  auto waiters = take_waiters();
  {
    std::lock_guard lock(waiting_mutex_);
    working_ = false;
  }
  for (const auto& waiter : waiters) let_go(waiter, BlockErrc::offline);
}

void CloneFill::work() {
  auto waiters = take_waiters();
  if (!waiters.empty()) round(waiters);
  {
    std::lock_guard lock(waiting_mutex_);
    working_ = !waiting_.empty();
    if (!working_) return;
  }
  post_work();
}

std::deque<CloneFill::Waiter> CloneFill::take_waiters() {
  std::lock_guard lock(waiting_mutex_);
  return std::exchange(waiting_, {});
}

void CloneFill::round(std::deque<Waiter>& waiters) {
  auto filled = fill_for(waiters);
  if (!filled)
    log::warning("clone {}: writes fail: {}", parts_.place.clone.to_string(),
                 filled.error().message);
  std::deque<Waiter> rest;
  for (const auto& waiter : waiters) {
    if (!filled)
      let_go(waiter, error_of(filled.error(), BlockErrc::write_error));
    else if (waiter.length == 0)
      let_go(waiter, {});
    else
      rest.push_back(waiter);
  }
  // They were first, and go on with those that have come meanwhile.
  std::lock_guard lock(waiting_mutex_);
  waiting_.insert(waiting_.begin(), rest.begin(), rest.end());
}

/// Takes over the next piece of what each waits for; of what is made zeros, that it is
/// nothing but zeros.
Outcome<> CloneFill::fill_for(std::deque<Waiter>& waiters) {
  std::vector<Run> wanted, zeros;
  for (auto& waiter : waiters) {
    auto made_zero = zeroed(*waiter.request);
    auto piece = made_zero.count != 0 ? waiter.length : std::min(waiter.length, kPieceOfChange);
    auto end = waiter.next + piece;
    map_->units().absent_runs(waiter.next / kFillUnit, (end - 1) / kFillUnit + 1, wanted);
    if (made_zero.count != 0) append_units(zeros, made_zero.first, made_zero.count);
    waiter.next = end;
    waiter.length -= piece;
  }
  wanted = merged(std::move(wanted));
  auto taken = without(wanted, merged(std::move(zeros)));
  Batch batch{.filled = {}, .holes = without(wanted, taken)};
  for (const auto& run : taken)
    if (auto done = take(run, batch); !done) return done;
  return commit(batch);
}

/// Ends its wait: it goes on below, or ends with `error`.
void CloneFill::let_go(const Waiter& waiter, Error error) {
  auto go = [below = parts_.below, request = waiter.request, error] {
    error ? request->finish(error) : below->submit(*request);
  };
  waiter.executor != nullptr ? waiter.executor->post(go) : go();
}

}  // namespace caisson::snapshot
