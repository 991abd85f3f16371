// SPDX-License-Identifier: Apache-2.0
#include "tests/support/memory_object.hpp"

#include <algorithm>
#include <cstring>

#include "storage_object/base/errc.hpp"

namespace caisson::tests {

using block::BlockErrc;
using block::IoOp;

MemoryObject::MemoryObject(Setup setup)
    : setup_(std::move(setup)),
      identity_(std::make_shared<const object::Identity>(setup_.identity)),
      modes_({.cache = setup_.cache}),
      bytes_(setup_.geometry.capacity),
      mapped_(setup_.geometry.capacity / setup_.features.unmap_granularity) {}

void MemoryObject::submit(block::IoRequest& request) {
  Error error;
  {
    std::lock_guard lock(requests_mutex_);
    if (seen_.size() < kSeenLimit)
      seen_.push_back({request.op, request.offset, request.length, request.fua, request.may_unmap,
                       request.context});
    if (held_back_) return held_.push_back(&request);
    error = perform(request);
  }
  request.finish(error);
}

void MemoryObject::fail(IoOp op, BlockErrc code) {
  std::lock_guard lock(requests_mutex_);
  faults_[op] = code;
}

void MemoryObject::publish_space(const object::SpaceReport& report) {
  if (space_.publish(report)) announce(object::ObjectEvent::space_low);
}

void MemoryObject::hold() {
  std::lock_guard lock(requests_mutex_);
  held_back_ = true;
}

std::vector<std::byte> MemoryObject::copy() {
  std::lock_guard lock(requests_mutex_);
  return bytes_;
}

std::size_t MemoryObject::release() {
  std::deque<block::IoRequest*> released;
  {
    std::lock_guard lock(requests_mutex_);
    held_back_ = false;
    released.swap(held_);
  }
  for (auto* request : released) {
    std::unique_lock lock(requests_mutex_);
    auto error = perform(*request);
    lock.unlock();
    request->finish(error);
  }
  return released.size();
}

Error MemoryObject::check(const block::IoRequest& request) const {
  if (auto fault = faults_.find(request.op); fault != faults_.end()) return fault->second;
  if (state_ == catalog::LunState::offline) return BlockErrc::offline;
  if (!reservations_.permits(request.context.nexus, object::command_class(request.op)))
    return BlockErrc::conflict;
  if (request.op == IoOp::flush) return {};
  const auto& geometry = setup_.geometry;
  if (request.offset > geometry.capacity || request.length > geometry.capacity - request.offset)
    return BlockErrc::out_of_range;
  if (request.offset % geometry.logical_block != 0 || request.length % geometry.logical_block != 0)
    return BlockErrc::misaligned;
  if (changes_data(request.op) && (request.context.read_only || setup_.features.read_only))
    return BlockErrc::write_protected;
  auto data = request.op == IoOp::read || request.op == IoOp::write;
  auto copies = request.combine == block::Combine::replace_if_equal ? 2u : 1u;
  if (data && total_length(request.buffers) != request.length * copies)
    return BlockErrc::misaligned;
  return {};
}

Error MemoryObject::perform(block::IoRequest& request) {
  if (auto error = check(request)) return error;
  auto range = std::span(bytes_).subspan(request.op == IoOp::flush ? 0 : request.offset,
                                         request.op == IoOp::flush ? 0 : request.length);
  switch (request.op) {
    case IoOp::read: scatter(request.buffers, 0, range); break;
    case IoOp::write:
      if (auto error = store(request, range)) return error;
      mark(request.offset, request.length, true);
      break;
    case IoOp::unmap:
      for (const auto& part : request.ranges) {
        std::ranges::fill(std::span(bytes_).subspan(part.offset, part.length), std::byte{0});
        mark(part.offset, part.length, false);
      }
      if (!request.ranges.empty()) break;
      [[fallthrough]];
    case IoOp::write_zeroes:
      std::ranges::fill(range, std::byte{0});
      mark(request.offset, request.length, request.op == IoOp::write_zeroes && !request.may_unmap);
      break;
    case IoOp::status: report(request); break;
    case IoOp::flush: break;
  }
  return {};
}

Error MemoryObject::store(block::IoRequest& request, std::span<std::byte> range) {
  std::vector<std::byte> data(total_length(request.buffers));
  gather(data, request.buffers, 0);
  switch (request.combine) {
    case block::Combine::replace: std::ranges::copy(data, range.begin()); break;
    case block::Combine::set_bits:
      for (std::size_t i = 0; i < range.size(); ++i) range[i] |= data[i];
      break;
    case block::Combine::replace_if_equal: {
      auto differs = std::ranges::mismatch(range, std::span(data).first(range.size()));
      request.mismatch = static_cast<std::uint64_t>(differs.in1 - range.begin());
      if (differs.in1 != range.end()) return BlockErrc::miscompare;
      std::ranges::copy(std::span(data).last(range.size()), range.begin());
    }
  }
  return {};
}

void MemoryObject::mark(std::uint64_t offset, std::uint64_t length, bool allocated) {
  std::uint64_t granule = setup_.features.unmap_granularity;
  auto from = allocated ? offset / granule : (offset + granule - 1) / granule;
  auto upto = allocated ? (offset + length + granule - 1) / granule : (offset + length) / granule;
  for (auto i = from; i < upto && i < mapped_.size(); ++i) mapped_[i] = allocated;
}

void MemoryObject::report(block::IoRequest& request) {
  std::uint64_t granule = setup_.features.unmap_granularity;
  auto end = request.offset + request.length;
  request.status_count = 0;
  for (auto at = request.offset; at < end && request.status_count < request.status.size();) {
    auto mapped = mapped_[at / granule];
    auto upto = at / granule + 1;
    while (upto * granule < end && mapped_[upto] == mapped) ++upto;
    auto stop = std::min(end, upto * granule);
    request.status[request.status_count++] = {at, stop - at, mapped};
    at = stop;
  }
}

Result<std::uint64_t> MemoryObject::allocated() {
  return static_cast<std::uint64_t>(std::ranges::count(mapped_, true)) *
         setup_.features.unmap_granularity;
}

void MemoryObject::subscribe(object::ObjectObserver& observer) {
  std::lock_guard lock(observers_mutex_);
  observers_.push_back(&observer);
}

void MemoryObject::unsubscribe(object::ObjectObserver& observer) {
  std::lock_guard lock(observers_mutex_);
  std::erase(observers_, &observer);
}

std::size_t MemoryObject::observers() const {
  std::lock_guard lock(observers_mutex_);
  return observers_.size();
}

void MemoryObject::announce(object::ObjectEvent event) {
  std::lock_guard lock(observers_mutex_);
  for (auto* observer : observers_) observer->on_object_event(event);
}

void MemoryObject::change_reservations(ChangeOrigin origin, object::ReservationRequest request,
                                       std::function<void(object::ReservationResult)> done) {
  if (state_ == catalog::LunState::offline) return done(object::ReservationResult::offline);
  if (is_unit_action(request.action))
    return done(reservations_.change_unit(origin.nexus, request.action));
  auto outcome = reservations_.plan(origin.nexus, request);
  auto result = outcome.result;
  if (result == object::ReservationResult::done) {
    auto deliveries = reservations_.commit(origin.nexus, std::move(outcome));
    object::Reservations::tell(request, deliveries);
    std::lock_guard lock(observers_mutex_);
    for (auto [whom, event] : deliveries)
      for (auto* observer : observers_) observer->on_nexus_event(whom, event);
  }
  done(result);
}

Error MemoryObject::reset() {
  reservations_.reset();
  modes_.update([this](object::ModeValues) { return modes_.saved(); });
  announce(object::ObjectEvent::reset);
  return {};
}

void MemoryObject::recall(block::IoRequest& request, block::BlockErrc why) noexcept {
  {
    std::lock_guard lock(requests_mutex_);
    auto at = std::ranges::find(held_, &request);
    if (!recallable_ || at == held_.end()) return;
    held_.erase(at);
  }
  request.finish(why);
}

void MemoryObject::change_modes(ChangeOrigin origin, const object::ModeChange& change,
                                std::function<void(Error)> done) {
  if (mode_error_) return done(mode_error_);
  auto before = modes_.current();
  auto after = object::changed(before, modes_.saved(), change);
  modes_.update([&](object::ModeValues) { return after; });
  if (change.save) modes_.set_saved(after);
  if (before != after) {
    std::lock_guard lock(observers_mutex_);
    for (auto* observer : observers_) observer->on_modes_changed(origin.nexus);
  }
  done({});
}

void MemoryObject::start_upkeep(ChangeOrigin origin, object::UpkeepRequest request,
                                std::function<void(Error)> begun, std::function<void(Error)> done) {
  if (!reservations_.permits(origin.nexus, object::CommandClass::write))
    return begun(BlockErrc::conflict);
  if (upkeep_error_) return begun(upkeep_error_);
  if (!upkeep_.begin(request)) return begun(BlockErrc::busy);
  begun({});
  std::shared_ptr<block::BlockDevice> self(std::shared_ptr<void>(),
                                           this);  // whoever made it keeps it
  object::sweep(self, upkeep_, std::move(request), [this, done = std::move(done)](Error error) {
    upkeep_.end(static_cast<bool>(error));
    done(error);
  });
}

void MemoryObject::leave_failed_sanitize(std::function<void(Error)> done) {
  auto left = upkeep_.state() == object::UpkeepState::none || upkeep_.leave_failure();
  done(left ? Error() : make_error_code(Errc::invalid_argument));
}

void MemoryObject::resize(std::uint64_t capacity) {
  setup_.geometry.capacity = capacity;
  bytes_.resize(capacity);
  mapped_.resize(capacity / setup_.features.unmap_granularity);
  announce(object::ObjectEvent::capacity_changed);
}

}  // namespace caisson::tests
