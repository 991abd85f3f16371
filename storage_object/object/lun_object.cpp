// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/lun_object.hpp"

#include <algorithm>
#include <utility>

#include "storage_object/object/object_op.hpp"

namespace caisson::object {

using block::BlockErrc;
using block::IoOp;
using block::IoRequest;
using catalog::CacheMode;
using catalog::LunState;

namespace {

std::uint64_t clamp(std::uint64_t value) { return std::min(value, kFlushRange); }

bool unaligned(const IoRequest& request, std::uint64_t unit) {
  if (!changes_data(request.op)) return false;
  auto off = [unit](const block::Range& range) {
    return range.offset % unit != 0 || range.length % unit != 0;
  };
  return request.ranges.empty() ? off({request.offset, request.length})
                                : std::ranges::any_of(request.ranges, off);
}

/// The range a request keeps in flight, and how.
void set_range(InFlightEntry& range, const IoRequest& request, std::uint32_t unit) {
  range.hold = combines(request)          ? Hold::rewrite
               : changes_data(request.op) ? Hold::write
                                          : Hold::read;
  if (request.op == IoOp::flush) {
    range.begin = kFlushRange;
    range.end = kWholeEnd;
    return;
  }
  auto end = request.offset + request.length;
  range.begin = clamp(request.offset);
  range.end = end < request.offset ? kFlushRange : clamp(end);
  if (!unaligned(request, unit)) return;
  range.hold = Hold::rewrite;
  range.begin -= range.begin % unit;
  range.end = clamp((range.end + unit - 1) / unit * unit);
}

}  // namespace

struct alignas(64) LunObject::Counters {
  std::atomic<std::uint64_t> reads{0}, read_bytes{0}, writes{0}, written_bytes{0}, flushes{0},
      unmaps{0}, errors{0};
};

LunObject::LunObject(LunParts parts)
    : stack_(std::move(parts.stack)),
      data_(parts.data),
      layer_(parts.layer),
      features_(stack_->features()),
      logical_block_(stack_->geometry().logical_block),
      mode_(parts.cache),
      state_(parts.failed ? LunState::failed : LunState::online),
      config_id_(parts.config_id),
      owner_epoch_(parts.owner_epoch),
      recorder_(std::move(parts.recorder)),
      reservations_(std::move(parts.reservations)),
      keeper_(std::move(parts.keeper)),
      modes_(parts.saved_modes),
      mode_keeper_(std::move(parts.mode_keeper)),
      cache_restorer_(std::move(parts.cache_restorer)),
      upkeep_keeper_(std::move(parts.upkeep_keeper)),
      wipe_rate_(parts.wipe_rate),
      noter_(std::move(parts.noter)),
      shared_counters_(std::make_unique<Counters>()),
      identity_(std::make_shared<const Identity>(std::move(parts.identity))) {
  upkeep_.restore(parts.upkeep, parts.upkeep_may_be_left);
  if (!parts.failed) return;
  recording_ = Recording::done;
  trailer_knows_ = gate_.spoil();
}

LunObject::~LunObject() = default;

block::Geometry LunObject::geometry() const noexcept { return stack_->geometry(); }

block::Features LunObject::features() const noexcept {
  auto features = features_;
  features.write_cache = cache_mode() != CacheMode::writethrough;
  return features;
}

void LunObject::submit(IoRequest& request) {
  auto& op = *ObjectOpPool::acquire();
  op.parent = &request;
  op.object = this;
  op.executor = Executor::current();
  op.durable = op.recalled = false;
  op.ranges_done = 0;
  op.result.clear();
  op.child.owner = &op;
  request.next = &op.child;  // by which recall() and abandon() find it
  set_range(op.range, request, data_->write_unit());
  op.range.executor = op.executor;
  op.range.owner = &op;
  op.range.granted = [](InFlightEntry& entry) noexcept {
    auto& waited = *static_cast<ObjectOp*>(entry.owner);
    waited.object->start(waited);
  };
  if (in_flight_.enter(op.range)) start(op);
}

void LunObject::start(ObjectOp& op) {
  const auto& request = *op.parent;
  // The cache mode may have changed before the range was entered.
  if (op.range.hold == Hold::write && unaligned(request, data_->write_unit())) {
    in_flight_.leave(op.range);
    set_range(op.range, request, data_->write_unit());
    if (!in_flight_.enter(op.range)) return;
  }
  if (auto error = op.recalled ? Error(BlockErrc::aborted) : refuse(request)) {
    in_flight_.leave(op.range);
    if (error == BlockErrc::failed) return answer_failed(op);
    return finish(op, error);
  }
  hand_down(op);
}

Error LunObject::refuse(const IoRequest& request) const {
  auto state = state_.load(std::memory_order_acquire);
  if (state == LunState::offline) return BlockErrc::offline;
  const auto& context = request.context;
  if (context.epoch != 0 && context.epoch != owner_epoch_.load(std::memory_order_relaxed))
    return BlockErrc::fenced;
  if (!reservations_.permits(context.nexus, command_class(request.op))) return BlockErrc::conflict;
  if (upkeep_.keeps_out() && context.nexus != 0) return BlockErrc::busy;
  bool changes = changes_data(request.op);
  if (changes && (context.read_only || features_.read_only)) return BlockErrc::write_protected;
  if (request.op != IoOp::flush) {
    auto capacity = stack_->geometry().capacity;
    if (request.length > capacity || request.offset > capacity - request.length)
      return BlockErrc::out_of_range;
    if ((request.offset | request.length) % logical_block_ != 0) return BlockErrc::misaligned;
  }
  if (request.op == IoOp::unmap && !features_.unmap) return BlockErrc::unsupported;
  if (state == LunState::failed && (changes || request.op == IoOp::flush)) return BlockErrc::failed;
  return {};
}

void LunObject::recall(IoRequest& request, BlockErrc why) noexcept {
  auto& op = *static_cast<ObjectOp*>(request.next->owner);
  if (in_flight_.withdraw(op.range)) return finish(op, why);
  if (why == BlockErrc::aborted) op.recalled = true;
}

void LunObject::abandon(IoRequest& request) noexcept {
  auto& op = *static_cast<ObjectOp*>(request.next->owner);
  op.recalled = true;
  in_flight_.give_up(op.range);
}

void LunObject::hand_down(ObjectOp& op) {
  const auto& request = *op.parent;
  bool through = mode_.load(std::memory_order_relaxed) == CacheMode::writethrough;
  bool nothing = request.op == IoOp::flush ? through : request.length == 0;
  if (nothing) {
    op.parent->status_count = 0;
    in_flight_.leave(op.range);
    return finish(op, {});
  }
  if (combines(request)) return read_first(op);
  if (!request.ranges.empty()) return run_ranges(op);
  op.child = request;
  submit_child(op);
}

void LunObject::submit_child(ObjectOp& op) {
  const auto& request = *op.parent;
  bool through = mode_.load(std::memory_order_relaxed) == CacheMode::writethrough;
  op.child.owner = &op;
  op.child.complete = on_child;
  if (changes_data(request.op)) op.child.fua = request.fua || through;
  op.durable = request.op == IoOp::flush || (changes_data(request.op) && op.child.fua);
  if (op.durable && op.ranges_done == 0) gate_.begin(op.ticket);
  stack_->submit(op.child);
}

bool LunObject::withdraw(std::chrono::milliseconds limit) {
  auto refuse_all = [this] { state_.store(LunState::offline, std::memory_order_release); };
  // For ever: nobody shall wait behind what hangs.
  if (limit == std::chrono::milliseconds::max()) refuse_all();
  {
    Pause drained(*this, limit);
    if (!drained.reached()) return false;
    refuse_all();
  }
  announce(ObjectEvent::offline);
  return true;
}

void LunObject::finish(ObjectOp& op, Error error) {
  auto& request = *op.parent;
  auto& own = own_counters();
  bool shared = &own == shared_counters_.get();
  auto add = [shared](std::atomic<std::uint64_t>& counter, std::uint64_t amount) {
    if (shared)
      counter.fetch_add(amount, std::memory_order_relaxed);
    else
      counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  };
  if (error) add(own.errors, 1);
  switch (request.op) {
    case IoOp::read: add(own.reads, 1), add(own.read_bytes, error ? 0 : request.length); break;
    case IoOp::write:
    case IoOp::write_zeroes:
      add(own.writes, 1), add(own.written_bytes, error ? 0 : request.length);
      break;
    case IoOp::flush: add(own.flushes, 1); break;
    case IoOp::unmap: add(own.unmaps, 1); break;
    case IoOp::status: break;
  }
  op.combined = Buffer();
  ObjectOpPool::release(&op);
  request.finish(error);
}

LunObject::Counters& LunObject::own_counters() {
  auto* own = counters_.mine();
  return own ? *own : *shared_counters_;
}

Accounting LunObject::accounting() const noexcept {
  Accounting sum;
  auto add = [&sum](const Counters& one) {
    sum.reads += one.reads.load(std::memory_order_relaxed);
    sum.read_bytes += one.read_bytes.load(std::memory_order_relaxed);
    sum.writes += one.writes.load(std::memory_order_relaxed);
    sum.written_bytes += one.written_bytes.load(std::memory_order_relaxed);
    sum.flushes += one.flushes.load(std::memory_order_relaxed);
    sum.unmaps += one.unmaps.load(std::memory_order_relaxed);
    sum.errors += one.errors.load(std::memory_order_relaxed);
  };
  counters_.for_each(add);
  add(*shared_counters_);
  return sum;
}

void LunObject::publish_space(const SpaceReport& report) {
  if (space_.publish(report) && features_.unmap) announce(ObjectEvent::space_low);
}

Result<std::uint64_t> LunObject::allocated() {
  auto file = data_->file();
  if (!file) return make_error_code(BlockErrc::offline);
  auto attributes = file->attributes();
  if (!attributes) return attributes.error();
  return attributes->allocated;
}

std::shared_ptr<const Identity> LunObject::identity() const noexcept {
  std::lock_guard lock(identity_mutex_);
  return identity_;
}

void LunObject::set_identity(Identity identity) {
  auto fresh = std::make_shared<const Identity>(std::move(identity));
  std::lock_guard lock(identity_mutex_);
  identity_.swap(fresh);
}

void LunObject::subscribe(ObjectObserver& observer) {
  std::lock_guard lock(observers_mutex_);
  observers_.push_back(&observer);
}

void LunObject::unsubscribe(ObjectObserver& observer) {
  std::lock_guard lock(observers_mutex_);
  std::erase(observers_, &observer);
}

void LunObject::announce(ObjectEvent event) {
  std::lock_guard lock(observers_mutex_);
  for (auto* observer : observers_) observer->on_object_event(event);
}

void LunObject::set_capacity(std::uint64_t capacity, std::uint64_t config_id) {
  config_id_.store(config_id);
  data_->set_capacity(capacity);
}

void LunObject::set_mode(CacheMode mode, std::shared_ptr<file_store::File> file) {
  data_->replace_file(std::move(file));
  mode_.store(mode);
  modes_.update([mode](ModeValues current) {
    current.cache = mode;
    return current;
  });
  cache_is_due_ = false;
}

LunObject::Pause::Pause(LunObject& object) : Pause(object, std::chrono::milliseconds::max()) {}

LunObject::Pause::Pause(LunObject& object, std::chrono::milliseconds limit) : object_(object) {
  entry_.begin = 0;
  entry_.end = kWholeEnd;
  entry_.hold = Hold::all;
  reached_ = object_.in_flight_.enter_within(entry_, limit);
}

LunObject::Pause::~Pause() {
  if (reached_) object_.in_flight_.leave(entry_);
}

LunObject::ChangeHold::ChangeHold(LunObject& object, std::chrono::milliseconds limit)
    : object_(object) {
  entry_.begin = 0;
  entry_.end = kFlushRange;
  entry_.hold = Hold::rewrite;
  reached_ = object_.in_flight_.enter_within(entry_, limit);
}

LunObject::ChangeHold::~ChangeHold() {
  if (reached_) object_.in_flight_.leave(entry_);
}

void LunObject::note(std::string_view kind, std::string text) {
  if (noter_) noter_(kind, std::move(text));
}

Error LunObject::reset() {
  if (state() == LunState::offline) return BlockErrc::offline;
  reservations_.reset();
  restore_modes();
  announce(ObjectEvent::reset);
  return {};
}

}  // namespace caisson::object
